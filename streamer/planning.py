"""What an asset is made from: found out by probing, even before all of it has come, or kept; and its plan."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import AsyncExitStack
from dataclasses import replace

import numpy as np

from packager import ladder
from packager.errors import PackagingError
from packager.following import Followed, Following
from packager.foresight import MEDIA_BYTES, Foreseen
from packager.model import Grid, Source
from packager.package import identity
from packager.packaging import Packaging
from packager.plan import Plan, from_json
from packager.probe import Probed, probe
from streamer.known import Known
from streamer.notes import Notes
from streamer.tools import Tools
from streamer.trail import Trail
from streamer.uploads.arriving import Arriving

_PROBES = 6
_log = logging.getLogger(__name__)


class Mistaken(PackagingError):
    """Now that it is whole, the source is not what its beginning let expect."""

    code = "mistaken"


class Planning:
    """Finds out what one asset is. `whole` is set once all bytes are there and belong to the asset.

    A plan that is frozen before carries the upload's id for an identity, and keeps it.
    """

    def __init__(
        self, tools: Tools, asset: str, original: Arriving, *, whole: asyncio.Event, notes: Notes, salt: str
    ) -> None:
        self.step = "probe"
        self._tools = tools
        self._asset = asset
        self._original = original
        self._whole = whole
        self._notes = notes
        self._salt = salt

    async def kept(self) -> Known | None:
        """Return what an earlier life has found out, None where that does not hold (any more)."""
        known = await self._kept()
        if known is None or known.arriving is not None or known.plan.identity != self._original.upload:
            return known
        return known if await self._holds(known) else None

    async def early(self, foreseen: Foreseen) -> Known | None:
        """Return what an MP4 is before all of it is there, None where that cannot be told."""
        enough = foreseen.enough
        if enough is None:
            return None
        for _ in range(_PROBES):
            await self._original.grown(enough - 1)
            if self._original.whole:
                return None
            try:
                probed = await self._probe(received=self._original.received)
            except PackagingError as error:
                _log.debug("asset %s cannot be told yet: %s", self._asset, error.message)
                enough += max(MEDIA_BYTES, enough)
            else:
                return await self._freeze(probed, known_as=self._original.upload)
        return None

    async def followed(
        self, foreseen: Foreseen, *, frozen: Plan | None, stack: AsyncExitStack
    ) -> Known | None:
        """Return what a source without a table is as soon as it has a segment; None where it never has.

        `stack` ends the following, `frozen` is the plan of an earlier life.
        """
        if not foreseen.follow:
            return None
        into = self._tools.indexes.tables_file(self._asset)
        await asyncio.to_thread(into.unlink, missing_ok=True)  # who has it mapped keeps what it was
        following = Following(self._tools.spawner, self._original, into=into, size=self._original.size)
        try:
            trail = Trail(
                await stack.enter_async_context(following),
                self._original,
                plan=lambda seen, keyed: self._encoded(seen, keyed=keyed),
                prepare=self._tools.inits.of,
                frozen=frozen,
                whole=self._whole,
            )
            return await trail.begin()
        except PackagingError as error:
            _log.info("asset %s cannot be followed: %s", self._asset, error.message)
            return None

    async def frozen(self) -> Plan | None:
        """Return the plan of an earlier life that has not come to its end."""
        plan = await self._stored()
        return plan if plan is not None and not plan.ended else None

    async def keep(self, packaging: Packaging) -> None:
        """Keep what was found out about a followed source, for the next life."""
        await self._tools.indexes.keep(self._asset, packaging.index)

    async def looked_at(self) -> Known:
        """Return what the source is once it is whole, and a plan for it."""
        await self._whole.wait()
        self.step = "probe"
        probed = await self._probe()
        known_as = await asyncio.to_thread(identity, await self._original.file())
        return await self._freeze(probed, known_as=known_as)

    async def on_the_frame_grid(self, known: Known) -> Known | None:
        """Return it with a plan that does not rely on the source's frame times; None: only once whole."""
        await self._notes.warn("the frames are not what the file's index says: they are made at a fixed rate")
        if known.trail is not None:
            return await known.trail.begin(keyed=False)
        plan = self._plan(known.plan.source, known, known_as=known.plan.identity, keyed=False)
        return self._driven(replace(known, plan=plan))

    async def _probe(self, *, received: int | None = None, beside: bool = False) -> Probed:
        into = self._tools.indexes.tables_file(self._asset, beside=beside)
        await asyncio.to_thread(into.unlink, missing_ok=True)  # who has it mapped keeps what it was
        source = await self._original.file()
        async with self._tools.probes:
            return await probe(
                self._tools.spawner,
                source,
                into=into,
                size=None if received is None else self._original.size,
                received=received,
            )

    async def _freeze(self, probed: Probed, *, known_as: str) -> Known:
        self.step = "plan"
        await self._tools.indexes.keep(self._asset, probed.index)
        plan = await asyncio.to_thread(self._plan, probed.source, probed, known_as=known_as)
        return self._driven(Known(plan=plan, index=probed.index, tables=probed.tables))

    def _plan(self, source: Source, seen: Probed | Known, *, known_as: str, keyed: bool = True) -> Plan:
        return ladder.plan(
            source,
            seen.index,
            identity=known_as,
            encoder=self._tools.encoder,
            effort=self._tools.effort,
            salt=self._salt,
            allow_keyframe_grid=keyed,
            tables=seen.tables,
        )

    def _encoded(self, seen: Followed, *, keyed: bool) -> Plan:
        # Nothing of it is copied: whether it complies to the end is not known.
        return ladder.plan(
            seen.source,
            seen.index,
            identity=f"{self._original.upload} followed",
            encoder=self._tools.encoder,
            effort=self._tools.effort,
            allow_keyframe_grid=keyed,
        )

    async def _stored(self) -> Plan | None:
        asset = await self._tools.catalog.get(self._asset)
        if asset.generation is None or self._salt:
            return None
        generation = next(
            (g for g in await self._tools.catalog.generations(self._asset) if g.name == asset.generation),
            None,
        )
        if generation is None:
            return None
        plan = from_json(json.dumps(generation.plan))
        return plan if plan.encoder == self._tools.encoder else None

    async def _kept(self) -> Known | None:
        plan = await self._stored()
        if plan is None or not plan.ended:
            return None
        index = await self._tools.indexes.index(self._asset)
        tables = await self._tools.indexes.tables(self._asset)
        if tables is None or (plan.picture is not None and index is None):
            return None
        return self._driven(Known(plan=plan, index=index, tables=tables))

    def _driven(self, known: Known) -> Known:
        """Return it with what drives its packaging while the bytes of an MP4 come."""
        if self._whole.is_set():
            return replace(known, arriving=None)
        return replace(known, arriving=lambda packaging: self._bytes_come(packaging, known))

    async def _bytes_come(self, packaging: Packaging, known: Known) -> None:
        while not self._original.whole:
            await self._original.changed()
            packaging.received()
        await self._whole.wait()
        if not await self._holds(known):
            raise Mistaken("the file is not what its beginning let expect")

    async def _holds(self, known: Known) -> bool:
        """Say whether the whole source makes the plan that was frozen before it was there."""
        plan = known.plan
        keyed = plan.picture is None or plan.picture.grid is Grid.KEYFRAME
        probed = await self._probe(beside=True)
        await asyncio.to_thread(self._tools.indexes.tables_file(self._asset, beside=True).unlink)
        again = self._plan(probed.source, probed, known_as=plan.identity, keyed=keyed)
        return _choices(again) == _choices(plan) and _same(known, probed)


def _choices(plan: Plan) -> Plan:
    """Return all of a plan but what is said of it to people: warnings and reasons may change."""
    picture = plan.picture and replace(plan.picture, reasons=())
    return replace(plan, source=replace(plan.source, warnings=()), picture=picture, uncopied=())


def _same(known: Known, probed: Probed) -> bool:
    """Say whether frames and samples are where they were taken to be."""
    if known.index is not None and probed.index is not None:
        times = np.array_equal(known.index.times, probed.index.times)
        if not times or not np.array_equal(known.index.keyframes, probed.index.keyframes):
            return False
    for track in (known.plan.source.video, *known.plan.source.audio):
        before, now = (tables.of(track.index) if track else None for tables in (known.tables, probed.tables))
        if (before is None) != (now is None):
            return False
        if before is not None and now is not None and not np.array_equal(before.rows, now.rows):
            return False
    return True
