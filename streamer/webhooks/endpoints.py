"""The rows of webhooks: made, changed, deleted, disabled; and which server delivers for which of them."""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import delete, func, insert, or_, select, update

from streamer import schema
from streamer.database import Database, Transaction
from streamer.errors import InvalidRequest, NoSuchWebhook, TooManyWebhooks
from streamer.leases import now
from streamer.outbound import AddressRefused, Outbound
from streamer.rows import Clock, new_id
from streamer.webhooks.endpoint import Endpoint, endpoint_of
from streamer.webhooks.outbox import Outbox
from streamer.webhooks.parking import park

MOST = 100
LEASE_MS = 15_000
_RENEWED_MS = 10_000  # what has to be left of a lease, or it is renewed
_PREFIX = "whs_"


class Endpoints:
    """Webhooks on the database."""

    def __init__(
        self, database: Database, outbox: Outbox, outbound: Outbound, *, node: str, clock: Clock
    ) -> None:
        """Take the client that says which addresses may be asked, and this server's name."""
        self._database = database
        self._outbox = outbox
        self._outbound = outbound
        self._node = node
        self._clock = clock

    async def create(self, values: dict[str, Any]) -> Endpoint:
        """Make a webhook. Raise InvalidRequest, TooManyWebhooks."""
        if "url" not in values or "events" not in values:
            raise InvalidRequest("A webhook has a `url` and `events`.")
        self._check(values)
        moment = self._clock()
        row = {
            "channel": None,
            "enabled": True,
            **values,
            "id": new_id(),
            "secret": _secret(),
            "gone": False,
            "until": 0,
            "created": moment,
            "updated": moment,
        }
        table = schema.webhook

        async def work(transaction: Transaction) -> Endpoint:
            if (await transaction.execute(select(func.count()).select_from(table))).scalar_one() >= MOST:
                raise TooManyWebhooks(f"There are {MOST} webhooks at most.")
            return endpoint_of((await transaction.execute(insert(table).values(row).returning(table))).one())

        return await self._database.write(work)

    async def all(self) -> list[Endpoint]:
        """Return every webhook, oldest first."""
        table = schema.webhook
        async with self._database.read() as connection:
            rows = await connection.execute(select(table).order_by(table.c.created, table.c.id))
            return [endpoint_of(row) for row in rows]

    async def get(self, webhook: str) -> Endpoint:
        """Return a webhook. Raise NoSuchWebhook."""
        async with self._database.read() as connection:
            asked = select(schema.webhook).where(schema.webhook.c.id == webhook)
            row = (await connection.execute(asked)).one_or_none()
        if row is None:
            raise NoSuchWebhook(webhook)
        return endpoint_of(row)

    async def change(self, webhook: str, values: dict[str, Any]) -> Endpoint:
        """Change a webhook; of one that is disabled what waits is parked.

        Raise NoSuchWebhook, InvalidRequest.
        """
        self._check(values)
        if values.get("enabled"):
            values = {**values, "gone": False}
        table = schema.webhook
        changed = update(table).where(table.c.id == webhook).returning(table)

        async def work(transaction: Transaction) -> Endpoint:
            row = (await transaction.execute(changed.values(**values, updated=self._clock()))).one_or_none()
            if row is None:
                raise NoSuchWebhook(webhook)
            if not row.enabled:
                await park(transaction, webhook)
            transaction.after(self._outbox.tell)
            return endpoint_of(row)

        return await self._database.write(work)

    async def renew(self, webhook: str, *, overlap: int) -> Endpoint:
        """Give a webhook another secret; the one before signs too for so many milliseconds.

        One that was before that signs no longer. Raise NoSuchWebhook.
        """
        table = schema.webhook
        moment, secret = self._clock(), _secret()
        values = {
            "secret": secret,
            "former": table.c.secret if overlap else None,
            "former_until": moment + overlap if overlap else 0,
            "updated": moment,
        }
        changed = update(table).where(table.c.id == webhook).values(values).returning(table)

        async def work(transaction: Transaction) -> Endpoint:
            row = (await transaction.execute(changed)).one_or_none()
            if row is None:
                raise NoSuchWebhook(webhook)
            return endpoint_of(row)

        return await self._database.write(work)

    async def retire(self, webhook: str) -> None:
        """Disable a webhook whose receiver wishes to be asked no more."""
        table = schema.webhook

        async def work(transaction: Transaction) -> None:
            values = {"enabled": False, "gone": True, "updated": self._clock()}
            await transaction.execute(update(table).where(table.c.id == webhook).values(values))
            await park(transaction, webhook)

        await self._database.write(work)

    async def delete(self, webhook: str) -> None:
        """Delete a webhook with all that was to be delivered to it. Raise NoSuchWebhook."""

        async def work(transaction: Transaction) -> None:
            gone = await transaction.execute(delete(schema.webhook).where(schema.webhook.c.id == webhook))
            if gone.rowcount == 0:
                raise NoSuchWebhook(webhook)

        await self._database.write(work)

    async def held(self) -> dict[str, Endpoint]:
        """Return the enabled webhooks that this server delivers for: of several servers one.

        A lease is 15 seconds by the database's clock; it is renewed by this.
        """
        table = schema.webhook
        if not self._database.shared:
            return {one.id: one for one in await self.all() if one.enabled}
        mine = table.c.node == self._node
        stale = or_(
            table.c.node.is_(None), table.c.until < now(), mine & (table.c.until < now() + _RENEWED_MS)
        )
        async with self._database.read() as connection:
            to_take = list(await connection.scalars(select(table.c.id).where(table.c.enabled, stale)))
        if to_take:
            lease = {"node": self._node, "until": now() + LEASE_MS}
            taken = update(table).where(table.c.id.in_(to_take), table.c.enabled, stale).values(lease)
            await self._database.write(lambda transaction: transaction.execute(taken))
        async with self._database.read() as connection:
            rows = await connection.execute(select(table).where(table.c.enabled, mine, table.c.until > now()))
            return {row.id: endpoint_of(row) for row in rows}

    async def release(self) -> None:
        """Let other servers deliver."""
        if self._database.shared:
            table = schema.webhook
            released = update(table).where(table.c.node == self._node).values(node=None, until=0)
            await self._database.write(lambda transaction: transaction.execute(released))

    def _check(self, values: dict[str, Any]) -> None:
        if "url" in values:
            try:
                self._outbound.check(values["url"])
            except AddressRefused as error:
                raise InvalidRequest(error.message) from error


def _secret() -> str:
    return _PREFIX + secrets.token_urlsafe(32)
