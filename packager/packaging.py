"""One generation being made: which segments are there, who waits, what runs, what has failed for good."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace

from packager import engine, keys, run
from packager.engine import Group, Slots, Span, Want
from packager.errors import ChildFailed, PackagingError, SegmentMismatch, StoreFailed, StoreFull
from packager.facts import Fact, SegmentStored, Sink, Warned
from packager.index import Index
from packager.inits import Init
from packager.model import Grid
from packager.original import Original
from packager.plan import Plan
from packager.run import Run
from packager.spawner import CANNOT_START
from packager.store import Store
from packager.tables import Tables

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


class Packaging:
    """The state of one generation. Not a process and not a task: the foreman hands out what `next` answers.

    `original` holds the source's bytes, `asset` names whose generation it is; facts go to `sink`. Everything
    here can be rebuilt from the plan and the store.
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
    ) -> None:
        self.plan = plan
        self.index = index
        self.inits = inits
        self.original = original
        self.asset = asset
        self.tables = tables or Tables({})
        self.store = store
        self.failure: PackagingError | None = None
        self.sizes: dict[str, dict[int, int]] = {name: {} for name in inits}
        self.groups = _groups(plan)
        self._sink = sink
        self._running: list[Span] = []
        self._wants: Counter[Want] = Counter()
        self._tries: Counter[tuple[str, int]] = Counter()
        self._changed = asyncio.Event()
        self.asked = asyncio.Event()

    @property
    def complete(self) -> bool:
        """Say whether every segment is there."""
        return engine.complete(self.groups, self._done())

    @property
    def waiting(self) -> int:
        """Return how many requests wait for a segment."""
        return self._wants.total()

    async def recover(self) -> None:
        """Store the inits, and learn from the store what an earlier life has made."""
        for name, init in self.inits.items():
            await self.store.put(keys.init(self.plan.generation, name), init.body)
        for key in await self.store.list(f"{self.plan.generation}/"):
            found = keys.parse_segment(key)
            if found is not None and found[1] in self.sizes:
                stat = await self.store.stat(key)
                if stat is not None:
                    self.sizes[found[1]][found[2]] = stat.size

    def planned(self, rendition: str, number: int) -> bool:
        """Say whether the plan has this segment."""
        return any(rendition in group.names and 0 <= number < group.segments for group in self.groups)

    async def want(self, rendition: str, number: int) -> None:
        """Wait until a segment is stored.

        Raise KeyError outside the plan, PackagingError where it has failed for good.
        """
        if not self.planned(rendition, number):
            raise KeyError(f"{rendition}/{number}")
        if self._wants.total() >= _WANTS:
            raise TooManyWants("too many requests wait for segments of this video; try again in a moment")
        want = Want(rendition=rendition, number=number)
        self._wants[want] += 1
        self.asked.set()
        try:
            await self._until(lambda: number in self.sizes[rendition])
        finally:
            self._wants[want] -= 1
            self._wants += Counter()

    def abandon(self) -> None:
        """Let nobody wait any longer: whoever does gets Abandoned, unless it has failed before."""
        self.failure = self.failure or Abandoned("this video is not made any further")
        self._pulse()

    async def ended(self) -> None:
        """Wait until every segment is there. Raise the PackagingError that ended it for good."""
        await self._until(lambda: self.complete)

    async def _until(self, there: Callable[[], bool]) -> None:
        while not there():
            if self.failure is not None:
                raise self.failure
            await self._changed.wait()

    def next(self, slots: Slots) -> list[Span]:
        """Return what to start now, and take it as running."""
        if self.failure is not None:
            return []
        spans = engine.decide(
            list(self._wants), groups=self.groups, done=self._done(), running=self._running, slots=slots
        )
        spans = [self._careful(span) for span in spans]
        self._running += spans
        return spans

    def run(self, span: Span) -> Run:
        """Return the Run of a span, the more careful the more often it has failed."""
        made = run.of(
            self.plan,
            self.index,
            names=span.names,
            first=span.first,
            last=span.last,
            inits={name: init.digest for name, init in self.inits.items()},
        )
        tries = self._most_tries(span)
        if tries >= _BLANK:
            seconds = made.borders[0] // made.timescale
            self._sink(Warned(text=f"nothing could be decoded {seconds} s from the start: it is left blank"))
        return replace(made, early=tries >= _EARLY, blank=tries >= _BLANK)

    def report(self, fact: Fact) -> None:
        """Take a fact of one of its Runs, wake whoever waits for it, and pass it on."""
        if isinstance(fact, SegmentStored):
            self.sizes[fact.rendition][fact.number] = fact.size
            self._pulse()
        self._sink(fact)

    def _pulse(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def finished(self, span: Span, error: PackagingError | None) -> None:
        """Take the end of a span; what is missing is tried again, more carefully, a few times."""
        self._running.remove(span)
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
    """Say whether a failure has nothing to do with the source: a store or an encoder that cannot be used."""
    cannot_start = isinstance(error, ChildFailed) and error.status == CANNOT_START
    return cannot_start or isinstance(error, StoreFull | StoreFailed)


def _groups(plan: Plan) -> tuple[Group, ...]:
    """Return the renditions that share a decode: all pictures, and each rung of sound by itself."""
    pictures = tuple(rung.name for rung in plan.video) + ((plan.intra.name,) if plan.intra else ())
    groups = [Group(names=pictures, segments=plan.pictures, ready=plan.pictures)] if pictures else []
    whole = len(plan.borders) - 1
    groups += [
        Group(names=(rung.name,), segments=whole, ready=whole, stride=engine.SOUND_SEGMENTS)
        for rung in plan.audio
    ]
    return tuple(groups)
