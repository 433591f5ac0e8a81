"""One generation being made: who waits is answered, and what is not the source's fault is not laid on it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from packager import ladder
from packager.engine import Running, Slots, Urgency, Want
from packager.errors import ChildFailed, SegmentMismatch, StoreFailed, StoreFull
from packager.facts import RunStarted, SegmentStored
from packager.inits import Init
from packager.model import AudioTrack, Source
from packager.original import SourceCut, WholeFile
from packager.packaging import Abandoned, Packaging, TooManyWants, may_be_the_grid
from packager.spawner import CANNOT_START
from packager.store import MemoryStore
from packager.tables import Tables

ONE = Slots(now=1)


@pytest.fixture
def packaging() -> Packaging:
    track = AudioTrack(
        index=0,
        codec="aac",
        channels=2,
        layout="stereo",
        sample_rate=48_000,
        start=Fraction(0),
        end=Fraction(60),
    )
    source = Source(container="mp4", size=1, duration=Fraction(60), video=None, audio=(track,), indexed=True)
    plan = ladder.plan(source, None, identity="x", encoder="e")
    inits = {rung.name: Init(body=b"", digest="", codecs="mp4a.40.2") for rung in plan.audio}
    return Packaging(
        plan, None, inits=inits, original=WholeFile(Path(__file__)), store=MemoryStore(), sink=lambda _: None
    )  # fmt: skip


async def waiting(packaging: Packaging, number: int) -> asyncio.Task[None]:
    task = asyncio.create_task(packaging.want("audio-0", number))
    await asyncio.sleep(0)
    return task


def started(packaging: Packaging) -> list[Running]:
    return list(packaging.next(ONE, Urgency.NOW).start)


def store(packaging: Packaging, number: int) -> None:
    generation = packaging.plan.generation
    packaging.report(SegmentStored(generation=generation, rendition="audio-0", number=number, size=1))


async def test_all_who_want_one_segment_cause_one_span_and_are_answered(packaging):
    tasks = [await waiting(packaging, 3) for _ in range(5)]
    assert packaging.waiting == 5
    (one,) = started(packaging)
    assert one.span.first == 3
    assert started(packaging) == []
    store(packaging, 3)
    await asyncio.gather(*tasks)
    assert packaging.waiting == 0


async def test_outside_the_plan_there_is_nothing_to_wait_for(packaging):
    for rendition, number in (("audio-0", 15), ("audio-0", -1), ("180p", 0)):
        with pytest.raises(KeyError):
            await packaging.want(rendition, number)


async def test_who_goes_away_wants_nothing_more(packaging):
    task = await waiting(packaging, 3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert packaging.waiting == 0
    assert started(packaging) == []


async def test_only_so_many_may_wait(packaging):
    tasks = [await waiting(packaging, 3) for _ in range(256)]
    with pytest.raises(TooManyWants):
        await packaging.want("audio-0", 3)
    packaging.abandon()
    assert all(isinstance(one, Abandoned) for one in await asyncio.gather(*tasks, return_exceptions=True))


@pytest.mark.parametrize(
    "error",
    [StoreFailed("x"), StoreFull("x"), SourceCut("x"), ChildFailed("x", status=CANNOT_START)],
    ids=repr,
)
async def test_a_store_or_encoder_that_cannot_be_used_fails_it_at_once(packaging, error):
    task = await waiting(packaging, 3)
    (one,) = started(packaging)
    packaging.finished(one, error)
    with pytest.raises(type(error)):
        await task
    assert started(packaging) == []
    assert not may_be_the_grid(packaging.plan, error)


async def test_what_the_source_may_be_to_blame_for_is_tried_again_with_more_care(packaging):
    task = await waiting(packaging, 3)
    seen = []
    for _ in range(4):
        (one,) = started(packaging)
        run = packaging.run(one)
        seen.append((run.early, run.blank, run.last - run.first))
        packaging.finished(one, SegmentMismatch("x"))
    assert [(early, blank) for early, blank, _ in seen] == [
        (False, False), (True, False), (True, False), (True, True)
    ]  # fmt: skip
    assert [length for *_, length in seen] == [3, 3, 0, 0]
    with pytest.raises(SegmentMismatch):
        await task


async def test_abandoned_it_keeps_the_failure_it_had(packaging):
    for _ in range(2):
        packaging.abandon()
    with pytest.raises(Abandoned):
        await packaging.want("audio-0", 0)
    packaging.failure = StoreFull("x")
    packaging.abandon()
    with pytest.raises(StoreFull):
        await packaging.ended()


async def test_what_is_wanted_at_other_nodes_is_made_as_well(packaging):
    packaging.wanted_elsewhere({Want(rendition="audio-0", number=7)})
    (one,) = started(packaging)
    assert (one.span.first, one.span.urgency) == (7, Urgency.NOW)
    packaging.wanted_elsewhere(set())
    assert packaging.next(ONE, Urgency.NOW).cancel == ()  # it will be asked for next: it stays
    packaging.watched("audio-0", 12)
    assert packaging.next(ONE, Urgency.NOW).cancel == (one,)
    assert packaging.running == ()


async def test_a_run_that_has_begun_goes_on_without_viewers(packaging):
    task = await waiting(packaging, 3)
    (one,) = started(packaging)
    packaging.report(RunStarted(run=one.run, renditions=("audio-0",), first=3, last=6))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    packaging.watched("audio-0", 12)
    assert packaging.next(ONE, Urgency.NOW).cancel == ()
    assert packaging.running == (replace(one, begun=True, span=replace(one.span, urgency=Urgency.FILL)),)


async def test_only_what_is_watched_is_made_where_that_is_the_rule(packaging):
    packaging.fill = "watched"
    ended = asyncio.create_task(packaging.ended())
    packaging.watched("audio-0", 4)
    made = list(packaging.next(Slots(now=9, soon=9, fill=9)).start)
    assert {one.span.urgency for one in made} == {Urgency.SOON}
    for number in range(15):
        store(packaging, number)
    await asyncio.sleep(0)
    assert not ended.done()
    packaging.evicted("audio-0", 5)
    packaging.fill = "full"
    for one in made:
        packaging.finished(one, None)
    (one,) = packaging.next(Slots(fill=9)).start
    assert (one.span.first, one.span.last) == (5, 5)
    store(packaging, 5)
    await ended


async def test_what_has_been_evicted_is_made_again_for_whoever_wants_it(packaging):
    store(packaging, 3)
    await packaging.want("audio-0", 3)
    packaging.evicted("audio-0", 3)
    task = await waiting(packaging, 3)
    assert len(started(packaging)) == 1
    store(packaging, 3)
    await task


async def test_a_plan_grows_at_its_end_only(packaging):
    plan = packaging.plan
    packaging.grow(replace(plan, borders=(*plan.borders, plan.borders[-1] + 9)), None, Tables({}), None)
    assert packaging.planned("audio-0", 15)
    for other in (plan, replace(plan, salt="x"), replace(plan, borders=(0, *plan.borders))):
        with pytest.raises(ValueError, match="end"):
            packaging.grow(other, None, Tables({}), None)
