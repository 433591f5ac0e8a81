"""One generation being made: which segments are there, who waits, what runs, what has failed for good."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Literal

from packager import copied, engine, feeding, groups, keys, run
from packager.copied import Copied
from packager.engine import Group, Running, Slots, Span, Urgency, Want, World
from packager.errors import ChildFailed, PackagingError, SegmentMismatch, StoreFailed, StoreFull
from packager.facts import Fact, RunStarted, SegmentStored, Sink, Warned
from packager.feed import Feeder
from packager.index import Index
from packager.inits import Init
from packager.model import Grid
from packager.original import Original, SourceCut
from packager.plan import Plan
from packager.run import Run
from packager.spawner import CANNOT_START
from packager.store import Store
from packager.tables import Tables

Fill = Literal["full", "watched"]
"""Whether everything is made, or only what is watched."""

_EARLY = 1
_SINGLE = 2
_BLANK = 3
_TRIES = 4
_WANTS = 256


class TooManyWants(PackagingError):
    """More viewers wait for missing segments of this asset than it answers for at once."""

    code = "too-many-wants"


class Abandoned(PackagingError):
    """The generation is not made any further: its asset was deleted, or is made anew."""

    code = "abandoned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What the foreman has to do: Runs to hand over, to take for as urgent as they are here, to take back.

    `more` says that another place would be used at once.
    """

    start: tuple[Running, ...] = ()
    promote: tuple[Running, ...] = ()
    cancel: tuple[Running, ...] = ()
    more: bool = False


