"""The farm of a cluster: hands Runs to workers over the queue, and follows them by their rows."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

from packager.engine import Slots, Urgency
from packager.errors import PackagingError
from packager.facts import RunEnded, RunProgress, RunStarted, SegmentStored
from packager.farm import Job
from streamer.cluster.patient import insist
from streamer.cluster.queue import BEAT_SECONDS, Queue
from streamer.cluster.register import Register
from streamer.cluster.runs import WITHDRAWN, Open, Runs
from streamer.cluster.wire import Wire
from streamer.errors import CatalogAway, NoSuchAsset
from streamer.rows import RunState

WINDOW = 64
"""Background Runs that may wait at least; more with more slots. A whole asset is never queued at once."""

_WANTS = 256  # Runs that viewers wait for: bounded by the wants of an asset, and here for all of them
_POLL_NOW_SECONDS = 0.25
_POLL_SECONDS = 1.0
_DOWN_SECONDS = 5.0  # a worker that ends nothing for so long is lost; the reconciler sees to its Runs
_log = logging.getLogger(__name__)


class RunWithdrawn(PackagingError):
    """A Run was taken back by somebody else: its asset was deleted, or another server makes it now."""

    code = "run-withdrawn"


@dataclass(slots=True, kw_only=True)
class _Followed:
    """A Run on its way. `ended` holds what it failed with, None where it is done."""

    job: Job
    ended: asyncio.Future[PackagingError | None]
    added: bool = False
    begun: bool = False
    told: set[tuple[str, int]] = field(default_factory=set)


class ClusterFarm:
    """Executes Runs on whatever workers there are. Use as an async context manager.

    Workers write segments and run rows; a Run's facts come from those, so what this process tells its sinks
    is durable. Where the process ends, its Runs go on; `execute` takes up those it finds of a generation.
    """

    def __init__(self, *, queue: Queue, runs: Runs, register: Register, wire: Wire) -> None:
        self._queue = queue
        self._runs = runs
        self._register = register
        self._wire = wire
        self._followed: dict[str, _Followed] = {}
        self._known: dict[tuple[str, str], asyncio.Task[list[Open]]] = {}
        self._hinted: set[str] = set()
        self._woken = asyncio.Event()
        self._follower: asyncio.Task[None] | None = None
        self._slots = 0
        self._leaving = False

    async def __aenter__(self) -> Self:
        self._slots = await self._register.slots()
        self._wire.listen(self._heard, regained=self._missed)
        self._follower = asyncio.create_task(self._follow(), name="follow runs")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.gather(self._follower, return_exceptions=True)

    def leave(self) -> None:
        """Let the workers go on with what they have from now on, though `execute` is cancelled."""
        self._leaving = True

    def free(self, busy: Sequence[Urgency]) -> Slots:
        """Return how many Runs may be handed over now: a window of background Runs, and what is watched."""
        now, soon, fill = (sum(one is urgency for one in busy) for urgency in Urgency)
        window = max(WINDOW, 4 * self._slots)
        return Slots(now=max(0, _WANTS - now), soon=max(0, window - soon), fill=max(0, window - fill))

    async def execute(self, job: Job) -> None:
        """Return when workers have stored the Run's segments. Raise the PackagingError it ended with.

        Cancelling it takes the Run back, and returns when its ffmpeg has ended.
        """
        followed = _Followed(job=job, ended=asyncio.get_running_loop().create_future())
        self._followed[job.run.id] = followed
        try:
            await insist(lambda: self._hand_over(followed), seconds=math.inf)
            error = await asyncio.shield(followed.ended)  # it outlives a cancellation
        except asyncio.CancelledError:
            if not self._leaving:
                # Whoever cancels twice waits no longer, but the Run is still taken back.
                await asyncio.shield(asyncio.create_task(self._withdraw(followed)))
            raise
        except NoSuchAsset as error:
            raise RunWithdrawn("the video was deleted") from error
        finally:
            del self._followed[job.run.id]
        if error is not None:
            raise error

    async def promote(self, run: str, urgency: Urgency) -> None:
        """Make a Run more urgent that waits; tell whoever has begun it how urgent it is by now."""
        followed = self._followed.get(run)
        if followed is not None and followed.begun:
            self._wire.ranked(run, urgency)
        if followed is None or followed.begun or followed.job.urgency <= urgency:
            return
        followed.job = replace(followed.job, urgency=urgency)  # where it is still being handed over
        if await self._runs.raised(run, urgency):
            await self._queue.promote(run, followed.job.run.encoder, urgency)
        self._woken.set()

    async def _hand_over(self, followed: _Followed) -> None:
        """Queue a Run: first its row, then its job, so that what is queued always has a row."""
        await self._wait_for_others(followed.job)
        job = followed.job
        await self._runs.add(job)
        followed.added = True
        await self._queue.defer([(job.run.id, job.run.encoder, job.urgency)])
        if followed.job.urgency < job.urgency:  # raised in between
            await self._queue.promote(job.run.id, job.run.encoder, followed.job.urgency)
        self._woken.set()

    async def _wait_for_others(self, job: Job) -> None:
        """Let end what workers still make of the same segments for a process that is no more.

        A viewer is not made to wait for it: made twice, a segment is kept once.
        """
        known = (job.asset, job.run.generation)
        if known not in self._known:
            self._known[known] = asyncio.create_task(self._take_up(*known))
        try:
            left = await asyncio.shield(self._known[known])
        except CatalogAway:
            self._known.pop(known, None)
            raise
        while job.urgency is not Urgency.NOW and any(_overlap(one, job) for one in left):
            seen, _ = await self._runs.look([one.id for one in left])
            left[:] = [one for one in left if one.id in seen and seen[one.id].open]
            await asyncio.sleep(_POLL_SECONDS if left else 0)

    async def _take_up(self, asset: str, generation: str) -> list[Open]:
        """Take back what an earlier process has queued of a generation; return what of it runs."""
        running = []
        for one in await self._runs.open(asset=asset, generation=generation):
            if one.id in self._followed:
                continue
            if one.state is RunState.QUEUED and await self._runs.withdrawn(one.id, queued_only=True):
                await self._queue.abort(one.id)
            else:
                running.append(one)
        return running

    async def _withdraw(self, followed: _Followed) -> None:
        """Take a Run back, and wait until the worker that has it has ended its ffmpeg."""
        run = followed.job.run.id
        try:
            waited = await self._runs.withdrawn(run, queued_only=True)
            await self._queue.abort(run)
        except CatalogAway:
            _log.warning("run %s could not be taken back: the catalog is away", run)
            return
        if waited:
            return
        try:
            async with asyncio.timeout(_DOWN_SECONDS):
                await asyncio.shield(followed.ended)
        except TimeoutError:
            await self._runs.withdrawn(run)
            if followed.begun:
                followed.job.sink(RunEnded(run=run, failure=WITHDRAWN))

    def _heard(self, run: str, progress: RunProgress | None) -> None:
        followed = self._followed.get(run)
        if followed is None:
            return
        if progress is not None:
            followed.job.sink(progress)
        else:
            self._hinted.add(run)
            self._woken.set()

    def _missed(self) -> None:
        self._hinted |= self._followed.keys()
        self._woken.set()

    async def _follow(self) -> None:
        """Look at Runs when there is a hint, and at all of them now and then."""
        clock = asyncio.get_running_loop().time
        due = counted = clock()
        while True:
            due = min(due, clock() + self._period())  # a viewer may have come meanwhile
            if not self._hinted:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(due):
                        await self._woken.wait()
            self._woken.clear()
            runs, self._hinted = self._hinted, set()
            if clock() >= due:
                due, runs = clock() + self._period(), set(self._followed)
            try:
                await self._look([run for run in runs if run in self._followed])
                if clock() >= counted + BEAT_SECONDS:
                    counted, self._slots = clock(), await self._register.slots()
            except CatalogAway:
                _log.warning("the catalog is away: Runs are followed again when it is back")
            except Exception:  # noqa: BLE001 - nobody would hear of any Run any more
                _log.exception("Runs could not be followed; trying again")
                await asyncio.sleep(_POLL_SECONDS)

    def _period(self) -> float:
        urgent = any(one.job.urgency is Urgency.NOW for one in self._followed.values())
        return _POLL_NOW_SECONDS if urgent else _POLL_SECONDS

    async def _look(self, runs: Sequence[str]) -> None:
        runs = [run for run in runs if self._followed[run].added]  # the others have no row yet
        if not runs:
            return
        seen, segments = await self._runs.look(runs)
        for run, name, number, size in segments:
            followed = self._followed.get(run)
            if followed is not None and (name, number) not in followed.told:
                self._begin(followed)
                followed.told.add((name, number))
                fact = SegmentStored(
                    generation=followed.job.run.generation, rendition=name, number=number, size=size
                )
                followed.job.sink(fact)
        for run in runs:
            followed = self._followed.get(run)
            if followed is None or followed.ended.done():
                continue
            if run in seen:
                self._settle(followed, state=seen[run].state, error=seen[run].error)
            else:
                followed.ended.set_result(RunWithdrawn("the video was deleted"))

    def _begin(self, followed: _Followed) -> None:
        if not followed.begun:
            followed.begun = True
            run = followed.job.run
            followed.job.sink(RunStarted(run=run.id, renditions=run.names, first=run.first, last=run.last))

    def _settle(self, followed: _Followed, *, state: RunState, error: PackagingError | None) -> None:
        if state is RunState.QUEUED:
            return
        self._begin(followed)
        if state is RunState.RUNNING:
            return
        followed.job.sink(RunEnded(run=followed.job.run.id, failure=error.message if error else ""))
        if error is not None and error.message == WITHDRAWN:
            error = RunWithdrawn("the encode was taken back")
        followed.ended.set_result(error)


def _overlap(one: Open, job: Job) -> bool:
    run = job.run
    return one.first <= run.last and run.first <= one.last and bool(set(one.rungs) & set(run.names))
