"""Brings the gauges up to date before a scrape, from the rows and from what this process does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from packager.engine import Urgency
from packager.foreman import Standing
from streamer.ledger import SqlLedger
from streamer.metrics import Metrics
from streamer.oversight import Oversight
from streamer.rows import Clock, wall_clock

_STATES = ("working", "draining", "lost")


class Gauges:
    """Counts Runs, queues and workers. Use `collect` as a collector of the metrics."""

    def __init__(
        self,
        metrics: Metrics,
        *,
        ledger: SqlLedger,
        oversight: Oversight,
        standing: Callable[[], Sequence[Standing]],
        clients: Callable[[], int],
        viewers: Callable[[], int],
        own: bool,
        clock: Clock = wall_clock,
    ) -> None:
        """Take what is counted; `own` says that this process executes Runs without a row as a worker."""
        self._metrics = metrics
        self._ledger = ledger
        self._oversight = oversight
        self._standing = standing
        self._clients = clients
        self._viewers = viewers
        self._own = own
        self._clock = clock
        self._since = clock()

    async def collect(self) -> None:
        """Set every gauge, and count the Runs that were started since the last scrape."""
        metrics = self._metrics
        for state, runs in (await self._ledger.counts()).items():
            metrics.runs.set(runs, str(state))
        await self._queues()
        metrics.segments_left.set(sum((await self._oversight.left()).values()))
        tallies = await self._oversight.tallies()
        metrics.repeated.set(tallies.repeated)
        metrics.lost.set(tallies.lost)
        states = Counter(worker.state for worker in await self._oversight.workers())
        states["working"] += self._own
        for name in _STATES:
            metrics.workers.set(states[name], name)
        metrics.control_clients.set(self._clients())
        metrics.viewers.set(self._viewers())

    async def _queues(self) -> None:
        # One more for each asset here that wants a slot and has none: its next Run is not a row yet.
        waiting = Counter(urgency for one in self._standing() for urgency in one.queued)
        for urgency, queued in (await self._oversight.queues()).items():
            name = urgency.name.lower()
            age = 0 if queued.oldest is None else max(0, self._clock() - queued.oldest) / 1000
            self._metrics.queue.set(queued.queued + waiting[urgency], name)
            self._metrics.queue_age.set(age, name)
        for urgency, created, started in await self._oversight.dispatched(self._since):
            self._observe(urgency, created, started)

    def _observe(self, urgency: Urgency, created: int, started: int) -> None:
        self._metrics.dispatch_seconds.observe(max(0, started - created) / 1000, urgency.name.lower())
        self._since = max(self._since, started)
