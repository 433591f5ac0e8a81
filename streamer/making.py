"""One asset on its way from bytes to complete: probe, plan, Runs, ornaments; the catalog is told."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packager.probe import probe

from packager import ladder
from packager.errors import PackagingError
from packager.facts import Fact, RunEnded, RunProgress, RunStarted, SegmentStored, Warned
from packager.farm import Farm
from packager.index import Index
from packager.inits import Inits
from packager.model import Grid, Source
from packager.package import Made, begin, finish, identity, ornament, write_manifests
from packager.packaging import Packaging
from packager.plan import Plan, from_json, to_json
from packager.process import Spawner
from packager.store import Scoped, Store
from streamer.catalog import Catalog
from streamer.channel import Channels, of_asset
from streamer.ledger import SqlLedger, Stored
from streamer.rows import Asset, NewRun, Rung, State, Told, Urgency

WORKER = "local"
"""The name under which this process's own slots stand in the ledger."""

_FACTS = 10_000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What making an asset needs; one for the whole server. `encoder` names the FFmpeg build."""

    catalog: Catalog
    ledger: SqlLedger
    channels: Channels
    store: Store
    spawner: Spawner
    farm: Farm
    inits: Inits
    encoder: str
    indexes: Path
    probes: asyncio.Semaphore


class Making:
    """Makes one asset. `run` is its life; it can be cancelled at any moment and begun again."""

    def __init__(self, tools: Tools, asset: Asset, source: Path, *, salt: str = "") -> None:
        self.asset = asset.id
        self.made: Made | None = None
        self.version = 0
        self._tools = tools
        self._created = asset.created // 1000
        self._source = source
        self._salt = salt
        self._step = "probe"
        self._facts: asyncio.Queue[Fact] = asyncio.Queue(_FACTS)

    @property
    def packaging(self) -> Packaging | None:
        """Return the generation being made, once its plan is frozen."""
        return self.made.packaging if self.made else None

    async def run(self) -> None:
        """Make the asset; a failure ends up on the asset, never here."""
        teller = asyncio.create_task(self._tell(), name=f"tell {self.asset}")
        try:
            await self._make()
        except PackagingError as error:
            _log.info("asset %s failed at %s: %s", self.asset, self._step, error.message)
            await self._facts.join()
            await self._tools.catalog.fail(
                self.asset, step=self._step, message=error.message, log=error.evidence.splitlines()[-20:]
            )
        finally:
            packaging = self.packaging
            if packaging is not None:
                await self._tools.farm.remove(packaging)
            teller.cancel()
            await asyncio.gather(teller, return_exceptions=True)

    async def _make(self) -> None:
        plan, index = await self._planned()
        while True:
            try:
                await self._package(plan, index)
            except PackagingError:
                if plan.picture is None or plan.picture.grid is Grid.FRAME:
                    raise
                await self._tools.catalog.warn(
                    self.asset, "the frames are not what the file's index says: they are made at a fixed rate"
                )
                plan = self._plan(plan.source, index, keyed=False)
                continue
            return

    async def _planned(self) -> tuple[Plan, Index | None]:
        """Return the plan of an earlier life where it still holds, else probe and freeze one."""
        kept = await self._kept()
        if kept is not None:
            return kept
        async with self._tools.probes:
            source, index = await probe(self._tools.spawner, self._source)
            known = await asyncio.to_thread(identity, self._source)
        self._step = "plan"
        if index is not None:
            await asyncio.to_thread(self._index_file().write_bytes, index.to_bytes())
        plan = ladder.plan(source, index, identity=known, encoder=self._tools.encoder, salt=self._salt)
        return plan, index

    async def _kept(self) -> tuple[Plan, Index | None] | None:
        asset = await self._tools.catalog.get(self.asset)
        if asset.generation is None or self._salt:
            return None
        generation = next(
            (g for g in await self._tools.catalog.generations(self.asset) if g.name == asset.generation), None
        )
        if generation is None:
            return None
        plan = from_json(json.dumps(generation.plan))
        if plan.encoder != self._tools.encoder:
            return None
        if plan.picture is None:
            return plan, None
        file = self._index_file()
        if not await asyncio.to_thread(file.is_file):
            return None
        return plan, Index.from_bytes(await asyncio.to_thread(file.read_bytes))

    def _plan(self, source: Source, index: Index | None, *, keyed: bool) -> Plan:
        known = identity(self._source)
        return ladder.plan(
            source,
            index,
            identity=known,
            encoder=self._tools.encoder,
            salt=self._salt,
            allow_keyframe_grid=keyed,
        )

    def _index_file(self) -> Path:
        return self._tools.indexes / f"{self.asset}.npz"

    async def _package(self, plan: Plan, index: Index | None) -> None:
        tools = self._tools
        self._step = "plan"
        packaging = await begin(
            plan,
            index,
            source=self._source,
            store=Scoped(tools.store, self.asset),
            inits=tools.inits,
            sink=self._take,
        )
        self.made = made = Made(packaging=packaging, started=self._created)
        await self._publish(made, State.PLAYABLE)
        await self._catch_up(packaging)
        self._step = "encode"
        tools.farm.add(packaging)
        try:
            await ornament(made, spawner=tools.spawner)
            await self._publish(made, State.PLAYABLE)
            await finish(made, spawner=tools.spawner)
        finally:
            await tools.farm.remove(packaging)
        await self._facts.join()
        await self._publish(made, State.COMPLETE)
        await write_manifests(made.presentation(), packaging.store)

    async def _publish(self, made: Made, state: State) -> None:
        """Tell the catalog what there is to watch."""
        self.version += 1
        plan = made.packaging.plan
        shown = made.presentation()
        await self._tools.catalog.set_plan(
            self.asset,
            generation=plan.generation,
            plan=json.loads(to_json(plan)),
            rungs=rungs(made.packaging),
            duration=plan.duration,
            source=source_summary(plan),
            warnings=plan.source.warnings,
            poster=made.poster,
            storyboard=f"{plan.generation}/storyboard.vtt" if shown.storyboard else None,
            state=state,
        )

    async def _catch_up(self, packaging: Packaging) -> None:
        """Note in the ledger what the store has and a crash kept from being noted."""
        stored = [
            Stored(rendition=name, number=number, size=size)
            for name, sizes in packaging.sizes.items()
            for number, size in sorted(sizes.items())
        ]
        await self._tools.ledger.add_segments(self.asset, packaging.plan.generation, stored)

    def _take(self, fact: Fact) -> None:
        if isinstance(fact, RunProgress):
            told = {"run": fact.run, "frames": fact.frames, "total": fact.total, "rate": fact.rate}
            self._tools.channels.hint(of_asset(self.asset), Told.RUN_PROGRESS, told, key=fact.run)
            return
        self._facts.put_nowait(fact)

    async def _tell(self) -> None:
        """Write facts to the ledger in their order, as many as have come at a time."""
        while True:
            facts = [await self._facts.get()]
            while not self._facts.empty():
                facts.append(self._facts.get_nowait())
            try:
                await self._write(facts)
            except Exception:  # noqa: BLE001 - the store is the truth: what is not noted is noted by the next life
                _log.exception("facts of asset %s could not be noted", self.asset)
            finally:
                for _ in facts:
                    self._facts.task_done()

    async def _write(self, facts: Sequence[Fact]) -> None:
        ledger = self._tools.ledger
        stored: dict[str, list[Stored]] = {}
        for fact in facts:
            match fact:
                case SegmentStored():
                    row = Stored(rendition=fact.rendition, number=fact.number, size=fact.size)
                    stored.setdefault(fact.generation, []).append(row)
                case Warned():
                    await self._tools.catalog.warn(self.asset, fact.text)
                case RunStarted():
                    await ledger.begin(self._row(fact), worker=WORKER)
                case RunEnded():
                    self._tools.channels.hint(of_asset(self.asset), Told.RUN_PROGRESS, None, key=fact.run)
                    await (
                        ledger.fail_run(fact.run, fact.failure) if fact.failure else ledger.finish(fact.run)
                    )
                case _:
                    pass
        for generation, rows in stored.items():
            await ledger.add_segments(self.asset, generation, rows)

    def _row(self, fact: RunStarted) -> NewRun:
        generation = self.made.packaging.plan.generation if self.made else ""
        return NewRun(
            id=fact.run,
            asset=self.asset,
            generation=generation,
            first=fact.first,
            last=fact.last,
            rungs=fact.renditions,
            urgency=Urgency.FILL,
            body={},
        )


def rungs(packaging: Packaging) -> list[Rung]:
    """Return the renditions of a plan as the catalog lists them."""
    plan = packaging.plan
    listed = [
        Rung(name=rung.name, kind="video", width=rung.width, height=rung.height, segments=plan.pictures)
        for rung in plan.video
    ]
    if plan.intra is not None:
        listed.append(
            Rung(
                name=plan.intra.name,
                kind="intra",
                width=plan.intra.width,
                height=plan.intra.height,
                segments=plan.pictures,
            )
        )
    whole = len(plan.borders) - 1
    return listed + [Rung(name=rung.name, kind="audio", segments=whole) for rung in plan.audio]


def source_summary(plan: Plan) -> dict[str, object]:
    """Return what people want to know of a source."""
    video = plan.source.video
    return {
        "container": plan.source.container,
        "size": plan.source.size,
        "video": None
        if video is None
        else {
            "codec": video.codec,
            "width": video.width,
            "height": video.height,
            "rotation": video.rotation,
            "frame_rate": str(video.frame_rate),
            "variable": video.variable,
            "hdr": video.colour.hdr,
            "scan": str(video.scan),
        },
        "audio": [
            {"codec": a.codec, "channels": a.channels, "language": a.language} for a in plan.source.audio
        ],
        "text": [{"codec": t.codec, "language": t.language} for t in plan.source.text],
        "grid": None if plan.picture is None else str(plan.picture.grid),
        "reasons": [] if plan.picture is None else list(plan.picture.reasons),
    }
