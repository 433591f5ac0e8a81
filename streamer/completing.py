"""An asset is completed before it is published: everything that is missing is made, and waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from streamer.catalog import Catalog
from streamer.errors import NotCompleted, NotForEverybody
from streamer.rows import Asset, Fill, PlaybackPolicy, State

LOOK_SECONDS = 0.5

PICTURED_SECONDS = 60
"""How long a recording that has just ended is given for poster and storyboard, which may never come."""

Progress = Callable[[int, int], None]
"""Is told how many segments there are of how many."""


async def completed(catalog: Catalog, asset_id: str, *, tell: Progress) -> Asset:
    """Wait until an asset that somebody makes is complete. Raise NoSuchAsset, NotCompleted."""
    told = (-1, -1)
    while True:
        asset = await catalog.get(asset_id)
        if asset.state is State.COMPLETE:
            return asset
        publishable(asset)
        counted = (sum(rung.done for rung in asset.rungs), sum(rung.segments for rung in asset.rungs))
        if counted != told:
            tell(*counted)
            told = counted
        await asyncio.sleep(LOOK_SECONDS)


async def recorded(catalog: Catalog, asset_id: str) -> None:
    """Wait until a broadcast is no longer on air. Raise NoSuchAsset."""
    while True:
        asset = await catalog.get(asset_id)
        if not asset.on_air:
            return
        await asyncio.sleep(LOOK_SECONDS)


async def pictured(catalog: Catalog, asset_id: str, *, seconds: float = PICTURED_SECONDS) -> None:
    """Wait until a recording has its pictures, for so long at most. Raise NoSuchAsset."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                asset = await catalog.get(asset_id)
                if asset.live is None or asset.storyboard is not None:
                    return
                await asyncio.sleep(LOOK_SECONDS)


def for_everybody(asset: Asset, *, signed: bool) -> None:
    """Raise NotForEverybody for a signed asset, unless such may be published there."""
    if asset.policy is PlaybackPolicy.SIGNED and not signed:
        raise NotForEverybody(
            f"Asset {asset.id} is signed, and whoever reaches the bucket could watch it. Publish it where "
            "something before the bucket checks who may watch, and say so: `signed = true` of the "
            "destination, or --signed-ok."
        )


def publishable(asset: Asset, *, all_of_it: bool = False) -> None:
    """Raise NotCompleted where an asset will not come to be complete; `all_of_it` is to be made of it."""
    if asset.state is State.FAILED:
        why = asset.failure.message if asset.failure else "it failed"
        raise NotCompleted(f"Asset {asset.id} cannot be published: {why}.")
    if asset.on_air:
        raise NotCompleted(
            f"Asset {asset.id} is on air: publish it `live`, or its recording once it has ended."
        )
    if asset.fill is Fill.WATCHED and asset.state is not State.COMPLETE and not all_of_it:
        raise NotCompleted(
            f"Of asset {asset.id} only what is watched is made; ask for all of it with `complete`."
        )


async def promoted(
    catalog: Catalog, asset_id: str, refill: Callable[[str, Fill], Awaitable[None]], *, wanted: bool
) -> None:
    """Have all of an asset made, where only what is watched was and that is `wanted`. Raise NoSuchAsset."""
    asset = await catalog.get(asset_id)
    if wanted and asset.live is None and asset.fill is Fill.WATCHED:
        await refill(asset_id, Fill.FULL)
