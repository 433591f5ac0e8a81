"""The slots of one process, joined to the cluster: it takes Runs until it is told to stop, then drains."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from packager.engine import Urgency
from packager.farm import NOW_SLOTS, SOON_SLOTS
from streamer.cluster.labour import Bench, Labour
from streamer.cluster.queue import Queue, queue_of
from streamer.cluster.register import Register, Worker

_AGAIN_SECONDS = 1.0
_log = logging.getLogger(__name__)


class Crew:
    """Three groups of slots, each a procrastinate worker over the same `queue`.

    Some listen to nothing but what a viewer waits for, one besides to what a viewer will want next, and the
    `slots` to everything: so background work, which fills those, never holds up a viewer.
    """

    def __init__(
        self,
        *,
        queue: Queue,
        register: Register,
        bench: Bench,
        slots: int,
        encoder: str,
        drain_seconds: float,
    ) -> None:
        self._queue = queue
        self._register = register
        self._bench = bench
        self._slots = slots
        self._encoder = encoder
        self._drain_seconds = drain_seconds

    async def work(self, stop: asyncio.Event) -> None:
        """Take Runs until `stop`, then end or put back what runs."""
        now, soon, fill = (queue_of(self._encoder, urgency) for urgency in Urgency)
        labour = Labour(self._bench)
        groups = (
            ((now,), NOW_SLOTS),
            ((now, soon), SOON_SLOTS),
            ((now, soon, fill), self._slots),
        )
        me = Worker(
            name=self._bench.name,
            slots=self._slots,
            urgent=NOW_SLOTS + SOON_SLOTS,
            encoder=self._encoder,
        )
        async with self._register.joined(me):
            tasks = [
                asyncio.create_task(self._forever(labour, names, slots), name=f"slots for {names[-1]}")
                for names, slots in groups
            ]
            try:
                await stop.wait()
                await self._register.draining(me.name)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _forever(self, labour: Labour, names: Sequence[str], slots: int) -> None:
        while True:
            try:
                await self._queue.work(
                    labour.carry,
                    names=names,
                    slots=slots,
                    name=self._bench.name,
                    drain_seconds=self._drain_seconds,
                )
                _log.warning("the queue was left for lost; joining again")
            except Exception:  # noqa: BLE001 - a worker that stops taking Runs is of no use
                _log.exception("the queue cannot be read; trying again")
            await asyncio.sleep(_AGAIN_SECONDS)
