"""Contract of Farm, over every implementation: real encoders, tiny pictures."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Protocol

import imageio_ffmpeg
import pytest

from packager import keys
from packager.engine import Urgency
from packager.errors import SegmentMismatch
from packager.facts import RunEnded, RunStarted, SegmentStored
from packager.farm import Farm, Job, OwnSlots
from packager.foreman import Foreman
from packager.inits import Init
from packager.original import WholeFile
from packager.packaging import Packaging
from packager.process import Spawner
from packager.store import DiskStore
from tests.flow.clustered import Heard, rigged
from tests.flow.packaged import Planned, planned
from tests.flow.whole_site import FILM, processes, settle

PICTURE, SOUND = "144p", "audio-0"
PLACES = 1
"""Background Runs at a time, of every farm here."""


class Yard(Protocol):
    """A farm with one planned film. Its encoders run `program`, a file of its own."""

    farm: Farm
    film: Planned
    program: Path

    def job(
        self, name: str, first: int, last: int, *, urgency: Urgency = Urgency.FILL, sink: Heard | None = None
    ) -> Job:
        """Return a Run of segments of one rendition, to be executed."""


@dataclass
class Own:
    """The embedded farm."""

    farm: Farm
    film: Planned
    program: Path
    store: DiskStore

    def job(
        self, name: str, first: int, last: int, *, urgency: Urgency = Urgency.FILL, sink: Heard | None = None
    ) -> Job:
        return Job(
            run=self.film.run(name, first, last),
            urgency=urgency,
            asset="",
            original=WholeFile(self.film.path),
            store=self.store,
            sink=sink or Heard(),
        )


@asynccontextmanager
async def own(_request: pytest.FixtureRequest, folder: Path, clip: Path) -> AsyncIterator[Yard]:
    program = Path(shutil.copy2(imageio_ffmpeg.get_ffmpeg_exe(), folder / "ffmpeg"))
    async with Spawner(program) as spawner:
        yield Own(
            farm=OwnSlots(spawner, slots=PLACES),
            film=await planned(clip, spawner),
            program=program,
            store=DiskStore(folder / "store"),
        )


@asynccontextmanager
async def cluster(request: pytest.FixtureRequest, folder: Path, clip: Path) -> AsyncIterator[Yard]:
    spawn, url = (request.getfixturevalue(name) for name in ("spawn", "database_url"))
    async with rigged(url, folder, clip, spawn) as rig:
        worker = await rig.worker(slots=PLACES)
        try:
            yield rig
        finally:
            await worker.stop()


FARMS = {"own": own, "cluster": cluster}
EVERY = pytest.mark.parametrize("yard", FARMS, indirect=True)
NEARLY = pytest.mark.parametrize(
    "yard", ["own", pytest.param("cluster", marks=pytest.mark.soak)], indirect=True
)
"""tests/flow/test_cluster.py has much the same in other words."""


@pytest.fixture
async def yard(request, tmp_path, clips, spawn):
    if request.param == "cluster":
        request.getfixturevalue("database_url")
    async with FARMS[request.param](request, tmp_path, clips.make(FILM)) as made:
        yield made


def said(job: Job, kind: type) -> list:
    return [fact for fact in job.sink.facts if isinstance(fact, kind)]


async def held(yard: Yard, job: Job) -> asyncio.Task[None]:
    """Hand a Run over and stop its encoder in its tracks, so that it lasts."""
    known = set(processes(yard.program))
    task = asyncio.create_task(yard.farm.execute(job))
    await settle(lambda: set(processes(yard.program)) - known)
    for pid in set(processes(yard.program)) - known:
        os.kill(pid, signal.SIGSTOP)
    await settle(lambda: job.sink.begun)
    return task


async def ended(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize(
    ("first", "urgency", "nice"),
    [(0, Urgency.SOON, 0), (1, Urgency.SOON, 2), (1, Urgency.NOW, 0), (0, Urgency.FILL, 12)],
)
@NEARLY
async def test_the_beginning_of_an_asset_gives_way_to_nobody(yard, first, urgency, nice):
    known = set(processes(yard.program))
    task = await held(yard, yard.job(PICTURE, first, first, urgency=urgency))
    (encoder,) = set(processes(yard.program)) - known
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, encoder) == min(19, own + nice)
    await ended(task)


@NEARLY
async def test_segments_are_stored_then_reported_in_their_order(yard):
    job = yard.job(PICTURE, 0, 4)
    await yard.farm.execute(job)
    kinds = [type(fact) for fact in job.sink.facts if isinstance(fact, RunStarted | SegmentStored | RunEnded)]
    assert kinds == [RunStarted, *[SegmentStored] * 5, RunEnded]
    assert said(job, RunStarted)[0] == RunStarted(
        run=job.run.id, renditions=(PICTURE,), first=0, last=4
    )  # fmt: skip
    assert job.sink.stored == [(PICTURE, number) for number in range(5)]
    for fact in said(job, SegmentStored):
        stat = await job.store.stat(keys.segment(fact.generation, fact.rendition, fact.number))
        assert stat.size == fact.size


@NEARLY
async def test_how_a_run_failed_is_carried(yard):
    job = yard.job(PICTURE, 0, 0)
    broken = replace(job, run=replace(job.run, inits={PICTURE: "0" * 64}))
    with pytest.raises(SegmentMismatch, match="init"):
        await yard.farm.execute(broken)
    assert said(job, RunEnded)[0].failure
    assert await job.store.list(f"{job.run.generation}/{PICTURE}/") == []


@NEARLY
async def test_executed_twice_a_run_harms_nothing(yard):
    jobs = [yard.job(SOUND, 0, 2) for _ in range(2)]
    await asyncio.gather(*(yard.farm.execute(job) for job in jobs))
    key = keys.segment(jobs[0].run.generation, SOUND, 2)
    before = await jobs[0].store.stat(key)
    await yard.farm.execute(jobs[0])
    assert await jobs[0].store.stat(key) == before


async def cancelling(yard: Yard) -> float:
    """Cancel a Run in the midst of encoding; return how long its encoder lived on, in seconds."""
    job = yard.job(PICTURE, 0, 4)
    task = await held(yard, job)
    began = time.monotonic()
    await ended(task)
    took = time.monotonic() - began
    assert processes(yard.program) == []
    for key in await job.store.list(f"{job.run.generation}/{PICTURE}/"):
        assert keys.parse_segment(key) is None or int(key.split("/")[-1].split(".")[0]) in {
            number for _, number in job.sink.stored
        }
    return took


@NEARLY
async def test_cancelled_its_encoder_is_dead_at_once(yard):
    took = sorted([await cancelling(yard) for _ in range(5)])
    assert median(took) < 0.4, took  # an encoder that is only asked to end takes half a second


@pytest.mark.soak
@EVERY
async def test_cancelled_its_encoder_is_dead_at_once_nearly_always(yard):
    took = sorted([await cancelling(yard) for _ in range(100)])
    assert took[98] < 0.1, took[-5:]


@EVERY
async def test_what_a_viewer_waits_for_does_not_wait_for_background_runs(yard):
    fills = [await held(yard, yard.job(PICTURE, number, number)) for number in range(PLACES)]
    assert yard.farm.free([Urgency.FILL] * PLACES).now
    waits = []
    for number in range(3):
        job = yard.job(SOUND, number, number, urgency=Urgency.NOW)
        began = time.monotonic()
        task = asyncio.create_task(yard.farm.execute(job))
        await settle(lambda job=job: job.sink.begun)
        waits.append(time.monotonic() - began)
        await task
    assert not any(task.done() for task in fills)
    assert median(waits) < 1, waits
    await ended(*fills)


@EVERY
async def test_while_a_viewer_waits_the_machine_encodes_nothing_else(yard):
    awaited = yard.job(PICTURE, 0, 0, urgency=Urgency.NOW)
    waiting = await held(yard, awaited)
    # Not background work: a worker's one place for that may be the awaited Run's.
    later = yard.job(SOUND, 0, 0, urgency=Urgency.SOON)
    coming = asyncio.create_task(yard.farm.execute(later))
    await asyncio.sleep(0)
    # As long as the same takes for somebody who waits for it, twice.
    for number in (3, 4):
        await yard.farm.execute(yard.job(SOUND, number, number, urgency=Urgency.NOW))
    assert later.sink.stored == []
    # Once whoever waited has gone, that Run is like any other, and holds up nobody.
    await yard.farm.promote(awaited.run.id, Urgency.FILL)
    await coming
    assert later.sink.stored == [(SOUND, 0)]
    assert not waiting.done()
    await ended(waiting)


@EVERY
async def test_a_run_that_is_made_more_urgent_is_next(yard):
    """A farm without a queue keeps the promise by beginning whatever it takes."""
    busy = await held(yard, yard.job(PICTURE, 0, 0))
    room = yard.farm.free([Urgency.FILL])
    waiting = [yard.job(SOUND, number, number) for number in range(min(3, room.fill + room.soon))]
    tasks = [asyncio.create_task(yard.farm.execute(job)) for job in waiting]
    await asyncio.sleep(0)
    begun = [job.run.id for job in waiting if job.sink.begun]
    chosen = waiting[-1]
    await yard.farm.promote(chosen.run.id, Urgency.NOW)
    await settle(lambda: chosen.sink.begun)
    assert all(job.run.id in begun or not job.sink.begun for job in waiting[:-1])
    await ended(*tasks, busy)


def packaging(yard: Yard, heard: Callable) -> Packaging:
    film, job = yard.film, yard.job(SOUND, 0, 0)
    inits = {
        name: Init(body=film.bodies[name], digest=digest, codecs="") for name, digest in film.inits.items()
    }
    return Packaging(
        film.plan,
        film.index,
        inits=inits,
        original=job.original,
        store=job.store,
        sink=heard,
        asset=job.asset,
        feeder=film.feeder,
    )


@EVERY
async def test_all_who_want_one_segment_cause_one_encode(yard):
    heard = Heard()
    made = packaging(yard, heard)
    made.fill = "watched"
    async with Foreman(yard.farm) as foreman:
        foreman.add(made)
        await asyncio.gather(*(made.want(PICTURE, 3) for _ in range(20)))
        began = [fact for fact in heard.facts if isinstance(fact, RunStarted)]
        assert sum(one.first <= 3 <= one.last and PICTURE in one.renditions for one in began) == 1
        await foreman.remove(made)


@NEARLY
async def test_a_whole_film_is_made(yard):
    heard = Heard()
    made = packaging(yard, heard)
    async with Foreman(yard.farm) as foreman:
        foreman.add(made)
        async with asyncio.timeout(120):
            await made.ended()
    assert len(heard.stored) == len(set(heard.stored))
    assert {name for name, _ in heard.stored} == set(made.sizes)
