"""The foreman over a farm that keeps whatever it is given until it is told to end it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from packager import ladder
from packager.engine import Slots, Urgency
from packager.errors import StoreFull
from packager.facts import RunStarted, SegmentStored
from packager.foreman import Foreman
from packager.inits import Init
from packager.model import AudioTrack, Source
from packager.original import WholeFile
from packager.packaging import Packaging
from packager.store import MemoryStore


class Keeping:
    """A farm with a queue of any length."""

    def __init__(self) -> None:
        self.places = Slots(now=9, soon=9, fill=1)
        self.kept = 99
        self.jobs = {}
        self.promoted = []
        self.withdrawn = []

    def free(self, busy):
        fill = 0 if Urgency.FILL in busy else self.places.fill
        return replace(self.places, fill=fill, over=max(0, busy.count(Urgency.FILL) - self.kept))

    async def execute(self, job):
        ended = asyncio.get_running_loop().create_future()
        self.jobs[job.run.id] = (job, ended)
        try:
            await ended
        except asyncio.CancelledError:
            self.withdrawn.append(job.run.id)
            raise
        finally:
            del self.jobs[job.run.id]

    async def promote(self, run, urgency):
        self.promoted.append((run, urgency))

    def end(self, run, error=None):
        job, ended = self.jobs[run]
        if error is not None:
            ended.set_exception(error)
            return
        for number in range(job.run.first, job.run.last + 1):
            for name in job.run.names:
                job.sink(SegmentStored(generation="g", rendition=name, number=number, size=1))
        ended.set_result(None)


class Coming(WholeFile):
    """A source of which nothing has come, until the test says that it is whole."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.whole = False
        self.received = 0


def film(asset: str = "a", *, seconds: int = 200, original: WholeFile | None = None) -> Packaging:
    track = AudioTrack(
        index=0,
        codec="aac",
        channels=2,
        layout="stereo",
        sample_rate=48_000,
        start=Fraction(0),
        end=Fraction(seconds),
    )
    source = Source(
        container="mp4", size=1, duration=Fraction(seconds), video=None, audio=(track,), indexed=True
    )
    plan = ladder.plan(source, None, identity="x", encoder="e")
    inits = {rung.name: Init(body=b"", digest="", codecs="") for rung in plan.audio}
    original = original or WholeFile(Path(__file__))
    return Packaging(
        plan, None, inits=inits, original=original, store=MemoryStore(), sink=lambda _: None, asset=asset
    )


@pytest.fixture
async def farm():
    return Keeping()


@pytest.fixture
async def foreman(farm):
    async with Foreman(farm) as made:
        yield made


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def urgencies(farm) -> list[Urgency]:
    return [job.urgency for job, _ in farm.jobs.values()]


async def test_what_became_whole_before_it_was_taken_on_is_made(farm, foreman):
    coming = Coming(Path(__file__))
    one = film(original=coming)
    coming.whole = True
    foreman.add(one)
    await turns()
    assert urgencies(farm) == [Urgency.SOON]


async def test_everybodys_beginning_goes_before_anybodys_rest(farm, foreman):
    films = [film(str(number)) for number in range(5)]
    for one in films:
        foreman.add(one)
    await turns()
    assert urgencies(farm) == [Urgency.SOON] * 5
    for run in list(farm.jobs)[:2]:
        farm.end(run)
        await turns()
    assert urgencies(farm) == [Urgency.SOON] * 3 + [Urgency.FILL]
    standing = foreman.status()[0]
    assert (standing.asset, standing.waiting, len(standing.running)) == ("0", 0, 1)
    assert list(foreman.status()[1].queued) == [Urgency.FILL]


async def test_background_work_goes_round_and_a_free_place_is_used_at_once(farm, foreman):
    films = [film(str(number)) for number in range(3)]
    for one in films:
        foreman.add(one)
    await turns()
    for run in list(farm.jobs):  # the beginnings
        farm.end(run)
        await turns()
    served = []
    for _ in range(6):
        (run,) = [run for run, (job, _) in farm.jobs.items() if job.urgency is Urgency.FILL]
        served.append(farm.jobs[run][0].asset)
        farm.end(run)
        await turns(3)
    assert served == ["0", "1", "2", "0", "1", "2"]


