"""Tells of an asset as it is now, within the transaction that has changed it."""

from __future__ import annotations

from streamer.channel import ASSETS, Channels, of_asset
from streamer.database import Transaction
from streamer.gather import one
from streamer.rows import Asset, State, show
from streamer.vocabulary.assets import AssetChanged, AssetComplete, AssetFailed, AssetPlayable
from streamer.vocabulary.kind import Kind

_REACHED: dict[State, type[Kind]] = {
    State.PLAYABLE: AssetPlayable,
    State.COMPLETE: AssetComplete,
    State.FAILED: AssetFailed,
}


async def tell(
    transaction: Transaction,
    channels: Channels,
    asset: str,
    *,
    told: type[Kind] = AssetChanged,
    reached: State | None = None,
) -> Asset:
    """Append an event with the asset to the library's channel and its own; return it. Raise NoSuchAsset.

    Another event follows where the state that it has `reached` by the change has one.
    """
    found = await one(transaction.connection, asset)
    # Whoever knows an asset's id may listen to its channel: the log lines of a failure are not for them.
    shown = {ASSETS: show(found), of_asset(asset): show(found, log=False)}
    further = None if reached is None else _REACHED.get(reached)
    for kind in (told, *([] if further is None else [further])):
        for channel, data in shown.items():
            await channels.stage(transaction, channel, kind.type, data)
    return found
