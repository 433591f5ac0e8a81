"""Renditions that are the source itself, of assets that are made: found by plan, tables and upload."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from packager import copied
from packager.copied import Copied
from packager.errors import PackagingError, StoreAway
from packager.original import Original
from packager.plan import from_json
from streamer.catalog import Catalog
from streamer.errors import NoSuchAsset
from streamer.indexes import Indexes
from streamer.uploads.sources import Find

_KEPT = 64
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The copied renditions of one generation by name, and the source that they are ranges of."""

    copies: Mapping[str, Copied]
    original: Original


class Copies:
    """Finds them, and keeps the ones used last: they hold a map of the tables' file, hardly any memory."""

    def __init__(self, catalog: Catalog, indexes: Indexes, *, find: Find) -> None:
        """Take the catalog, where the tables are, and who finds the source that an upload is."""
        self._catalog = catalog
        self._indexes = indexes
        self._find = find
        self._kept: OrderedDict[tuple[str, str], Kept] = OrderedDict()

    def forget(self, asset_id: str) -> None:
        """Look for an asset's anew when they are asked for next."""
        for key in [key for key in self._kept if key[0] == asset_id]:
            del self._kept[key]

    async def of(self, asset_id: str, generation: str) -> Kept | None:
        """Return the copied renditions of a generation, None without any or while the source is missing."""
        key = (asset_id, generation)
        if key not in self._kept:
            found = await self._found(asset_id, generation)
            if found is None:
                return None
            self._kept[key] = found
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    async def _found(self, asset_id: str, generation: str) -> Kept | None:
        try:
            asset = await self._catalog.get(asset_id)
        except NoSuchAsset:
            return None
        rows = await self._catalog.generations(asset_id)
        row = next((row for row in rows if row.name == generation), None)
        if row is None or asset.upload_id is None or asset.arriving:
            return None
        plan = from_json(json.dumps(row.plan))
        if plan.copied is None and not any(rung.copied for rung in plan.audio):
            return None
        tables = await self._indexes.tables(asset_id)
        try:
            original = await self._find(asset.upload_id)
            if tables is not None:
                return Kept(copies=await asyncio.to_thread(copied.of, plan, tables), original=original)
        except StoreAway:
            raise
        except PackagingError as error:
            _log.warning("the source of asset %s cannot be served: %s", asset_id, error)
        return None
