"""A Run: one ffmpeg process that makes consecutive segments of some rungs.

Executing it is a function of (Run, source bytes, Store) and nothing else, and repeating it is harmless.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from pydantic import TypeAdapter

from packager import clock, keys, recipe, timeline
from packager.child import Child, Command
from packager.cutter import Cutter
from packager.errors import PackagingError, SegmentMismatch
from packager.facts import RunEnded, RunProgress, RunStarted, SegmentStored, Sink
from packager.feed import Feed, Feeder
from packager.gather import Gather, Pictures, Sound
from packager.index import Index
from packager.inits import digest
from packager.model import Grid
from packager.original import Original, SourceIncomplete
from packager.plan import AudioRung, Picture, Plan, VideoRung
from packager.sandbox import Limits
from packager.store import Store

_READ = 1 << 18
_GIB = 1 << 30


class Spawn(Protocol):
    """Starts encoders, children that run `ffmpeg`."""

    @property
    def ffmpeg(self) -> Path:
        """Return the program that encodes."""

    async def start(self, command: Command) -> Child:
        """Start one child. Raise ChildFailed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One encode of segments `first` to `last`, both included. Either a picture's rungs, or one audio rung.

    `borders` are media ticks of `timescale`: the begin of every segment and the end of the last; `times` the
    frame times of each segment where they follow no rate. `inits` are the SHA-256 of the inits that it must
    reproduce. `early` asks to begin early even where the source has an index: the second try does. `blank`
    makes black frames or silence. Without a `feed` ffmpeg reads the source's file.
    """

    id: str
    generation: str
    encoder: str
    first: int
    last: int
    timescale: int
    borders: tuple[int, ...]
    indexed: bool
    origin: Fraction
    inits: Mapping[str, str]
    picture: Picture | None = None
    rungs: tuple[VideoRung, ...] = ()
    intra: VideoRung | None = None
    times: tuple[tuple[int, ...], ...] = ()
    audio: AudioRung | None = None
    source_rate: int = 0
    first_frame: int = 0
    heard: tuple[Fraction, Fraction] = (Fraction(0), Fraction(0))
    early: bool = False
    blank: bool = False
    feed: Feed | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Return the renditions it makes, in the order of its outputs."""
        if self.audio is not None:
            return (self.audio.name,)
        return tuple(rung.name for rung in self.rungs) + ((self.intra.name,) if self.intra else ())

    @property
    def begins(self) -> bool:
        """Say whether the asset begins with it: whoever opens that waits for it."""
        return self.first == 0

    @property
    def frames(self) -> int:
        """Return how many frames of picture it makes; 0 for sound."""
        if self.picture is None:
            return 0
        return sum(len(times) for times in self.planned())

    @property
    def reads(self) -> bool:
        """Say whether it needs the source: not to make black frames or silence."""
        if self.blank or self.picture is not None:
            return not self.blank
        begin, end = (Fraction(self.borders[at], self.timescale) for at in (0, -1))
        return self.heard[0] < end and begin < self.heard[1]

    def planned(self) -> list[Sequence[int]]:
        """Return the frame times that each segment must have, in ticks."""
        if self.times:
            return list(self.times)
        if self.picture is None:
            return []
        step = timeline.frame_ticks(self.picture.rate)[1]
        return [range(a, b, step) for a, b in pairwise(self.borders)]


_RUN = TypeAdapter(Run)


def to_json(run: Run) -> bytes:
    """Serialise a Run."""
    return _RUN.dump_json(run)


def from_json(text: bytes | str) -> Run:
    """Read a Run that `to_json` wrote."""
    return _RUN.validate_json(text)


def of(
    plan: Plan,
    index: Index | None,
    *,
    names: Sequence[str],
    first: int,
    last: int,
    inits: Mapping[str, str],
    feeder: Feeder | None = None,
    early: bool = False,
    blank: bool = False,
) -> Run:
    """Return the Run that makes segments first to last of these renditions: pictures, or one of sound.

    It gets a feed where the `feeder` can cut one. `early` and `blank` are as in Run.
    """
    made = _bare(plan, index, names=names, first=first, last=last, early=early, blank=blank)
    made = replace(made, inits={name: inits[name] for name in names})
    if feeder is None or not made.reads:
        return made
    track, begin, end = _span(made)
    return replace(made, feed=feeder.stretch(track, begin, end, early=early))


