"""Tells of an asset as it is now, within the transaction that has changed it."""

from __future__ import annotations

from streamer.channel import ASSETS, Channels, of_asset
from streamer.database import Transaction
from streamer.gather import one
from streamer.rows import Asset, Told, show


async def tell(transaction: Transaction, channels: Channels, asset: str, *, told: Told) -> Asset:
    """Append an event with the asset to the library's channel and its own; return it. Raise NoSuchAsset."""
    found = await one(transaction.connection, asset)
    # Whoever knows an asset's id may listen to its channel: the log lines of a failure are not for them.
    await channels.stage(transaction, ASSETS, told, show(found))
    await channels.stage(transaction, of_asset(asset), told, show(found, log=False))
    return found
