"""The queue of deliveries: what is due, what became of it, what is parked and replayed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, func, select, tuple_, update

from streamer import schema
from streamer.database import Database, Transaction
from streamer.errors import InvalidRequest, NoSuchWebhook
from streamer.rows import Clock, rfc3339
from streamer.webhooks import schedule
from streamer.webhooks.outbox import PENDING, Outbox
from streamer.webhooks.parking import PARKED, park

STATES = (PENDING, PARKED)
PARKED_MOST = 100_000
"""Parked deliveries of one webhook; beyond that the oldest are deleted."""

Lane = tuple[str, str, str]
"""Webhook, channel and state: what is in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event for one webhook."""

    sequence: int
    webhook: str
    channel: str
    epoch: str
    offset: int
    type: str
    body: str
    state: str
    attempts: int
    failing: int | None
    due: int
    failure: str | None
    created: int

    @property
    def id(self) -> str:
        """Its name, the same however often it is tried."""
        return f"{self.epoch}-{self.offset}"

    @property
    def lane(self) -> Lane:
        """What it is in order with."""
        return self.webhook, self.channel, self.state


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Deliveries, oldest first; `next` is the cursor of the following page."""

    items: tuple[Delivery, ...]
    next: str | None


def show(delivery: Delivery) -> dict[str, Any]:
    """Return the delivery as the API shows it."""
    return {
        "id": delivery.id,
        "channel": delivery.channel,
        "epoch": delivery.epoch,
        "offset": delivery.offset,
        "type": delivery.type,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "failing_since": None if delivery.failing is None else rfc3339(delivery.failing),
        "failure": delivery.failure,
        "created": rfc3339(delivery.created),
    }


