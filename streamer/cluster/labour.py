"""What a worker does with one Run: read its part of the source, encode, store, note."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from packager import keys
from packager.errors import PackagingError, StoreAway
from packager.facts import Fact, RunProgress, SegmentStored
from packager.original import Original, SourceCut
from packager.precedence import Precedence
from packager.run import Run, execute
from packager.store import Scoped, Store
from streamer.cluster.runs import Order, Runs
from streamer.cluster.wire import Wire
from streamer.errors import CatalogAway, NoSuchAsset
from streamer.ledger import SqlLedger, Stored
from streamer.rows import RunState
from streamer.uploads.sources import Find

Say = Callable[..., None]
"""Takes a line for the operator: what has happened, and values by name."""

_FACTS = 1000
_PROGRESS_SECONDS = 0.5
_AGAIN_SECONDS = 1.0
_log = logging.getLogger(__name__)


def log_line(type_: str, **values: object) -> None:
    """Write the line to the log."""
    _log.info("%s %s", type_, " ".join(f"{key}={value}" for key, value in values.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What a worker works with. `find` returns the source that an upload is."""

    name: str
    runs: Runs
    ledger: SqlLedger
    store: Store
    precedence: Precedence
    wire: Wire
    find: Find
    say: Say


class Labour:
    """Executes Runs of which only the id is known. Repeating one is harmless."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    async def carry(self, run: str, withdrawn: Callable[[], bool]) -> None:
        """Execute a Run, and note how it ended. What fails is noted, never raised.

        Cancelled, it ends the encoder, and puts the Run back unless it is `withdrawn`.
        """
        order = await self._bench.runs.order(run)
        if order is None or order.state in {RunState.DONE, RunState.FAILED}:
            return
        if not await self._bench.runs.begin(run, worker=self._bench.name):
            return
        self._told(run, "run.started", asset=order.asset, first=order.run.first, last=order.run.last)
        notes = _Notes(self._bench, order)
        try:
            try:
                await self._make(order, notes)
            finally:
                await notes.close()
        except asyncio.CancelledError:
            await self._let_go(run, withdrawn=withdrawn())
            raise
        except NoSuchAsset:
            self._told(run, "run.ended", failure="the video was deleted")
        except StoreAway:
            await asyncio.sleep(_AGAIN_SECONDS)
            await self._let_go(run, withdrawn=False)
        except PackagingError as error:
            await self._bench.runs.failed(run, error, worker=self._bench.name)
            self._told(run, "run.ended", failure=error.message)
        else:
            await self._bench.runs.done(run)
            self._told(run, "run.ended", failure="")

    async def _make(self, order: Order, notes: _Notes) -> None:
        """Encode what is not stored yet; whatever is stored is noted."""
        store = Scoped(self._bench.store, order.asset)
        there = await _stored(order.run, store)
        if there is not None:
            for fact in there:
                notes.take(fact)
            return
        original = await self._original(order)
        async with self._bench.precedence.turn(order.run.id, order.urgency, begins=order.run.begins) as turn:
            await execute(order.run, original=original, store=store, spawner=turn, sink=notes.take)

    async def _original(self, order: Order) -> Original:
        if order.upload is None:
            raise SourceCut("The source is gone.")
        return await self._bench.find(order.upload)

    async def _let_go(self, run: str, *, withdrawn: bool) -> None:
        if withdrawn:
            await self._bench.runs.withdrawn(run)
        else:
            await self._bench.runs.put_back(run, worker=self._bench.name)
        self._told(run, "run.ended", failure="cancelled" if withdrawn else "put back")

    def _told(self, run: str, what: str, **values: object) -> None:
        self._bench.wire.changed(run)
        self._bench.say(what, run=run, **values)


class _Notes:
    """Writes stored segments to the ledger as they come, several in one transaction."""

    def __init__(self, bench: Bench, order: Order) -> None:
        self._bench = bench
        self._order = order
        self._facts: asyncio.Queue[SegmentStored | None] = asyncio.Queue(_FACTS)
        self._writer = asyncio.create_task(self._write(), name=f"notes of {order.run.id}")
        self._shown = 0.0

    def take(self, fact: Fact) -> None:
        """Take a fact of the Run."""
        if isinstance(fact, SegmentStored):
            self._facts.put_nowait(fact)
        elif isinstance(fact, RunProgress):
            now = asyncio.get_running_loop().time()
            if now >= self._shown + _PROGRESS_SECONDS:
                self._shown = now
                self._bench.wire.progress(fact)

    async def close(self) -> None:
        """Write what is left. Raise NoSuchAsset where it is gone."""
        self._facts.put_nowait(None)
        await asyncio.shield(self._writer)

    async def _write(self) -> None:
        while (fact := await self._facts.get()) is not None:
            facts, last = [fact], False
            while not self._facts.empty() and not last:
                following = self._facts.get_nowait()
                if following is None:
                    last = True
                else:
                    facts.append(following)
            await self._note(facts)
            if last:
                return

    async def _note(self, facts: Sequence[SegmentStored]) -> None:
        rows = [Stored(rendition=one.rendition, number=one.number, size=one.size) for one in facts]
        while True:
            try:
                await self._bench.ledger.add_segments(self._order.asset, self._order.run.generation, rows)
            except CatalogAway:
                _log.warning("the catalog is away; %d segments wait to be noted", len(rows))
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                break
        self._bench.wire.changed(self._order.run.id)


async def _stored(run: Run, store: Store) -> list[SegmentStored] | None:
    """Return all segments of the Run where every one is stored, else None."""
    found = []
    for name in run.names:
        for number in range(run.first, run.last + 1):
            stat = await store.stat(keys.segment(run.generation, name, number))
            if stat is None:
                return None
            found.append(
                SegmentStored(generation=run.generation, rendition=name, number=number, size=stat.size)
            )
    return found
