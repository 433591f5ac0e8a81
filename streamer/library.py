"""A data directory's assets for commands, beside a server that may be running on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cdn.shown import Shown
from packager.store import Store
from streamer import storage
from streamer.app import compose
from streamer.asking import told
from streamer.assets import ROOT
from streamer.catalog import Catalog
from streamer.channel import Channels
from streamer.completing import Progress, completed, for_everybody, promoted
from streamer.config import Config
from streamer.copies import Copies
from streamer.database import Database
from streamer.errors import DataInUse, NotCompleted
from streamer.indexes import Indexes
from streamer.ledger import SqlLedger
from streamer.markers import Markers
from streamer.rows import Fill, State
from streamer.shelf import Shelf
from streamer.viewed import Viewed

_ALONE = {
    "host": "127.0.0.1",
    "live_rtmp_port": "off",
    "live_rtmps_port": "off",
    "live_srt_port_first": "off",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Library:
    """What shows assets; nothing is made by it."""

    catalog: Catalog
    shelf: Shelf
    store: Store


@asynccontextmanager
async def shown(
    config: Config, asset: str, *, complete: bool, signed: bool, tell: Progress
) -> AsyncIterator[Shown]:
    """Give an asset once it is complete; `complete` has all made of what is only watched.

    Raise NoSuchAsset, NotCompleted, ServerAway, and NotForEverybody unless it may be `signed`.
    """
    async with _library(config) as library:
        for_everybody(await library.catalog.get(asset), signed=signed)
        await _complete(config, asset, library, all_of_it=complete, tell=tell)
        yield Viewed(library.shelf, library.store, asset)


@asynccontextmanager
async def _library(config: Config) -> AsyncIterator[_Library]:
    """Read a data directory, in which nothing is made by this. Raise NoSuchAsset where it has no catalog."""
    if isinstance(config.catalog, Path) and not await asyncio.to_thread(config.catalog.is_file):
        raise NotCompleted(f"There are no assets in {config.data}; name the server's directory with --data.")
    database = await Database.open(config.catalog)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(database.close)
        channels = Channels(database)
        catalog, ledger = Catalog(database, channels), SqlLedger(database, channels)
        store = await stack.enter_async_context(storage.beside(config))
        far = store if config.media is not None else None
        indexes = Indexes(config.data / "indexes", shared=True, far=far)
        find = await stack.enter_async_context(storage.sources(config))
        yield _Library(
            catalog=catalog,
            store=store,
            shelf=Shelf(
                catalog,
                ledger,
                store,
                Copies(catalog, indexes, find=find),
                making=lambda _: None,
                wake=_nobody,
                markers=Markers(database, channels).of,
            ),
        )


async def _nobody(_: str) -> None:
    return None


async def _complete(
    config: Config, asset: str, library: _Library, *, all_of_it: bool, tell: Progress
) -> None:
    """Have what is missing made by the server that runs here, or by this process where none does."""
    if (await library.catalog.get(asset)).state is State.COMPLETE:
        return
    try:
        await _complete_here(config, asset, all_of_it=all_of_it, tell=tell)
    except DataInUse:
        await promoted(library.catalog, asset, _asking(config), wanted=all_of_it)
        await completed(library.catalog, asset, tell=tell)
    library.shelf.forget(asset)


async def _complete_here(config: Config, asset: str, *, all_of_it: bool, tell: Progress) -> None:
    """Make what is missing in this process. Raise DataInUse where that is others' business."""
    if config.database is not None:
        raise DataInUse("the servers of this database make its assets")
    async with compose(config.model_copy(update=_ALONE), resume=False) as server:
        if (await server.catalog.get(asset)).state is State.UPLOADING:
            raise NotCompleted(f"Asset {asset} is still to be uploaded; start the server for that.")
        await promoted(server.catalog, asset, server.works.refill, wanted=all_of_it)
        if server.works.making(asset) is None:
            await server.works.resume(asset)
        await completed(server.catalog, asset, tell=tell)


def _asking(config: Config) -> Callable[[str, Fill], Awaitable[None]]:
    """Return what has the running server make all of an asset."""

    async def refill(asset: str, fill: Fill) -> None:
        await told(config, f"{ROOT}/{asset}", method="PATCH", body={"fill": str(fill)})

    return refill