class Packaging:
    """The state of one generation. Not a process and not a task: the foreman hands out what `next` answers.

    `original` holds the source's bytes and `feeder` finds stretches of them, by the tables where none is
    given; `asset` names whose generation it is; facts go to `sink`. `asked` is called whenever `next` may
    have a new answer. `copies` are the renditions without Runs, which are there as far as the source is.
    Everything here can be rebuilt from the plan and the store.
    """

    def __init__(
        self,
        plan: Plan,
        index: Index | None,
        *,
        inits: Mapping[str, Init],
        original: Original,
        store: Store,
        sink: Sink,
        asset: str = "",
        tables: Tables | None = None,
        feeder: Feeder | None = None,
        copies: Mapping[str, Copied] | None = None,
    ) -> None:
        self.plan = plan
        self.index = index
        self.inits = inits
        self.original = original
        self.asset = asset
        self.tables = tables or Tables({})
        self.feeder = feeder or feeding.feeder(self.tables)
        self.store = store
        self.failure: PackagingError | None = None
        self.sizes: dict[str, dict[int, int]] = {name: {} for name in inits}
        self._copy(copies or {})
        self.groups: tuple[Group, ...] = ()
        self.asked: Callable[[], None] = lambda: None
        self._sink = sink
        self._fill: Fill = "full"
        self._running: dict[str, Running] = {}
        self._wants: Counter[Want] = Counter()
        self._elsewhere: frozenset[Want] = frozenset()
        self._fronts: dict[str, int] = {}
        self._fresh = True
        self._tries: Counter[tuple[str, int]] = Counter()
        self._changed = asyncio.Event()
        self.received()

    @property
    def complete(self) -> bool:
        """Say whether every segment is there that there will be, and meant to stay."""
        there = self.plan.ended and (self.original.whole or not self.copies)
        return self._fill == "full" and there and engine.complete(self.groups, self._done())

    @property
    def waiting(self) -> int:
        """Return how many requests of this node wait for a segment."""
        return self._wants.total()

    @property
    def running(self) -> tuple[Running, ...]:
        """Return what has been handed over."""
        return tuple(self._running.values())

    @property
    def fill(self) -> Fill:
        """Return how much is made: "full", or only what is "watched" and what comes next there."""
        return self._fill

    @fill.setter
    def fill(self, fill: Fill) -> None:
        self._fill = fill
        self._pulse()
        self.asked()

    async def recover(self) -> None:
        """Store the inits, and learn from the store what an earlier life has made."""
        named = ((keys.init(self.plan.generation, name), init.body) for name, init in self.inits.items())
        for put in await asyncio.gather(*(self.store.put(*one) for one in named), return_exceptions=True):
            if isinstance(put, BaseException):
                raise put
        for key, size in (await self.store.sizes(f"{self.plan.generation}/")).items():
            found = keys.parse_segment(key)
            if found is not None and found[1] in self.sizes:
                self.sizes[found[1]][found[2]] = size

    @property
    def segments(self) -> dict[str, int]:
        """Return how many segments each rendition has, copied ones first."""
        counts = {name: copy.segments for name, copy in self.copies.items()}
        return counts | {name: group.segments for group in self.groups for name in group.names}

    def planned(self, rendition: str, number: int) -> bool:
        """Say whether the plan has this segment."""
        if rendition in self.copies:
            return 0 <= number < self.copies[rendition].segments
        return any(rendition in group.names and 0 <= number < group.segments for group in self.groups)

    async def want(self, rendition: str, number: int) -> None:
        """Wait until a segment is stored, or the source has what a copied one is made of.

        Raise KeyError outside the plan, PackagingError where it has failed for good.
        """
        if not self.planned(rendition, number):
            raise KeyError(f"{rendition}/{number}")
        if rendition in self.copies:
            reach = self.copies[rendition].reach(number)
            await self.until(lambda: self.original.whole or self.original.received >= reach)
            return
        if self._wants.total() >= _WANTS:
            raise TooManyWants("too many requests wait for segments of this video; try again in a moment")
        want = Want(rendition=rendition, number=number)
        self._wants[want] += 1
        self.watched(rendition, number)
        try:
            await self.until(lambda: number in self.sizes[rendition])
        finally:
            self._wants[want] -= 1
            if not self._wants[want]:
                del self._wants[want]
                self.asked()

    def watched(self, rendition: str, number: int) -> None:
        """Take it that somebody watches here: what comes next is made before the rest."""
        self._fronts.pop(rendition, None)
        self._fronts[rendition] = number
        self.asked()

    def wanted_elsewhere(self, wants: AbstractSet[Want]) -> None:
        """Take what viewers wait for at other nodes, in place of what was said before."""
        for want in sorted(wants - self._elsewhere):
            self.watched(want.rendition, want.number)
        self._elsewhere = frozenset(wants)
        self.asked()

    def evicted(self, rendition: str, number: int) -> None:
        """Forget a segment that is no longer in the store, so that it can be made again."""
        self._fresh = False
        self.sizes[rendition].pop(number, None)
        self.asked()

    def grow(self, plan: Plan, index: Index | None, tables: Tables, feeder: Feeder | None) -> None:
        """Take a plan whose borders go on behind those of the present one. Raise ValueError on another."""
        if (
            plan.generation != self.plan.generation
            or plan.borders[: len(self.plan.borders)] != self.plan.borders
        ):
            raise ValueError("a plan grows at its end only")
        if self.copies:
            self._copy(copied.of(plan, tables))
        self.plan, self.index, self.tables = plan, index, tables
        self.feeder = feeder or feeding.feeder(tables)
        self.received()

    def _copy(self, copies: Mapping[str, Copied]) -> None:
        self.copies = dict(copies)
        self.sizes |= {name: dict(enumerate(copy.sizes.tolist())) for name, copy in copies.items()}

    def received(self) -> None:
        """Find out how much of the source is there by now."""
        self.groups = groups.of(self.plan, original=self.original, feeder=self.feeder, before=self.groups)
        self._pulse()
        self.asked()

    def abandon(self) -> None:
        """Let nobody wait any longer: whoever does gets Abandoned, unless it has failed before."""
        self.failure = self.failure or Abandoned("this video is not made any further")
        self._pulse()

    async def ended(self) -> None:
        """Wait until every segment is there. Raise the PackagingError that ended it for good."""
        await self.until(lambda: self.complete)

    async def until(self, there: Callable[[], bool]) -> None:
        """Wait until something of this packaging holds. Raise the PackagingError that ended it for good."""
        while not there():
            if self.failure is not None:
                raise self.failure
            await self._changed.wait()

    def next(self, slots: Slots, urgency: Urgency = Urgency.FILL) -> Orders:
        """Return what to do now for everything up to this urgency, and take it as done."""
        if self.failure is not None:
            return Orders()
        decision = engine.decide(self._world(), slots, urgency)
        started = [Running(run=secrets.token_hex(8), span=self._careful(span)) for span in decision.start]
        for one in decision.cancel:
            del self._running[one.run]
        promote = (*decision.promote, *decision.ranked)
        for one in (*promote, *started):
            self._running[one.run] = one
        return Orders(start=tuple(started), promote=promote, cancel=decision.cancel, more=decision.more)

    def _world(self) -> World:
        return World(
            groups=self.groups,
            wants=[*self._wants, *sorted(self._elsewhere - self._wants.keys())],
            done=self._done(),
            running=self.running,
            fronts=self._fronts,
            fresh=self._fresh,
            fill=self._fill == "full",
        )

    def run(self, running: Running) -> Run:
        """Return the Run of a span, the more careful the more often it has failed."""
        span = running.span
        tries = self._most_tries(span)
        made = run.of(
            self.plan,
            self.index,
            names=span.names,
            first=span.first,
            last=span.last,
            inits={name: init.digest for name, init in self.inits.items()},
            feeder=self.feeder,
            early=tries >= _EARLY,
            blank=tries >= _BLANK,
        )
        if tries >= _BLANK:
            seconds = made.borders[0] // made.timescale
            self._sink(Warned(text=f"nothing could be decoded {seconds} s from the start: it is left blank"))
        return replace(made, id=running.run)

    def report(self, fact: Fact) -> None:
        """Take a fact of one of its Runs, wake whoever waits for it, and pass it on."""
        if isinstance(fact, SegmentStored):
            self.sizes[fact.rendition][fact.number] = fact.size
            self._pulse()
        elif isinstance(fact, RunStarted) and fact.run in self._running:
            self._running[fact.run] = replace(self._running[fact.run], begun=True)
        self._sink(fact)

    def _pulse(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def finished(self, running: Running, error: PackagingError | None) -> None:
        """Take the end of a Run; what is missing is tried again, more carefully, a few times."""
        self._running.pop(running.run, None)
        span = running.span
        if error is not None:
            for name in span.names:
                for number in range(span.first, span.last + 1):
                    if number not in self.sizes[name]:
                        self._tries[name, number] += 1
            if self._hopeless(span, error):
                self.failure = error
        self._pulse()

    def _hopeless(self, span: Span, error: PackagingError) -> bool:
        if _outside(error):  # encoding more carefully makes no better disk
            return True
        keyed = self.plan.picture is not None and self.plan.picture.grid is Grid.KEYFRAME
        pictures = not any(rung.name in span.names for rung in self.plan.audio)
        if keyed and pictures and isinstance(error, SegmentMismatch):
            return self._most_tries(span) >= _SINGLE
        return self._most_tries(span) >= (_BLANK if keyed and pictures else _TRIES)

    def _most_tries(self, span: Span) -> int:
        numbers = range(span.first, span.last + 1)
        return max(self._tries[name, number] for name in span.names for number in numbers)

    def _careful(self, span: Span) -> Span:
        """Shorten a span that has failed before to its first segment."""
        return replace(span, last=span.first) if self._most_tries(span) >= _SINGLE else span

    def _done(self) -> Mapping[str, AbstractSet[int]]:
        return {name: sizes.keys() for name, sizes in self.sizes.items()}


def may_be_the_grid(plan: Plan, error: PackagingError) -> bool:
    """Say whether a failure can come from the source's own frame times: then the frame grid may do."""
    if plan.picture is None or plan.picture.grid is Grid.FRAME:
        return False
    return not _outside(error)


def _outside(error: PackagingError) -> bool:
    """Say whether more care is no cure: a store or an encoder that cannot be used, a source that is gone."""
    cannot_start = isinstance(error, ChildFailed) and error.status == CANNOT_START
    return cannot_start or isinstance(error, StoreFull | StoreFailed | SourceCut)
