"""Queues events for webhooks in the transaction that makes them durable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy import ColumnElement, exists, insert, select

from streamer import schema
from streamer.bus import Bus
from streamer.database import Transaction
from streamer.events import Event
from streamer.webhooks.matching import wanted

PENDING: Final = "pending"
QUEUED: Final = "webhooks"
"""Topic of the bus: something was queued."""


def awaited() -> ColumnElement[bool]:
    """Return the condition that there is somebody to deliver to, for a statement that is made anyway."""
    return exists(select(schema.webhook.c.id).where(schema.webhook.c.enabled))


class Outbox:
    """Queues what webhooks want. Whoever appends to a channel does it, so nothing is lost by a crash."""

    def __init__(self, bus: Bus) -> None:
        """Take what tells other servers that something is there."""
        self._bus = bus
        self._heard: list[Callable[[], None]] = []
        bus.hear(QUEUED, lambda _key, _value: self._wake())

    def hear(self, heard: Callable[[], None]) -> None:
        """Call `heard` whenever something was queued, here or on another server."""
        self._heard.append(heard)

    async def stage(self, transaction: Transaction, events: Sequence[Event]) -> None:
        """Queue numbered events of one channel for everybody who wants them."""
        hook = schema.webhook
        asked = select(hook.c.id, hook.c.events, hook.c.channel).where(hook.c.enabled)
        hooks = (await transaction.execute(asked)).all()
        rows = [
            _row(one.id, event)
            for event in events
            for one in hooks
            if wanted(one.events, one.channel, type_=event.type, channel=event.channel)
        ]
        if rows:
            # Inline: a worker may write deliveries and not read them, not even their numbers.
            await transaction.execute(insert(schema.delivery).inline(), rows)
            transaction.after(self.tell)

    def tell(self) -> None:
        """Tell that something can be delivered."""
        self._wake()
        self._bus.tell(QUEUED, "")

    def _wake(self) -> None:
        for heard in self._heard:
            heard()


def _row(webhook: str, event: Event) -> dict[str, object]:
    return {
        "webhook": webhook,
        "channel": event.channel,
        "epoch": event.epoch,
        "offset": event.offset,
        "type": event.type,
        "body": event.text.decode(),
        "state": PENDING,
        "attempts": 0,
        "due": event.time,
        "created": event.time,
    }
