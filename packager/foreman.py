"""The foreman: hands the Runs of all packagings to the farm, what a viewer waits for first."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from types import TracebackType
from typing import Self

from packager.engine import Span
from packager.errors import PackagingError
from packager.farm import Farm, Job
from packager.packaging import Packaging

_log = logging.getLogger(__name__)


class Foreman:
    """Asks packagings for spans as long as the farm takes more.

    Use as an async context manager: leaving it stops every Run. Packagings take turns: the one that was
    served longest ago goes first, except that those with waiting viewers go before all.
    """

    def __init__(self, farm: Farm) -> None:
        self._farm = farm
        self._queue: list[Packaging] = []
        self._running: dict[asyncio.Task[None], tuple[Packaging, Span]] = {}
        self._changed = asyncio.Event()
        self._planner: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._planner = asyncio.create_task(self._plan(), name="foreman")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks = [task for task in (self._planner, *self._running) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def queued(self) -> int:
        """Return how many packagings have something left to do."""
        return len(self._queue)

    def add(self, packaging: Packaging) -> None:
        """Take a packaging on, until it is complete, has failed or is removed."""
        packaging.asked = self._changed
        self._queue.append(packaging)
        self._changed.set()

    async def remove(self, packaging: Packaging) -> None:
        """Stop the Runs of a packaging and forget it."""
        with suppress(ValueError):
            self._queue.remove(packaging)
        tasks = [task for task, (owner, _) in self._running.items() if owner is packaging]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _plan(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            self._queue = [one for one in self._queue if not one.complete and one.failure is None]
            for packaging in sorted(self._queue, key=lambda one: not one.waiting):
                busy = [span.urgency for _, span in self._running.values()]
                spans = packaging.next(self._farm.free(busy))
                for span in spans:
                    self._start(packaging, span)
                if spans:  # served: to the end of the line
                    self._queue.remove(packaging)
                    self._queue.append(packaging)

    def _start(self, packaging: Packaging, span: Span) -> None:
        task = asyncio.create_task(self._execute(packaging, span), name=f"run {span.names} {span.first}")
        self._running[task] = (packaging, span)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self._changed.set()

    async def _execute(self, packaging: Packaging, span: Span) -> None:
        error: PackagingError | None = None
        try:
            job = Job(
                run=packaging.run(span),
                urgency=span.urgency,
                asset=packaging.asset,
                original=packaging.original,
                store=packaging.store,
                sink=packaging.report,
            )
            await self._farm.execute(job)
        except PackagingError as caught:
            error = caught
        except Exception as caught:  # noqa: BLE001 - a fault of ours must not be tried for ever
            _log.exception("run of %s failed unexpectedly", span)
            error = PackagingError("the encoder could not be run", evidence=repr(caught))
        finally:
            packaging.finished(span, error)