def reach(plan: Plan, feeder: Feeder, *, names: Sequence[str], number: int) -> int | None:
    """Return how many bytes of the source have to be there for a segment of these renditions.

    A Run of several needs no more than the one that needs most, and a second try no more than the first.
    None where the feeder cannot tell.
    """
    made = _bare(plan, None, names=names, first=number, last=number, early=True, blank=False)
    if not made.reads:
        return 0
    track, begin, end = _span(made)
    feed = feeder.stretch(track, begin, end, early=True)
    return None if feed is None else feed.reach


def _span(run: Run) -> tuple[int, Fraction, Fraction]:
    """Return which track a Run reads, and from when to when, in container seconds."""
    if run.audio is not None:
        units = (run.borders[0] // timeline.AAC_FRAME, run.borders[-1] // timeline.AAC_FRAME)
        span = clock.sound_span(run.audio, origin=run.origin, first=units[0], last=units[1])
        return run.audio.track, *span
    if run.picture is None:
        raise ValueError("a Run makes pictures or sound")
    begin, end = (clock.picture_time(run.picture, run.borders[at]) for at in (0, -1))
    if run.picture.deinterlace:  # which looks at the next frame too
        end += 2 / run.picture.rate
    return run.picture.track, begin - (clock.UNINDEXED_EARLY if run.early else 0), end


def _bare(
    plan: Plan, index: Index | None, *, names: Sequence[str], first: int, last: int, early: bool, blank: bool
) -> Run:
    bare = Run(
        id=secrets.token_hex(8),
        generation=plan.generation,
        encoder=plan.encoder,
        first=first,
        last=last,
        timescale=plan.timescale,
        borders=plan.borders[first : last + 2],
        indexed=plan.source.indexed,
        origin=plan.origin,
        inits={},
        early=early,
        blank=blank,
    )
    audio = next((rung for rung in plan.audio if rung.name in names), None)
    if audio is not None:
        return _of_sound(bare, plan, audio)
    if plan.picture is None:
        raise ValueError(f"{names}: no such renditions in the plan")
    keyed = plan.picture.grid is Grid.KEYFRAME and index is not None
    borders = plan.shown[first : last + 2]
    return replace(
        bare,
        borders=borders,
        picture=plan.picture,
        rungs=tuple(rung for rung in plan.video if rung.name in names),
        intra=plan.intra if plan.intra and plan.intra.name in names else None,
        times=source_times(index, plan.picture, borders) if keyed and index else (),
    )


def _of_sound(bare: Run, plan: Plan, rung: AudioRung) -> Run:
    track = next(track for track in plan.source.audio if track.index == rung.track)
    borders = plan.sound_borders(rung)
    return replace(
        bare,
        timescale=rung.sample_rate,
        borders=borders[bare.first : bare.last + 2],
        audio=rung,
        source_rate=track.sample_rate,
        first_frame=track.first_frame,
        heard=(track.start - plan.origin, track.end - plan.origin),
    )


def source_times(index: Index, picture: Picture, borders: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Return the frame times of each segment on the keyframe grid, as the source has them."""
    times = index.times - picture.origin
    if borders[0] == 0:
        times = times.copy()
        times[0] = 0  # shown from the asset's start where sound begins before it
    marks = times.searchsorted(list(borders))
    return tuple(tuple(int(time) for time in times[a:b]) for a, b in pairwise(marks))


async def execute(run: Run, *, original: Original, store: Store, spawner: Spawn, sink: Sink) -> float:
    """Make the Run's segments, each verified, then stored, then reported. Return the CPU seconds used.

    Raise a PackagingError where it cannot be done; what was stored before stays. Cancelling it ends ffmpeg.
    """
    sink(RunStarted(run=run.id, renditions=run.names, first=run.first, last=run.last))
    try:
        used = await _execute(run, original=original, store=store, spawner=spawner, sink=sink)
    except PackagingError as error:
        sink(RunEnded(run=run.id, failure=error.message))
        raise
    except asyncio.CancelledError:
        sink(RunEnded(run=run.id, failure="cancelled"))
        raise
    sink(RunEnded(run=run.id))
    return used


async def _execute(run: Run, *, original: Original, store: Store, spawner: Spawn, sink: Sink) -> float:
    source = None
    if run.reads and run.feed is None:
        if not original.whole:
            raise SourceIncomplete("this part of the video can only be made once all of its file is there")
        source = await original.file()
    argv, drop = _argv(run, source, spawner.ffmpeg)
    command = Command(
        argv=argv,
        outputs=len(run.names),
        limits=_limits(run),
        readable=(source,) if source else (),
        stdin=run.feed.read(original) if run.feed else None,
        progress=True,
    )
    async with await spawner.start(command) as child:
        following = asyncio.create_task(_follow(child, run, sink))
        try:
            async with asyncio.TaskGroup() as readers:
                for number, name in enumerate(run.names):
                    reading = _read(
                        child, number, name, _gather(run, name, drop), run=run, store=store, sink=sink
                    )
                    readers.create_task(reading)
        except* PackagingError as group:
            error = next(_leaves(group))
            error.evidence = "\n".join(filter(None, (error.evidence, await _tail(child))))
            raise error from None
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following
        return (await child.wait()).cpu_seconds


def _leaves(group: BaseExceptionGroup[PackagingError]) -> Iterator[PackagingError]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


async def _tail(child: Child) -> str:
    """Return the child's last words; a Run whose output is wrong is worth no more of its time."""
    await child.stop()
    with suppress(PackagingError):
        return (await child.wait()).stderr_tail
    return ""


def _argv(run: Run, source: Path | None, program: Path) -> tuple[tuple[str, ...], int]:
    opened = recipe.Input(path=source, indexed=run.indexed and not run.early, feed=run.feed)
    if run.picture is not None:
        argv = recipe.video(
            program,
            opened,
            run.picture,
            rungs=run.rungs,
            intra=run.intra,
            borders=run.borders,
            first=run.first == 0,
            blank=run.blank,
        )
        return argv, 0
    if run.audio is None:
        raise ValueError("a Run makes pictures or sound")
    first, last = run.borders[0] // timeline.AAC_FRAME, run.borders[-1] // timeline.AAC_FRAME
    if not run.reads:
        return recipe.silence(program, run.audio, units=last - first)
    start, end = run.heard
    moved = clock.Moved(
        rate=run.source_rate, origin=run.origin, start=start, end=end, first_frame=run.first_frame
    )
    return recipe.audio(program, opened, run.audio, moved=moved, first=first, last=last)


def _limits(run: Run) -> Limits:
    """Return what an encode may use: memory follows from its pixels and rungs, time from its length."""
    seconds = int(Fraction(run.borders[-1] - run.borders[0], run.timescale)) + 1
    if run.picture is None:
        return Limits(memory=2 * _GIB, cpu_seconds=120 + 2 * seconds, wall_seconds=300 + 8 * seconds)
    pixels = sum(rung.width * rung.height for rung in run.rungs)
    # x264 holds about 60 lookahead and reference frames of 1.5 bytes a pixel, the decoder and filters as many
    # again of the source's, which is no smaller than the top rung; threads have arenas of 64 MiB.
    threads = sum(rung.threads for rung in run.rungs)
    memory = 3 * _GIB + pixels * 400 + threads * (64 << 20)
    return Limits(memory=memory, cpu_seconds=300 + 200 * seconds, wall_seconds=900 + 400 * seconds)


async def _follow(child: Child, run: Run, sink: Sink) -> None:
    clock = asyncio.get_running_loop().time
    began = clock()
    async for report in child.progress:
        rate = int(report.frames / max(clock() - began, 0.001))
        sink(RunProgress(run=run.id, frames=report.frames, total=run.frames, rate=rate))


async def _read(
    child: Child, number: int, name: str, gather: Gather, *, run: Run, store: Store, sink: Sink
) -> None:
    """Read one output to its end: cut, verify, store, report."""
    cut = Cutter()
    verified = False
    while data := await child.outputs[number].read(_READ):
        for sample in cut.feed(data):
            if not verified:
                _verify_init(cut.init, run.inits[name], name)
                verified = True
            for at, body in gather.add(sample):
                await _keep(at, body, name=name, run=run, store=store, sink=sink)
    await child.wait()
    cut.finish()
    for at, body in gather.end():
        await _keep(at, body, name=name, run=run, store=store, sink=sink)


async def _keep(at: int, body: bytes, *, name: str, run: Run, store: Store, sink: Sink) -> None:
    stat = await store.put(keys.segment(run.generation, name, at), body)
    sink(SegmentStored(generation=run.generation, rendition=name, number=at, size=stat.size))


def _verify_init(init: bytes | None, planned: str, name: str) -> None:
    if init is None or digest(init) != planned:
        raise SegmentMismatch(f"{name}: the encoder's init differs from the plan's")


def _gather(run: Run, name: str, drop: int) -> Gather:
    if run.audio is not None:
        return Sound(first=run.first, borders=run.borders, drop=drop)
    planned = run.planned()
    if run.intra is not None and name == run.intra.name:
        planned = [times[:1] for times in planned]
    return Pictures(first=run.first, borders=run.borders, planned=planned)
