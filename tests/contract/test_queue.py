"""What is known of procrastinate's own tables, and what the queue over them promises."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from statistics import quantiles

import pytest

from packager.engine import Urgency
from streamer.cluster.queue import STALLED_SECONDS, Queue, apply_schema, queue_of

NOW, SOON, FILL = (queue_of("build", urgency) for urgency in Urgency)


@pytest.fixture
async def queue(database_url):
    async with Queue(database_url) as made:
        yield made


class Hands:
    """Carries Runs whose names begin with "long" until it is let go, and all others at once."""

    def __init__(self) -> None:
        self.begun: dict[str, float] = {}
        self.cancelled: dict[str, bool] = {}
        self.changed = asyncio.Event()
        self.free = asyncio.Event()

    async def carry(self, run, withdrawn) -> None:
        self.begun[run] = time.monotonic()
        self.changed.set()
        try:
            if run.startswith("long"):
                await self.free.wait()
        except asyncio.CancelledError:
            self.cancelled[run] = withdrawn()
            raise
        finally:
            self.changed.set()

    async def until(self, condition) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def working(url, hands, *names, slots=1, drain=5.0):
    async with Queue(url) as queue:
        task = asyncio.create_task(
            queue.work(hands.carry, names=names, slots=slots, name="test", drain_seconds=drain)
        )
        try:
            yield queue
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def deferred(queue, *runs, urgency=Urgency.FILL):
    await queue.defer([(run, "build", urgency) for run in runs])


async def status(queue, run):
    found = await queue._connector.execute_query_all_async(
        "SELECT status FROM procrastinate_jobs WHERE queueing_lock = %(run)s", run=run
    )
    return [row["status"] for row in found]


async def test_the_schema_is_applied_once_however_many_start(database_url):
    await asyncio.gather(*(apply_schema(database_url) for _ in range(4)))
    await apply_schema(database_url)


async def test_the_most_urgent_goes_first_and_raising_makes_it_next(queue, database_url):
    hands = Hands()
    async with working(database_url, hands, NOW, SOON, FILL):
        await deferred(queue, "long")
        await hands.until(lambda: "long" in hands.begun)
        await deferred(queue, "a", "b", "c", "d")
        await deferred(queue, "s", urgency=Urgency.SOON)
        await deferred(queue, "n", urgency=Urgency.NOW)
        assert await queue.promote("c", "build", Urgency.NOW)
        assert not await queue.promote("n", "build", Urgency.FILL)  # never less urgent
        assert not await queue.promote("long", "build", Urgency.NOW)  # it has begun
        hands.free.set()
        await hands.until(lambda: len(hands.begun) == 7)
    assert list(hands.begun) == ["long", "c", "n", "s", "a", "b", "d"]


async def test_a_reserved_slot_wakes_for_what_becomes_urgent(queue, database_url):
    hands = Hands()
    async with working(database_url, hands, NOW):
        await deferred(queue, "a", "b")
        await queue.promote("b", "build", Urgency.NOW)
        await hands.until(lambda: hands.begun)
        assert list(hands.begun) == ["b"]
    assert await queue.live(["a", "b"]) == {"a"}


async def test_a_run_waits_once(queue):
    await deferred(queue, "a")
    await deferred(queue, "b", "a", "c")
    assert await queue.live(["a", "b", "c", "d"]) == {"a", "b", "c"}
    assert await status(queue, "a") == ["todo"]


async def test_taken_back_a_job_is_gone_or_cancelled_where_it_runs(queue, database_url):
    hands = Hands()
    async with working(database_url, hands, FILL):
        await deferred(queue, "long", "waiting")
        await hands.until(lambda: "long" in hands.begun)
        began = time.monotonic()
        await queue.abort("waiting")
        await queue.abort("long")
        await hands.until(lambda: hands.cancelled)
        assert time.monotonic() - began < 1
        assert hands.cancelled == {"long": True}
    assert await queue.live(["long", "waiting"]) == set()


async def test_a_worker_that_stops_puts_back_what_it_has_no_time_for(queue, database_url):
    hands = Hands()
    async with working(database_url, hands, FILL, drain=0):
        await deferred(queue, "long")
        await hands.until(lambda: hands.begun)
    assert hands.cancelled == {"long": False}
    assert await status(queue, "long") == ["todo"]


async def test_what_nobody_works_on_any_more_is_found_and_queued_again(queue):
    await deferred(queue, "a", "b")
    manager = queue._app.job_manager
    worker = await manager.register_worker()
    assert (await manager.fetch_job([FILL], worker)).task_kwargs == {"run": "a"}
    assert await queue.stalled() == []
    assert [one.run for one in await queue.begun(before_seconds=0)] == ["a"]
    assert await queue.begun(before_seconds=60) == []
    await queue._connector.execute_query_async(
        "UPDATE procrastinate_workers SET last_heartbeat = now() - make_interval(secs => %(seconds)s)",
        seconds=STALLED_SECONDS + 1,
    )
    (stalled,) = await queue.stalled()
    await queue.again(stalled)
    assert await status(queue, "a") == ["todo"]
    await queue.again(stalled)  # it has been seen to meanwhile: nothing happens
    await queue.give_up(stalled)
    assert await status(queue, "a") == ["failed"]
    await queue.tidy()
    assert await status(queue, "a") == ["failed"]  # for an hour


@pytest.mark.parametrize("count", [2000, pytest.param(20_000, marks=pytest.mark.soak)])
async def test_many_waiting_jobs_do_not_slow_the_taking_of_one(queue, count):
    """The planner's trap: without new figures for the table a fetch takes 220 ms at 4,000."""
    await deferred(queue, *(f"r{number}" for number in range(count)))
    manager = queue._app.job_manager
    worker = await manager.register_worker()
    took = []
    for _ in range(100):
        began = time.monotonic()
        assert await manager.fetch_job([NOW, SOON, FILL], worker)
        took.append(time.monotonic() - began)
    assert quantiles(took, n=100)[49] < 0.02, max(took)
