"""Puts deliveries aside that hold back others."""

from __future__ import annotations

from typing import Final

from sqlalchemy import update

from streamer import schema
from streamer.database import Transaction
from streamer.webhooks.outbox import PENDING

PARKED: Final = "parked"


async def park(transaction: Transaction, webhook: str, channel: str | None = None) -> None:
    """Park what waits for a webhook, of one channel or of all, within a transaction."""
    table = schema.delivery
    chosen = update(table).where(table.c.webhook == webhook, table.c.state == PENDING)
    if channel is not None:
        chosen = chosen.where(table.c.channel == channel)
    await transaction.execute(chosen.values(state=PARKED))
