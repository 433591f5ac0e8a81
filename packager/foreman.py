"""The foreman: hands the Runs of all packagings to the farm, what a viewer waits for first."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from types import TracebackType
from typing import Self

from packager.engine import Running, Slots, Urgency
from packager.errors import PackagingError
from packager.farm import Farm, Job
from packager.packaging import Orders, Packaging

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a packaging stands, for an operator: its asset, requests that wait, what was handed to the farm.

    `queued` are the urgencies for which it waits for a place.
    """

    asset: str
    waiting: int
    running: Sequence[Running]
    queued: Sequence[Urgency]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Handed:
    task: asyncio.Task[None]
    packaging: Packaging
    running: Running


class Foreman:
    """Asks packagings what they need as long as the farm takes more.

    All packagings' waiting viewers go before what comes next anywhere, and that before anyone's background
    work; within a class the one that was served longest ago goes first, or that came first. A packaging is
    asked when something of it has changed or when it waits for a place, so idle ones cost nothing. Use as an
    async context manager: leaving it stops every Run.
    """

    def __init__(self, farm: Farm) -> None:
        self._farm = farm
        self._following: dict[Packaging, asyncio.Task[None] | None] = {}
        self._touched: dict[Packaging, None] = {}
        self._queues: dict[Urgency, dict[Packaging, None]] = {urgency: {} for urgency in Urgency}
        self._served: dict[tuple[Packaging, Urgency], int] = {}
        self._turns = count(1)
        self._handed: dict[str, _Handed] = {}
        self._promoting: set[asyncio.Task[None]] = set()
        self._planned: asyncio.Handle | None = None
        self._open = False

    async def __aenter__(self) -> Self:
        self._open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = False
        following = [task for task in self._following.values() if task is not None]
        await _end([one.task for one in self._handed.values()] + following + list(self._promoting))

    @property
    def queued(self) -> int:
        """Return how many packagings have something left to do."""
        return sum(not one.complete and one.failure is None for one in self._following)

    def status(self) -> list[Standing]:
        """Return how every packaging stands."""
        return [
            Standing(
                asset=one.asset,
                waiting=one.waiting,
                running=one.running,
                queued=[urgency for urgency, queue in self._queues.items() if one in queue],
            )
            for one in self._following
        ]

    def add(self, packaging: Packaging) -> None:
        """Take a packaging on, until it is removed."""
        packaging.asked = partial(self._touch, packaging)
        packaging.received()  # the last bytes may have come since it was made, and then nothing tells of them
        self._following[packaging] = (
            None
            if packaging.original.whole
            else asyncio.create_task(_follow(packaging), name=f"follow {packaging.asset}")
        )
        self._touch(packaging)

    async def remove(self, packaging: Packaging) -> None:
        """Stop the Runs of a packaging and forget it."""
        following = self._following.pop(packaging, None)
        self._forget(packaging)
        tasks = [one.task for one in self._handed.values() if one.packaging is packaging]
        await _end(tasks + ([following] if following is not None else []))
        self._forget(packaging)

    def _forget(self, packaging: Packaging) -> None:
        self._touched.pop(packaging, None)
        for urgency, queue in self._queues.items():
            queue.pop(packaging, None)
            self._served.pop((packaging, urgency), None)

    def _touch(self, packaging: Packaging) -> None:
        """Ask a packaging soon: once, however much of it changes until then."""
        if packaging in self._following:
            self._touched[packaging] = None
        if self._planned is None:
            self._planned = asyncio.get_running_loop().call_soon(self._plan)

    def _plan(self) -> None:
        """Hand out what there are places for."""
        self._planned = None
        touched, self._touched = self._touched, {}
        if not self._open:
            return
        for urgency, queue in self._queues.items():
            queue.update(touched)
            slots = self._free()
            for packaging in sorted(queue, key=lambda one: self._served.get((one, urgency), 0)):
                if not slots.open(urgency) and packaging not in touched:
                    continue
                orders = packaging.next(slots, urgency)
                self._carry_out(packaging, orders)
                if orders.start:
                    slots = self._free()
                    # Who has begun with the few things of a viewer ends with them: half of it plays nowhere.
                    if urgency is Urgency.FILL or not orders.more:
                        self._served[packaging, urgency] = next(self._turns)
                if not orders.more:
                    queue.pop(packaging, None)
        self._shed(self._free().over)

    def _free(self) -> Slots:
        kept = (one for one in self._handed.values() if not one.task.cancelling())
        return self._farm.free([one.running.span.urgency for one in kept])

    def _shed(self, many: int) -> None:
        """Take back so many Runs that nobody waits for, those that have done least."""
        left = (one for one in reversed(self._handed.values()) if one.running.span.urgency is Urgency.FILL)
        for one in list(islice((one for one in left if not one.task.cancelling()), many)):
            one.task.cancel()

    def _carry_out(self, packaging: Packaging, orders: Orders) -> None:
        for running in orders.cancel:
            if (handed := self._handed.get(running.run)) is not None:
                handed.task.cancel()
        for running in orders.promote:
            self._promote(running)
        for running in orders.start:
            task = asyncio.create_task(self._execute(packaging, running), name=f"run {running.run}")
            self._handed[running.run] = _Handed(task=task, packaging=packaging, running=running)
            task.add_done_callback(partial(self._ended, packaging, running))

    def _promote(self, running: Running) -> None:
        if (handed := self._handed.get(running.run)) is None:
            return
        self._handed[running.run] = _Handed(task=handed.task, packaging=handed.packaging, running=running)
        task = asyncio.create_task(self._farm.promote(running.run, running.span.urgency))
        self._promoting.add(task)
        task.add_done_callback(self._promoted)

    def _promoted(self, task: asyncio.Task[None]) -> None:
        self._promoting.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("a run could not be made more urgent: %r", error)

    async def _execute(self, packaging: Packaging, running: Running) -> None:
        job = Job(
            run=packaging.run(running),
            urgency=running.span.urgency,
            asset=packaging.asset,
            original=packaging.original,
            store=packaging.store,
            sink=packaging.report,
        )
        await self._farm.execute(job)

    def _ended(self, packaging: Packaging, running: Running, task: asyncio.Task[None]) -> None:
        """Give the place to the next one at once."""
        del self._handed[running.run]
        packaging.finished(running, None if task.cancelled() else _failure(task.exception(), running))
        self._touch(packaging)
        self._plan()


def _failure(error: BaseException | None, running: Running) -> PackagingError | None:
    """Return how a Run failed; a fault of ours must not be tried for ever either."""
    if error is None or isinstance(error, PackagingError):
        return error
    _log.error("run of %s failed unexpectedly", running.span, exc_info=error)
    return PackagingError("the encoder could not be run", evidence=repr(error))


async def _follow(packaging: Packaging) -> None:
    """Tell a packaging as more of its source comes in."""
    original = packaging.original
    seen = -1
    while not original.whole:
        await original.grown(seen)
        seen = original.received
        packaging.received()


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks, return_exceptions=True)
