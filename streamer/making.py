"""One asset on its way from bytes to complete: probe, plan, Runs, ornaments; the catalog is told."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packager import ladder
from packager.errors import PackagingError
from packager.facts import Fact, RunEnded, RunProgress, RunStarted, SegmentStored, Warned
from packager.foreman import Foreman
from packager.index import Index
from packager.inits import Inits
from packager.ladder import Effort
from packager.model import Source
from packager.original import WholeFile
from packager.package import Made, begin, finish, identity, ornament, write_manifests
from packager.packaging import Packaging, may_be_the_grid
from packager.plan import Plan, from_json, to_json
from packager.probe import probe
from packager.process import Spawner
from packager.store import Scoped, Store
from packager.tables import Tables
from streamer.catalog import Catalog
from streamer.channel import Channels, of_asset
from streamer.errors import NoSuchAsset, NoSuchRun, ServerError
from streamer.indexes import Indexes
from streamer.ledger import SqlLedger, Stored
from streamer.outline import rungs, source_summary
from streamer.rows import Asset, NewRun, State, Told, Urgency

WORKER = "local"
"""The name under which this process's own slots stand in the ledger."""

_FACTS = 10_000
_AGAIN_SECONDS = 2
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What making an asset needs; one for the whole server. `encoder` names the FFmpeg build."""

    catalog: Catalog
    ledger: SqlLedger
    channels: Channels
    store: Store
    spawner: Spawner
    foreman: Foreman
    inits: Inits
    encoder: str
    effort: Effort
    indexes: Indexes
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
        self._warned = [] if salt else list(asset.warnings)
        self._facts: asyncio.Queue[Fact] = asyncio.Queue(_FACTS)
        self._settled = asyncio.Event()

    @property
    def packaging(self) -> Packaging | None:
        """Return the generation being made, once its plan is frozen."""
        return self.made.packaging if self.made else None

    async def planned(self) -> Packaging | None:
        """Wait until the plan is frozen and return the generation being made; None where it came to none."""
        await self._settled.wait()
        return self.packaging

    async def run(self) -> None:
        """Make the asset; a failure ends up on the asset, never here."""
        teller = asyncio.create_task(self._tell(), name=f"tell {self.asset}")
        try:
            await self._make()
        except NoSuchAsset:
            _log.info("asset %s was deleted while it was made", self.asset)
        except PackagingError as error:
            _log.info("asset %s failed at %s: %s", self.asset, self._step, error.message)
            await self._fail(error.message, error.evidence)
        except ServerError as error:
            _log.warning("asset %s failed at %s: %s", self.asset, self._step, error.message)
            await self._fail(error.message, "")
        except Exception as error:  # noqa: BLE001 - or the asset would wait for ever
            _log.exception("asset %s failed unexpectedly at %s", self.asset, self._step)
            await self._fail("the server could not go on; its log says why", repr(error))
        finally:
            await self._end()
            teller.cancel()
            await asyncio.gather(teller, return_exceptions=True)

    async def _end(self) -> None:
        """Stop what still runs, note what it told, and let nobody wait for more."""
        self._settled.set()
        if self.packaging is not None:
            await self._tools.foreman.remove(self.packaging)
            self.packaging.abandon()
        await self._facts.join()

    async def _fail(self, message: str, evidence: str) -> None:
        """Note the failure on the asset; where the catalog's disk fails too, again until it can be noted."""
        await self._end()
        while True:
            try:
                await self._tools.catalog.fail(
                    self.asset, step=self._step, message=message, log=evidence.splitlines()[-20:]
                )
            except NoSuchAsset:
                return
            except Exception:  # noqa: BLE001 - whatever keeps the catalog from writing
                _log.warning("that asset %s failed cannot be noted; trying again", self.asset)
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                return

    async def _make(self) -> None:
        plan, index, tables = await self._planned()
        while True:
            try:
                await self._package(plan, index, tables)
            except PackagingError as error:
                if not may_be_the_grid(plan, error):
                    raise
                await self._warn(
                    "the frames are not what the file's index says: they are made at a fixed rate"
                )
                plan = await self._plan(plan.source, index, keyed=False)
                continue
            return

    async def _warn(self, text: str) -> None:
        self._warned.append(text)
        await self._tools.catalog.warn(self.asset, text)

    async def _planned(self) -> tuple[Plan, Index | None, Tables]:
        """Return the plan of an earlier life where it still holds, else probe and freeze one."""
        kept = await self._kept()
        if kept is not None:
            return kept
        async with self._tools.probes:
            probed = await probe(
                self._tools.spawner, self._source, into=self._tools.indexes.tables_file(self.asset)
            )
        self._step = "plan"
        if probed.index is not None:
            await self._tools.indexes.keep(self.asset, probed.index)
        return await self._plan(probed.source, probed.index), probed.index, probed.tables

    async def _kept(self) -> tuple[Plan, Index | None, Tables] | None:
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
        index = await self._tools.indexes.index(self.asset)
        tables = await self._tools.indexes.tables(self.asset)
        if tables is None or (plan.picture is not None and index is None):
            return None
        return plan, index, tables

    async def _plan(self, source: Source, index: Index | None, *, keyed: bool = True) -> Plan:
        known = await asyncio.to_thread(identity, self._source)
        return ladder.plan(
            source,
            index,
            identity=known,
            encoder=self._tools.encoder,
            effort=self._tools.effort,
            salt=self._salt,
            allow_keyframe_grid=keyed,
        )

    async def _package(self, plan: Plan, index: Index | None, tables: Tables) -> None:
        tools = self._tools
        self._step = "plan"
        packaging = await begin(
            plan,
            index,
            original=WholeFile(self._source),
            tables=tables,
            asset=self.asset,
            store=Scoped(tools.store, self.asset),
            inits=tools.inits,
            sink=self._take,
        )
        self.made = made = Made(packaging=packaging, started=self._created)
        await self._publish(made, State.PLAYABLE)
        await self._replace()
        await self._catch_up(packaging)
        self._settled.set()
        self._step = "encode"
        tools.foreman.add(packaging)
        try:
            await ornament(made, spawner=tools.spawner)
            await self._publish(made, State.PLAYABLE)
            await finish(made, spawner=tools.spawner)
        finally:
            await tools.foreman.remove(packaging)
        await self._facts.join()
        await self._catch_up(packaging)  # for what could not be noted when it was told
        await write_manifests(made.presentation(), packaging.store)
        await self._publish(made, State.COMPLETE)

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
            warnings=list(dict.fromkeys([*plan.source.warnings, *self._warned])),
            poster=made.poster,
            storyboard=f"{plan.generation}/storyboard.vtt" if shown.storyboard else None,
            state=state,
        )

    async def _replace(self) -> None:
        """Retire the generations before this one, which the catalog shows by now."""
        asset = await self._tools.catalog.get(self.asset)
        for old in await self._tools.catalog.generations(self.asset):
            if old.name != asset.generation:
                await self._tools.catalog.retire_generation(self.asset, old.name)

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
        if isinstance(fact, Warned):
            self._warned.append(fact.text)
        self._facts.put_nowait(fact)

    async def _tell(self) -> None:
        """Write facts to the ledger in their order, as many as have come at a time."""
        while True:
            facts = [await self._facts.get()]
            while not self._facts.empty():
                facts.append(self._facts.get_nowait())
            try:
                await self._write(facts)
            except (NoSuchAsset, NoSuchRun):
                _log.debug("asset %s was deleted before its facts were noted", self.asset)
            except Exception:  # noqa: BLE001 - the store is the truth: what is not noted is noted by the next life
                _log.exception("facts of asset %s could not be noted", self.asset)
            finally:
                for _ in facts:
                    self._facts.task_done()

    async def _write(self, facts: Sequence[Fact]) -> None:
        ledger = self._tools.ledger
        stored: list[SegmentStored] = []
        for fact in facts:
            if isinstance(fact, SegmentStored):
                stored.append(fact)
                continue
            await self._note(stored)
            match fact:
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
        await self._note(stored)

    async def _note(self, stored: list[SegmentStored]) -> None:
        """Write the segments that have been gathered, all of one generation."""
        if stored:
            rows = [Stored(rendition=one.rendition, number=one.number, size=one.size) for one in stored]
            generation = stored[0].generation
            stored.clear()
            await self._tools.ledger.add_segments(self.asset, generation, rows)

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