class Deliveries:
    """Deliveries on the database."""

    def __init__(self, database: Database, outbox: Outbox, *, clock: Clock) -> None:
        """Take the database."""
        self._database = database
        self._outbox = outbox
        self._clock = clock

    async def due(self, webhooks: Collection[str], state: str, *, each: int) -> list[Delivery]:
        """Return what is due and first on its channel: so many of each webhook, the longest due first."""
        table = schema.delivery
        moment = self._clock()
        first = select(func.min(table.c.sequence)).where(
            table.c.webhook.in_(webhooks), table.c.state == state
        )
        if state == PARKED:
            first = first.where(table.c.created > moment - schedule.DAY)
        rank = func.row_number().over(partition_by=table.c.webhook, order_by=(table.c.due, table.c.sequence))
        ranked = (
            select(table, rank.label("rank"))
            .where(
                table.c.sequence.in_(first.group_by(table.c.webhook, table.c.channel)), table.c.due <= moment
            )
            .subquery()
        )
        asked = select(ranked).where(ranked.c.rank <= each).order_by(ranked.c.due, ranked.c.sequence)
        async with self._database.read() as connection:
            return [_delivery(row) for row in await connection.execute(asked)]

    async def delivered(self, delivery: Delivery) -> None:
        """Take a delivery off the queue."""
        gone = delete(schema.delivery).where(schema.delivery.c.sequence == delivery.sequence)
        await self._database.write(lambda transaction: transaction.execute(gone))

    async def failed(self, delivery: Delivery, failure: str, *, chance: float, wait: int = 0) -> bool:
        """Note a failure, and when to try again; say whether what waits on the channel was parked by it.

        `wait` is how many milliseconds the receiver wishes to be left alone.
        """
        table = schema.delivery
        moment = self._clock()
        failing = moment if delivery.failing is None else delivery.failing
        attempts = delivery.attempts + 1
        due = None
        if delivery.state == PENDING:
            due = schedule.due(moment, failing, attempts, chance=chance, wait=wait)
        values = {
            "attempts": attempts,
            "failing": failing,
            "failure": failure,
            "due": moment + max(wait, schedule.pause(attempts, chance, parked=True)) if due is None else due,
        }

        async def work(transaction: Transaction) -> None:
            noted = update(table).where(table.c.sequence == delivery.sequence).values(values)
            await transaction.execute(noted)
            if due is None and delivery.state == PENDING:
                await park(transaction, delivery.webhook, delivery.channel)

        await self._database.write(work)
        return due is None and delivery.state == PENDING

    async def page(self, webhook: str, *, state: str, cursor: str | None, limit: int) -> Page:
        """Return a page of the deliveries of a webhook, oldest first. Raise NoSuchWebhook, InvalidRequest."""
        table = schema.delivery
        asked = select(table).where(table.c.webhook == webhook, table.c.state == state)
        if cursor is not None:
            if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
                raise InvalidRequest("`cursor` is `next` of the page before.")
            asked = asked.where(table.c.sequence > int(cursor))
        async with self._database.read() as connection:
            known = select(schema.webhook.c.id).where(schema.webhook.c.id == webhook)
            if (await connection.execute(known)).one_or_none() is None:
                raise NoSuchWebhook(webhook)
            rows = await connection.execute(asked.order_by(table.c.sequence).limit(limit + 1))
            found = [_delivery(row) for row in rows]
        more = len(found) > limit
        return Page(items=tuple(found[:limit]), next=str(found[limit - 1].sequence) if more else None)

    async def replay(self, webhook: str, chosen: Sequence[tuple[str, int]] | None = None) -> int:
        """Queue parked deliveries again, all or the `chosen` (epoch, offset); return how many.

        Raise NoSuchWebhook, InvalidRequest where the webhook is not enabled.
        """
        table, hook = schema.delivery, schema.webhook
        queued = update(table).where(table.c.webhook == webhook, table.c.state == PARKED)
        if chosen is not None:
            queued = queued.where(tuple_(table.c.epoch, table.c.offset).in_(chosen))
        values = {"state": PENDING, "attempts": 0, "failing": None, "due": self._clock()}

        async def work(transaction: Transaction) -> int:
            asked = select(hook.c.enabled).where(hook.c.id == webhook)
            enabled = (await transaction.execute(asked)).scalar_one_or_none()
            if enabled is None:
                raise NoSuchWebhook(webhook)
            if not enabled:
                raise InvalidRequest("The webhook is not enabled.")
            transaction.after(self._outbox.tell)
            return (await transaction.execute(queued.values(values))).rowcount

        return await self._database.write(work)

    async def sweep(self, webhooks: Collection[str]) -> None:
        """Delete what has been parked for too long, and of webhooks what is too much."""
        table = schema.delivery
        parked = table.c.state == PARKED
        old = delete(table).where(parked, table.c.created <= self._clock() - schedule.KEPT)

        async def work(transaction: Transaction) -> None:
            await transaction.execute(old)
            for webhook in webhooks:
                of_it = (table.c.webhook == webhook, parked)
                newest = select(table.c.sequence).where(*of_it).order_by(table.c.sequence.desc())
                last = newest.offset(PARKED_MOST).limit(1).scalar_subquery()
                await transaction.execute(delete(table).where(*of_it, table.c.sequence <= last))

        await self._database.write(work)

    async def counts(self) -> dict[str, int]:
        """Return how many deliveries there are in each state."""
        table = schema.delivery
        async with self._database.read() as connection:
            rows = await connection.execute(select(table.c.state, func.count()).group_by(table.c.state))
            return dict.fromkeys(STATES, 0) | {row[0]: row[1] for row in rows}

    async def oldest(self) -> int | None:
        """Return when the oldest event happened that waits, None where none does."""
        table = schema.delivery
        async with self._database.read() as connection:
            asked = select(func.min(table.c.created)).where(table.c.state == PENDING)
            oldest: int | None = await connection.scalar(asked)
            return oldest


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(**{column.name: getattr(row, column.name) for column in schema.delivery.columns})
