"""Counters, gauges and histograms, written in the Prometheus text format 0.0.4."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import hdrs, web

from streamer.problems import Handler

Labels = tuple[str, ...]
Collect = Callable[[], Awaitable[None]]
"""Brings gauges up to date before they are written."""

_SECONDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Counter:
    """A number that only grows, for each combination of labels."""

    kind = "counter"

    def __init__(self, name: str, about: str, labels: Sequence[str] = ()) -> None:
        """Take the metric's name, one line about it, and the names of its labels."""
        self.name = name
        self.about = about
        self.labels = tuple(labels)
        self._values: dict[Labels, float] = {} if labels else {(): 0}

    def add(self, amount: float = 1, *labels: str) -> None:
        """Add to the value under these labels."""
        self._values[labels] = self._values.get(labels, 0) + amount

    def lines(self) -> list[str]:
        """Return the sample lines."""
        return [
            f"{self.name}{_braces(self.labels, at)} {_number(value)}" for at, value in self._values.items()
        ]


class Gauge(Counter):
    """A number that goes up and down."""

    kind = "gauge"

    def set(self, value: float, *labels: str) -> None:
        """Set the value under these labels."""
        self._values[labels] = value


class Histogram:
    """How often a value lay below each bound, for each combination of labels."""

    kind = "histogram"

    def __init__(
        self, name: str, about: str, labels: Sequence[str] = (), *, bounds: Sequence[float] = _SECONDS
    ) -> None:
        """Take the name, a line about it, the names of its labels, and ascending bounds."""
        self.name = name
        self.about = about
        self.labels = tuple(labels)
        self._bounds = tuple(bounds)
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}

    def observe(self, value: float, *labels: str) -> None:
        """Count one value under these labels."""
        counts = self._counts.setdefault(labels, [0] * (len(self._bounds) + 1))
        counts[bisect_left(self._bounds, value)] += 1
        self._sums[labels] = self._sums.get(labels, 0) + value

    def lines(self) -> list[str]:
        """Return the sample lines: cumulative buckets, sum and count."""
        lines = []
        names = (*self.labels, "le")
        for at, counts in self._counts.items():
            below = 0
            for bound, count in zip((*self._bounds, None), counts, strict=True):
                below += count
                limit = "+Inf" if bound is None else _number(bound)
                lines.append(f"{self.name}_bucket{_braces(names, (*at, limit))} {below}")
            lines.append(f"{self.name}_sum{_braces(self.labels, at)} {_number(self._sums[at])}")
            lines.append(f"{self.name}_count{_braces(self.labels, at)} {below}")
        return lines


def _number(value: float) -> str:
    # Every digit counts: a counter of bytes soon has more than a short format shows.
    return str(int(value)) if value == int(value) else repr(value)


def _braces(names: Labels, values: Labels) -> str:
    if not names:
        return ""
    escaped = (value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") for value in values)
    return "{" + ",".join(f'{name}="{value}"' for name, value in zip(names, escaped, strict=True)) + "}"


class Metrics:
    """What the server counts about itself. One instance is handed to whoever counts."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self.requests = Counter(
            "streamer_requests_total", "Requests answered.", ("route", "method", "status")
        )
        self.request_seconds = Histogram(
            "streamer_request_seconds", "Time from request to end of response.", ("route",)
        )
        self.runs = Gauge("streamer_runs", "Runs in each state.", ("state",))
        self.queue = Gauge("streamer_queue_depth", "Runs that wait for a slot.", ("urgency",))
        self.queue_age = Gauge(
            "streamer_queue_oldest_seconds", "How long the oldest queued Run has waited.", ("urgency",)
        )
        self.segments_left = Gauge("streamer_segments_left", "Segments planned and not yet stored.")
        self.dispatch_seconds = Histogram(
            "streamer_dispatch_seconds", "Time from queueing a Run to its start.", ("urgency",)
        )
        self.repeated = Gauge("streamer_runs_repeated", "Attempts of Runs beyond the first of each.")
        self.lost = Gauge("streamer_runs_lost", "Times that a worker was lost while it had a Run.")
        self.workers = Gauge("streamer_workers", "Workers in each state.", ("state",))
        self.wait_seconds = Histogram(
            "streamer_segment_wait_seconds", "How long viewers waited for a segment.", ("urgency",)
        )
        self.upload_bytes = Counter("streamer_upload_bytes_total", "Bytes acknowledged to uploaders.")
        self.control_clients = Gauge("streamer_control_clients", "Open control sockets.")
        self.viewers = Gauge("streamer_viewers", "Viewers that are known to this server.")
        self._added: list[Counter | Histogram] = []
        self._collectors: list[Collect] = []

    def add(self, metric: Counter | Histogram) -> None:
        """Show a metric that somebody else counts."""
        self._added.append(metric)

    def collect(self, collector: Collect) -> None:
        """Call the collector before every scrape."""
        self._collectors.append(collector)

    def routes(self) -> list[web.RouteDef]:
        """Return the route."""
        return [web.get("/metrics", self.scrape, name="metrics", allow_head=False)]

    async def scrape(self, _request: web.Request) -> web.Response:
        """Answer with every sample."""
        for collector in self._collectors:
            await collector()
        return web.Response(
            body=self.text().encode(),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8", "Cache-Control": "no-store"},
        )

    def text(self) -> str:
        """Return every sample in the text format."""
        lines: list[str] = []
        for metric in (
            self.requests,
            self.request_seconds,
            self.runs,
            self.queue,
            self.queue_age,
            self.segments_left,
            self.dispatch_seconds,
            self.repeated,
            self.lost,
            self.workers,
            self.wait_seconds,
            self.upload_bytes,
            self.control_clients,
            self.viewers,
            *self._added,
        ):
            lines += [f"# HELP {metric.name} {metric.about}", f"# TYPE {metric.name} {metric.kind}"]
            lines += metric.lines()
        return "\n".join(lines) + "\n"

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Count the request under its route's name; put it outermost, around the problem middleware."""
        began = time.perf_counter()
        status = "499"  # what a connection that broke is logged as
        try:
            response = await handler(request)
            status = str(response.status)
        finally:
            route = request.match_info.route.name or "none"
            method = request.method if request.method in hdrs.METH_ALL else "other"
            self.requests.add(1, route, method, status)
            self.request_seconds.observe(time.perf_counter() - began, route)
        return response
