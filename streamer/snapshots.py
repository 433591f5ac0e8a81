"""What a subscriber gets who cannot resume: the state of things now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from streamer.catalog import PAGE_MAX, Catalog
from streamer.channel import Channels, of_asset
from streamer.collapse import Collapsed
from streamer.errors import NoSuchAsset
from streamer.ledger import SqlLedger
from streamer.live import streams
from streamer.live.register import Register
from streamer.rows import show

Snapshot = Callable[[str], Awaitable[dict[str, Any]]]
"""Part of a channel's name behind the colon → snapshot."""


class Snapshots:
    """Makes snapshots of the channels over the catalog."""

    def __init__(
        self, catalog: Catalog, ledger: SqlLedger, channels: Channels, *, register: Register
    ) -> None:
        """Take what the snapshots are made from."""
        self._register = register
        self._catalog = catalog
        self._ledger = ledger
        self._channels = channels

    def kinds(self) -> Mapping[str, Snapshot]:
        """Return the snapshot makers by kind of channel: many who come together cost what one costs."""
        return {
            "assets": Collapsed(self.library),
            "asset": Collapsed(self.asset),
            "stream": Collapsed(self.stream),
        }

    async def library(self, _name: str = "") -> dict[str, Any]:
        """Return the newest assets, and the cursor of the rest."""
        page = await self._catalog.page(limit=PAGE_MAX)
        return {"items": [show(asset) for asset in page.items], "next": page.next}

    async def asset(self, name: str) -> dict[str, Any]:
        """Return an asset, which segments it has of how many, and the latest hints. Raise NoSuchAsset."""
        asset = await self._catalog.get(name)
        generation = asset.generation
        coverage = {} if generation is None else await self._ledger.coverage(name, generation)
        coverage |= {rung.name: [[0, rung.segments - 1]] for rung in asset.rungs if rung.copied}
        return {
            "asset": show(asset, log=False),
            "coverage": coverage,
            "segments": {rung.name: rung.segments for rung in asset.rungs},
            "progress": [
                {"type": str(hint.type), "data": hint.data} for hint in self._channels.hints(of_asset(name))
            ],
        }

    async def stream(self, name: str) -> dict[str, Any]:
        """Return a stream, and the broadcast on air or the last one. Raise NoSuchStream."""
        stream = await self._register.get(name)
        asset = None
        if stream.asset is not None:
            with suppress(NoSuchAsset):  # deleted since
                asset = show(await self._catalog.get(stream.asset), log=False)
        return {"stream": streams.show(stream), "asset": asset}
