"""What packaging reports of one asset, written into the ledger in its order."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence

from packager.facts import Fact, RunEnded, RunProgress, RunStarted, SegmentStored, Warned
from packager.packaging import Packaging
from streamer.catalog import Catalog
from streamer.channel import Channels, of_asset
from streamer.errors import NoSuchAsset, NoSuchRun
from streamer.ledger import SqlLedger, Stored
from streamer.rows import NewRun, Urgency
from streamer.vocabulary import assets as vocabulary

_FACTS = 10_000
_HINT_SECONDS = 0.5
_log = logging.getLogger(__name__)


class Notes:
    """Takes facts of one asset without waiting, and writes them as `write_on` is run.

    `noted` says that Runs and segments are in the ledger before they are told of here, `packaging` makes
    them; `warned` holds the warnings so far.
    """

    def __init__(
        self,
        asset: str,
        *,
        catalog: Catalog,
        ledger: SqlLedger,
        channels: Channels,
        warned: Sequence[str],
        worker: str,
        noted: bool = False,
    ) -> None:
        self.packaging: Packaging | None = None
        self.warned = list(warned)
        self._asset = asset
        self._catalog = catalog
        self._ledger = ledger
        self._channels = channels
        self._worker = worker
        self._noted = noted
        self._urgencies: dict[str, Urgency] = {}
        self._facts: asyncio.Queue[Fact] = asyncio.Queue(_FACTS)
        self._hinted = -math.inf

    async def warn(self, text: str) -> None:
        """Note a warning of our own."""
        self.warned.append(text)
        await self._catalog.warn(self._asset, text)

    async def written(self) -> None:
        """Wait until everything told so far has been written, or could not be."""
        await self._facts.join()

    async def catch_up(self, packaging: Packaging) -> None:
        """Note in the ledger what the store has and a crash kept from being noted."""
        stored = [
            Stored(rendition=name, number=number, size=size)
            for name, sizes in packaging.sizes.items()
            if name not in packaging.copies  # they are not in the store
            for number, size in sorted(sizes.items())
        ]
        await self._ledger.add_segments(self._asset, packaging.plan.generation, stored)

    def take(self, fact: Fact) -> None:
        """Take one fact."""
        if isinstance(fact, RunProgress):
            told = vocabulary.RunProgress(run=fact.run, frames=fact.frames, total=fact.total, rate=fact.rate)
            self._channels.hint(of_asset(self._asset), told.type, told.json(), key=fact.run)
            return
        if isinstance(fact, SegmentStored):
            self._hint_progress(fact.generation)
        if isinstance(fact, Warned):
            self.warned.append(fact.text)
        elif self._noted:
            if isinstance(fact, RunEnded):
                self._channels.hint(of_asset(self._asset), vocabulary.RunProgress.type, None, key=fact.run)
            return
        if isinstance(fact, RunStarted) and self.packaging is not None:
            # Asked now: when the fact is written, the Run may have ended.
            urgencies = {one.run: one.span.urgency for one in self.packaging.running}
            self._urgencies[fact.run] = urgencies.get(fact.run, Urgency.FILL)
        self._facts.put_nowait(fact)

    def _hint_progress(self, generation: str) -> None:
        """Tell how much is stored, twice a second at most."""
        packaging, now = self.packaging, asyncio.get_running_loop().time()
        if packaging is None or now - self._hinted < _HINT_SECONDS:
            return
        self._hinted = now
        told = vocabulary.AssetProgress(
            id=self._asset,
            generation=generation,
            done=sum(len(sizes) for sizes in packaging.sizes.values()),
            total=sum(packaging.segments.values()),
        )
        self._channels.hint(of_asset(self._asset), told.type, told.json())

    async def write_on(self) -> None:
        """Write facts to the ledger in their order, as many as have come at a time, for ever."""
        while True:
            facts = [await self._facts.get()]
            while not self._facts.empty():
                facts.append(self._facts.get_nowait())
            try:
                await self._write(facts)
            except (NoSuchAsset, NoSuchRun):
                _log.debug("asset %s was deleted before its facts were noted", self._asset)
            except Exception:  # noqa: BLE001 - the store is the truth: what is not noted is noted by the next life
                _log.exception("facts of asset %s could not be noted", self._asset)
            finally:
                for _ in facts:
                    self._facts.task_done()

    async def _write(self, facts: Sequence[Fact]) -> None:
        ledger = self._ledger
        stored: list[SegmentStored] = []
        for fact in facts:
            if isinstance(fact, SegmentStored):
                stored.append(fact)
                continue
            await self._note(stored)
            match fact:
                case Warned():
                    await self._catalog.warn(self._asset, fact.text)
                case RunStarted():
                    await ledger.begin(self._row(fact), worker=self._worker)
                case RunEnded():
                    self._channels.hint(
                        of_asset(self._asset), vocabulary.RunProgress.type, None, key=fact.run
                    )
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
            await self._ledger.add_segments(self._asset, generation, rows)

    def _row(self, fact: RunStarted) -> NewRun:
        return NewRun(
            id=fact.run,
            asset=self._asset,
            generation=self.packaging.plan.generation if self.packaging else "",
            first=fact.first,
            last=fact.last,
            rungs=fact.renditions,
            urgency=self._urgencies.pop(fact.run, Urgency.FILL),
            body={},
        )
