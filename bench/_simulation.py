"""A cluster on paper: the planner itself, with recorded Run times, many workers and viewers who seek."""

from __future__ import annotations

import heapq
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from packager.engine import Group, Running, Slots, Span, Urgency, Want, World, decide
from packager.farm import NOW_SLOTS
from streamer.cluster.farm import WINDOW

RUNGS = ("480p", "360p", "240p")


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Seconds of recorded Runs, for each segment: of all pictures at once, and of sound."""

    pictures: Sequence[float]
    sound: Sequence[float]


def times(runs: Sequence[tuple[tuple[str, ...], int, float]]) -> Times:
    """Sort recorded Runs by what they make."""
    found: dict[bool, list[float]] = {True: [], False: []}
    for names, segments, seconds in runs:
        found[names[0].startswith("audio")].append(seconds / segments)
    return Times(pictures=found[False], sound=found[True])


class _Cluster:
    """Workers of one slot, each with slots besides for what a viewer waits for; time is an event queue."""

    def __init__(self, recorded: Times, *, workers: int, segments: int) -> None:
        self.now = 0.0
        self.done: dict[str, set[int]] = {name: set() for name in (*RUNGS, "audio-0")}
        self.wants: dict[Want, float] = {}
        self.waits: list[float] = []
        self._dice = random.Random(1)
        self._recorded = recorded
        self._segments = segments
        self._window = max(WINDOW, 4 * workers)
        self._groups = (
            Group(names=RUNGS, segments=segments, ready=segments),
            Group(names=("audio-0",), segments=segments, ready=segments, stride=15, sound=True),
        )
        self._free = {"any": workers, "now": workers * NOW_SLOTS}
        self._order = count()
        self._queue: list[tuple[int, int, Span]] = []
        self._handed: dict[str, Running] = {}
        self._events: list[tuple[float, int, str, str]] = []

    @property
    def whole(self) -> bool:
        return all(len(numbers) == self._segments for numbers in self.done.values())

    def seek_every(self, seconds: float) -> None:
        """Have a viewer seek somewhere, now and after that at random."""
        if seconds:
            self._later(self._dice.expovariate(1 / seconds), "seek", str(seconds))

    def step(self) -> None:
        """Go on to the next event, and let the planner answer it."""
        self.now, _, what, of = heapq.heappop(self._events)
        if what == "seek":
            want = Want(rendition="240p", number=self._dice.randrange(self._segments))
            if want.number not in self.done["240p"]:
                self.wants.setdefault(want, self.now)
            self.seek_every(float(of))
        else:
            self._free[what] += 1
            for want in self._handed.pop(of).span.wants():
                self.done[want.rendition].add(want.number)
                if want in self.wants:
                    self.waits.append(self.now - self.wants.pop(want))
        self.plan()

    def plan(self) -> None:
        """Hand over what `decide` answers, and let free slots take what waits."""
        fills = sum(one.span.urgency is Urgency.FILL for one in self._handed.values())
        world = World(
            groups=self._groups,
            wants=list(self.wants),
            done=self.done,
            running=list(self._handed.values()),
            fresh=False,
        )
        for span in decide(world, Slots(now=256, soon=64, fill=max(0, self._window - fills))).start:
            name = next(self._order)
            self._handed[str(name)] = Running(run=str(name), span=span)
            heapq.heappush(self._queue, (int(span.urgency), name, span))
        while self._queue:
            urgency, name, span = self._queue[0]
            place = "now" if urgency == Urgency.NOW and self._free["now"] else "any"
            if not self._free[place]:
                return
            heapq.heappop(self._queue)
            self._free[place] -= 1
            self._handed[str(name)] = Running(run=str(name), span=span, begun=True)
            self._later(self._seconds(span), place, str(name))

    def _later(self, seconds: float, what: str, of: str) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._order), what, of))

    def _seconds(self, span: Span) -> float:
        sound = span.names[0].startswith("audio")
        each = self._dice.choice(self._recorded.sound if sound else self._recorded.pictures)
        return each * (span.last - span.first + 1)


def simulate(recorded: Times, *, workers: int, hours: float, seek_seconds: float) -> dict[str, float]:
    """Let `decide` plan a video of so many hours for workers of one slot, while viewers seek at random.

    A Run takes as long as a recorded one; one rung alone is taken to cost as much as all, which is more than
    it does. A viewer wants one segment of the lowest rung and waits until that is there. Seconds; 0 between
    seeks is nobody.
    """
    cluster = _Cluster(recorded, workers=workers, segments=int(hours * 900))
    cluster.seek_every(seek_seconds)
    cluster.plan()
    while not cluster.whole:
        cluster.step()
    cuts = statistics.quantiles(cluster.waits, n=20) if len(cluster.waits) > 1 else [0.0] * 19
    return {
        "fill_seconds": round(cluster.now, 1),
        "waited": len(cluster.waits),
        "wait_p50": round(cuts[9], 2),
        "wait_p95": round(cuts[18], 2),
    }
