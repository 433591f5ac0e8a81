"""What every ledger promises: wants, claims and segments, one transaction each."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise

import pytest

from streamer.channel import of_asset
from streamer.errors import NoSuchAsset, NoSuchRun
from streamer.ledger import Changes, Stored
from streamer.rows import NewRun, RunState, Urgency
from tests.backend import backend


@pytest.fixture
async def back(either_url, tmp_path):
    async with backend(tmp_path, url=either_url) as opened:
        yield opened


@pytest.fixture
async def asset(back):
    return (await back.planned(segments=100)).id


def _run(asset, name, *, first=0, last=3, urgency=Urgency.FILL):
    return NewRun(
        id=name,
        asset=asset,
        generation="g1",
        first=first,
        last=last,
        rungs=("v360",),
        urgency=urgency,
        body={"first": first},
    )


def _stored(*numbers, rendition="v360"):
    return [Stored(rendition=rendition, number=number, size=10 + number) for number in numbers]


async def _told(back, asset):
    epoch = (await back.channels.subscribe(of_asset(asset))).epoch
    subscription = await back.channels.subscribe(of_asset(asset), epoch=epoch, offset=0)
    return [(event.type, event.data) for event in subscription.take(1000) if event.offset]


async def test_coverage_is_ranges(back, asset):
    await back.ledger.add_segments(asset, "g1", _stored(0, 1, 2, 7, 9, 10))
    await back.ledger.add_segments(asset, "g1", _stored(4, rendition="a1"))
    assert await back.ledger.coverage(asset, "g1") == {"a1": [[4, 4]], "v360": [[0, 2], [7, 7], [9, 10]]}
    assert await back.ledger.coverage(asset, "g2") == {}
    assert (await back.ledger.sizes(asset, "g1"))["v360"][7] == 17


@pytest.mark.parametrize("seed", range(5))
async def test_coverage_holds_exactly_what_was_added(back, asset, seed):
    rng = random.Random(seed)
    numbers = rng.sample(range(100), rng.randint(1, 90))
    await asyncio.gather(
        *(
            back.ledger.add_segments(asset, "g1", _stored(*numbers[at : at + 7]))
            for at in range(0, len(numbers), 7)
        )
    )
    ranges = (await back.ledger.coverage(asset, "g1"))["v360"]
    assert [n for first, last in ranges for n in range(first, last + 1)] == sorted(numbers)
    assert all(before[1] + 1 < after[0] for before, after in pairwise(ranges))


async def test_a_segment_is_told_once_however_often_it_is_added(back, asset):
    await asyncio.gather(*(back.ledger.add_segments(asset, "g1", _stored(5, 6)) for _ in range(5)))
    told = [data for kind, data in await _told(back, asset) if kind == "segment.stored"]
    assert told == [
        {"generation": "g1", "rendition": "v360", "number": number, "size": 10 + number} for number in (5, 6)
    ]


async def test_many_segments_at_once(back, asset):
    await back.ledger.add_segments(asset, "g1", _stored(*range(1300)))
    assert await back.ledger.coverage(asset, "g1") == {"v360": [[0, 1299]]}
    await back.ledger.remove_segments(asset, "g1")
    assert await back.ledger.coverage(asset, "g1") == {}


async def test_segments_and_runs_of_what_is_gone_are_refused(back, asset):
    with pytest.raises(NoSuchAsset):
        await back.ledger.add_segment(asset, "g9", _stored(1)[0])
    with pytest.raises(NoSuchAsset):
        await back.ledger.add_runs([_run("nothing", "r1")])
    assert await back.ledger.runs() == ()


async def test_the_most_urgent_is_claimed_first(back, asset):
    for name, urgency in (
        ("f1", Urgency.FILL),
        ("n1", Urgency.NOW),
        ("s1", Urgency.SOON),
        ("f2", Urgency.FILL),
    ):
        await back.ledger.add_runs([_run(asset, name, urgency=urgency)])
        back.clock.now += 1
    assert [run.id for run in await back.ledger.claim("w", least=Urgency.NOW, limit=9)] == ["n1"]
    assert [run.id for run in await back.ledger.claim("w", limit=2)] == ["s1", "f1"]
    (last,) = await back.ledger.claim("w", limit=9)
    assert (last.id, last.state, last.worker, last.attempts) == ("f2", RunState.RUNNING, "w", 1)
    assert await back.ledger.claim("w") == ()


async def test_a_run_is_claimed_by_one_worker(back, asset):
    await back.ledger.add_runs([_run(asset, f"r{n}") for n in range(30)])

    async def work(worker):
        mine = []
        while taken := await back.ledger.claim(worker):
            mine += taken
            await asyncio.sleep(0)
        return mine

    claimed = await asyncio.gather(*(work(f"w{n}") for n in range(4)))
    assert sorted(run.id for mine in claimed for run in mine) == sorted(f"r{n}" for n in range(30))
    for worker, mine in enumerate(claimed):
        assert {run.worker for run in mine} <= {f"w{worker}"}


async def test_a_run_ends_done_failed_or_goes_back(back, asset):
    await back.ledger.add_runs([_run(asset, name) for name in ("a", "b", "c")])
    await back.ledger.claim("w", limit=3)
    await back.ledger.finish("a")
    await back.ledger.fail_run("b", "no such filter")
    await back.ledger.fail_run("c", "killed", again=True)
    runs = {run.id: run for run in await back.ledger.runs(asset)}
    assert {name: str(run.state) for name, run in runs.items()} == {"a": "done", "b": "failed", "c": "queued"}
    assert (runs["b"].failure, runs["b"].ended) == ("no such filter", back.clock.now)
    assert (runs["c"].worker, runs["c"].ended) == (None, None)
    assert (await back.ledger.claim("w"))[0].attempts == 2
    assert await back.ledger.counts() == {
        RunState.QUEUED: 0,
        RunState.RUNNING: 1,
        RunState.DONE: 1,
        RunState.FAILED: 1,
    }
    kinds = [kind for kind, _ in await _told(back, asset) if kind.startswith("run.")]
    assert kinds == ["run.started"] * 3 + ["run.ended"] * 3 + ["run.started"]
    with pytest.raises(NoSuchRun):
        await back.ledger.finish("nothing")


async def test_a_worker_that_comes_back_releases_what_it_held(back, asset):
    await back.ledger.add_runs([_run(asset, name) for name in ("a", "b")])
    await back.ledger.claim("w1")
    await back.ledger.claim("w2")
    assert await back.ledger.release("w1") == 1
    assert [run.id for run in await back.ledger.runs(asset, states=[RunState.QUEUED])] == ["a"]


async def test_adding_a_known_run_changes_nothing(back, asset):
    await back.ledger.add_runs([_run(asset, "a")])
    await back.ledger.claim("w")
    await back.ledger.add_runs([_run(asset, "a", urgency=Urgency.NOW)])
    (run,) = await back.ledger.runs(asset)
    assert (run.state, run.urgency) == (RunState.RUNNING, Urgency.FILL)


async def test_planning_sees_and_changes_in_one_transaction(back, asset):
    await back.ledger.add_segments(asset, "g1", _stored(0))
    await back.ledger.add_runs([_run(asset, "a"), _run(asset, "b"), _run(asset, "old")])
    seen = []

    def decide(planning):
        seen.append((sorted(run.id for run in planning.open), planning.coverage))
        return Changes(
            add=(_run(asset, "c", urgency=Urgency.NOW),), raised=(("a", Urgency.SOON),), cancel=("old",)
        )

    await back.ledger.plan(asset, "g1", decide)
    assert seen == [(["a", "b", "old"], {"v360": [[0, 0]]})]
    assert [(run.id, run.urgency) for run in await back.ledger.runs(asset)] == [
        ("c", Urgency.NOW),
        ("a", Urgency.SOON),
        ("b", Urgency.FILL),
    ]


async def test_planning_never_makes_a_run_less_urgent(back, asset):
    await back.ledger.add_runs([_run(asset, "a", urgency=Urgency.NOW)])
    await back.ledger.plan(asset, "g1", lambda _: Changes(raised=(("a", Urgency.FILL),)))
    assert (await back.ledger.runs(asset))[0].urgency is Urgency.NOW


async def test_an_assets_plannings_are_one_after_the_other(back, asset):
    def decide(planning):
        # Twenty viewers want the same segment: whoever comes second sees the first one's Run.
        return Changes() if planning.open else Changes(add=(_run(asset, f"r{len(planning.open)}"),))

    answers = await asyncio.gather(*(back.ledger.plan(asset, "g1", decide) for _ in range(20)))
    assert sum(len(changes.add) for changes in answers) == 1
    assert len(await back.ledger.runs(asset)) == 1


async def test_a_decision_that_fails_changes_nothing(back, asset):
    def decide(_planning):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await back.ledger.plan(asset, "g1", decide)
    assert await back.ledger.runs(asset) == ()


async def test_what_a_worker_had_begun_is_closed_when_it_comes_back(back, asset):
    await back.ledger.begin(_run(asset, "a"), worker="w1")
    await back.ledger.begin(_run(asset, "b"), worker="w2")
    (a, b) = sorted(await back.ledger.runs(asset), key=lambda run: run.id)
    assert (a.state, a.worker, a.attempts, a.started) == (RunState.RUNNING, "w1", 1, back.clock.now)
    await back.ledger.close_runs("w1")
    (a, b) = sorted(await back.ledger.runs(asset), key=lambda run: run.id)
    assert (a.state, b.state) == (RunState.FAILED, RunState.RUNNING)
    assert await back.ledger.claim("w3") == ()
    with pytest.raises(NoSuchAsset):
        await back.ledger.begin(_run("nothing", "c"), worker="w1")