async def test_who_waits_is_served_and_who_leaves_before_it_begins_takes_it_back(farm, foreman):
    one = film()
    foreman.add(one)
    await turns()
    waiting = asyncio.create_task(one.want("audio-0", 40))
    await turns()
    (run,) = [run for run, (job, _) in farm.jobs.items() if job.urgency is Urgency.NOW]
    waiting.cancel()
    one.watched("audio-0", 1)
    await turns()
    assert farm.withdrawn == [run]
    assert one.waiting == 0


async def test_what_waits_in_the_farms_queue_is_made_more_urgent(farm, foreman):
    one = film()
    one.fill = "watched"
    foreman.add(one)
    await turns()
    ((run, (job, _)),) = farm.jobs.items()
    waiting = asyncio.create_task(one.want("audio-0", job.run.first))
    await turns()
    assert farm.promoted == [(run, Urgency.NOW)]
    farm.end(run)
    await waiting


async def test_what_has_begun_is_ranked_by_who_waits_for_it(farm, foreman):
    one = film()
    one.fill = "watched"
    foreman.add(one)
    await turns()
    farm.end(next(iter(farm.jobs)))
    waiting = asyncio.create_task(one.want("audio-0", 30))
    await turns()
    ((run, (job, _)),) = [(run, found) for run, found in farm.jobs.items() if found[0].run.first == 30]
    job.sink(RunStarted(run=run, renditions=("audio-0",), first=30, last=33))
    waiting.cancel()
    one.watched("audio-0", 10)
    await turns()
    assert farm.promoted == [(run, Urgency.FILL)]
    waiting = asyncio.create_task(one.want("audio-0", 30))
    await turns()
    assert farm.promoted[1:] == [(run, Urgency.NOW)]
    farm.end(run)
    await waiting


async def test_of_too_many_runs_that_nobody_waits_for_the_last_ones_are_taken_back(farm, foreman):
    one = film()
    foreman.add(one)
    await turns()
    farm.end(next(iter(farm.jobs)))  # the beginning
    await turns()
    (filling,) = farm.jobs
    waiting = [asyncio.create_task(one.want("audio-0", number)) for number in (25, 35, 45)]
    await turns()
    begun = [run for run, (job, _) in farm.jobs.items() if job.run.first in {25, 35, 45}]
    for run in begun:
        job = farm.jobs[run][0]
        job.sink(RunStarted(run=run, renditions=("audio-0",), first=job.run.first, last=job.run.last))
    for task in waiting[1:]:
        task.cancel()
    farm.kept = 2
    one.watched("audio-0", 10)
    await turns()
    assert farm.withdrawn == [begun[2]]
    assert {filling, *begun[:2]} <= farm.jobs.keys()


async def test_a_failure_for_good_reaches_who_waits_and_starts_nothing_more(farm, foreman):
    one = film()
    one.fill = "watched"
    foreman.add(one)
    await turns()
    waiting = asyncio.create_task(one.want("audio-0", 0))
    await turns()
    (run,) = farm.jobs
    farm.end(run, StoreFull("x"))
    with pytest.raises(StoreFull):
        await waiting
    await turns()
    assert farm.jobs == {}
    assert foreman.queued == 0


async def test_removed_its_runs_end_and_it_is_forgotten(farm, foreman):
    one, other = film("one"), film("other")
    foreman.add(one)
    foreman.add(other)
    await turns()
    await foreman.remove(one)
    assert {job.asset for job, _ in farm.jobs.values()} == {"other"}
    assert [standing.asset for standing in foreman.status()] == ["other"]
    one.watched("audio-0", 3)
    await turns()
    assert {job.asset for job, _ in farm.jobs.values()} == {"other"}


async def test_idle_ones_are_not_asked(farm, foreman):
    class Counting(Packaging):
        asks = 0

        def next(self, *args):
            type(self).asks += 1
            return super().next(*args)

    for number in range(1000):
        one = film(str(number), seconds=4)
        one.__class__ = Counting
        one.fill = "watched"
        one.evicted("audio-0", 0)
        foreman.add(one)
    await turns()
    before = Counting.asks
    busy = film("busy")
    foreman.add(busy)
    await turns()
    for _ in range(3):
        farm.end(next(iter(farm.jobs)))
        await turns(3)
    assert Counting.asks == before
