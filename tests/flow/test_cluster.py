"""Runs on workers in processes of their own: what the farm promises holds, whoever is killed."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from packager.engine import Urgency
from packager.errors import PackagingError
from packager.original import SourceCut
from streamer.cluster.farm import RunWithdrawn
from tests.flow.clustered import Heard, Rig, rigged
from tests.flow.whole_site import FILM, processes, settle
from tests.postgres import running_postgres

PICTURE, SOUND = "144p", "audio-0"
ENDED = "SELECT * FROM run WHERE id = %s AND state IN ('done', 'failed')"
RUNNING = "SELECT * FROM run WHERE id = %s AND state = 'running'"


@pytest.fixture
async def rig(database_url, tmp_path, clips, spawn):
    async with rigged(database_url, tmp_path, clips.make(FILM), spawn) as made:
        yield made


async def begun(rig: Rig, job) -> asyncio.Task[None]:
    """Hand a Run over and stop its encoder in its tracks, so that it lasts."""
    known = set(processes(rig.program))
    task = asyncio.create_task(rig.farm.execute(job))
    await settle(lambda: set(processes(rig.program)) - known)
    for pid in set(processes(rig.program)) - known:
        os.kill(pid, signal.SIGSTOP)
    await rig.until(RUNNING, job.run.id)
    return task


def go_on(program: Path) -> None:
    for pid in processes(program):
        os.kill(pid, signal.SIGCONT)


async def test_a_run_is_made_by_a_worker_and_its_facts_come_in_order(rig):
    await rig.worker()
    heard = Heard()
    await rig.farm.execute(rig.job(SOUND, 0, 4, sink=heard))
    assert heard.begun
    assert heard.stored == [(SOUND, number) for number in range(5)]
    assert heard.ends == [""]
    (row,) = await rig.rows("SELECT * FROM run")
    assert (row["state"], row["attempts"], row["lost"], row["failure"]) == ("done", 1, 0, None)
    assert len(await rig.rows("SELECT * FROM segment")) == 5
    assert len(await rig.rows("SELECT * FROM event WHERE type = 'segment.stored'")) == 5
    # Made a second time, nothing is counted twice.
    again = Heard()
    await rig.farm.execute(rig.job(SOUND, 0, 4, sink=again))
    assert again.stored == heard.stored
    assert len(await rig.rows("SELECT * FROM event WHERE type = 'segment.stored'")) == 5
    # What a Run fails with is the error that its worker saw, and the row says it too.
    failing = rig.job(PICTURE, 0, 0)
    rig.film.path.unlink()
    with pytest.raises(SourceCut):
        await rig.farm.execute(failing)
    (row,) = await rig.rows("SELECT * FROM run WHERE id = %s", failing.run.id)
    assert (row["state"], row["error"]["code"]) == ("failed", "source-cut")
    assert "source" in row["failure"]


async def test_a_viewer_does_not_wait_for_background_work(rig):
    await rig.worker()
    slow = await begun(rig, rig.job(PICTURE, 0, 1))
    fills = [rig.job(PICTURE, number, number) for number in (2, 3, 4)]
    tasks = [asyncio.create_task(rig.farm.execute(job)) for job in fills]
    await rig.until("SELECT count(*) FROM run WHERE state = 'queued' HAVING count(*) = 3")
    # What a viewer wants has slots of its own.
    async with asyncio.timeout(10):
        await rig.farm.execute(rig.job(SOUND, 2, 2, urgency=Urgency.NOW))
    # What becomes urgent while it waits goes there too.
    await rig.farm.promote(fills[-1].run.id, Urgency.NOW)
    async with asyncio.timeout(10):
        await tasks[-1]
    # And raised a little, it is the next one.
    await rig.farm.promote(fills[1].run.id, Urgency.SOON)
    async with asyncio.timeout(10):
        await tasks[1]
    assert not tasks[0].done()
    go_on(rig.program)
    await asyncio.gather(slow, *tasks)
    assert await rig.rows("SELECT * FROM run WHERE state <> 'done' OR attempts <> 1") == []


async def test_a_killed_worker_takes_its_encoders_along_and_another_makes_its_runs(rig, tmp_path):
    first = await rig.worker(slots=2)
    heard = Heard()
    task = await begun(rig, rig.job(PICTURE, 0, 1, sink=heard))
    deadly = await begun(rig, job := rig.job(PICTURE, 3, 4))
    await rig.rows("UPDATE run SET lost = 3 WHERE id = %s RETURNING 1", job.run.id)
    other = Path(shutil.copy2(rig.program, tmp_path / "other"))
    await rig.worker(program=other)
    os.kill(first.pid, signal.SIGKILL)
    killed = time.monotonic()
    await settle(lambda: not processes(rig.program), seconds=5)
    assert time.monotonic() - killed < 1
    async with asyncio.timeout(25):
        await task
    assert time.monotonic() - killed < 20  # 12 on a machine that does nothing else
    assert sorted(heard.stored) == [(PICTURE, 0), (PICTURE, 1)]
    # A Run that workers die of is given up, and says why.
    with pytest.raises(PackagingError, match="lost 4 times"):
        await deadly
    rows = await rig.rows("SELECT state, attempts, lost, failure FROM run ORDER BY first")
    assert tuple(rows[0].values())[:3] == ("done", 2, 1)
    why = "its worker was lost 4 times while it was made"
    assert tuple(rows[1].values()) == ("failed", 1, 3, why)
    async with asyncio.timeout(
        20
    ):  # the job of the one that is given up goes with the next look at what is stalled
        while await rig.rows("SELECT 1 FROM procrastinate.procrastinate_jobs WHERE status = 'doing'"):
            await asyncio.sleep(0.05)


async def test_cancelling_ends_the_encoder_wherever_it_runs(rig):
    await rig.worker()
    heard = Heard()
    task = await begun(rig, rig.job(PICTURE, 0, 1, sink=heard))
    waiting = asyncio.create_task(rig.farm.execute(rig.job(PICTURE, 3, 4)))
    await rig.until("SELECT * FROM run WHERE state = 'queued'")
    for one in (task, waiting):
        one.cancel()
        with pytest.raises(asyncio.CancelledError):
            await one
    await settle(lambda: not processes(rig.program), seconds=1)
    assert heard.ends == ["cancelled"]
    rows = await rig.rows("SELECT state, failure FROM run")
    assert [tuple(row.values()) for row in rows] == [("failed", "cancelled")] * 2
    assert await rig.rows("SELECT * FROM segment") == []
    # A Run that somebody else takes back fails here.
    task = await begun(rig, job := rig.job(PICTURE, 0, 1))
    await rig.cluster.queue.abort(job.run.id)
    with pytest.raises(RunWithdrawn):
        await task


async def test_a_worker_told_to_stop_finishes_or_puts_back_what_it_has(rig):
    patient = await rig.worker()
    task = await begun(rig, rig.job(PICTURE, 0, 0))
    patient.process.send_signal(signal.SIGTERM)
    await rig.until("SELECT * FROM worker WHERE state = 'draining'")
    go_on(rig.program)
    await task
    assert await patient.wait() == 0
    hasty = await rig.worker(STREAMER_WORKER_DRAIN_SECONDS="0")
    task = await begun(rig, job := rig.job(PICTURE, 1, 1))
    hasty.process.send_signal(signal.SIGTERM)
    assert await hasty.wait() == 0
    await rig.worker()
    await task
    (row,) = await rig.rows("SELECT * FROM run WHERE id = %s", job.run.id)
    assert (row["state"], row["attempts"], row["lost"]) == ("done", 2, 0)
    states = await rig.rows("SELECT state FROM worker ORDER BY started")
    assert [row["state"] for row in states] == ["stopped", "stopped", "working"]


async def test_what_a_lost_server_has_begun_goes_on_and_is_taken_up(rig):
    await rig.worker()
    job = rig.job(PICTURE, 0, 1)
    left = await begun(rig, job)
    behind = asyncio.create_task(rig.farm.execute(rig.job(PICTURE, 2, 3)))
    await rig.until("SELECT * FROM run WHERE state = 'queued'")
    rig.farm.leave()  # as at the end of the process
    for task in (left, behind):
        task.cancel()
    await asyncio.gather(left, behind, return_exceptions=True)
    assert len(processes(rig.program)) == 1
    async with rig.cluster.farm() as second:
        heard = Heard()
        task = asyncio.create_task(second.execute(rig.job(PICTURE, 0, 1, sink=heard)))
        await rig.until("SELECT * FROM run WHERE failure = 'cancelled'")
        go_on(rig.program)
        async with asyncio.timeout(20):
            await task
        assert heard.stored == [(PICTURE, 0), (PICTURE, 1)]
    states = await rig.rows("SELECT state, attempts FROM run ORDER BY created, id")
    assert sorted((row["state"], row["attempts"]) for row in states) == [
        ("done", 1),
        ("done", 1),
        ("failed", 0),
    ]
    assert await rig.rows(ENDED, job.run.id)


@pytest.mark.soak  # by default test_cluster_crash crashes one
async def test_a_database_that_crashes_holds_everybody_up_and_loses_nothing(tmp_path, clips, spawn):
    with running_postgres() as server:
        async with rigged(server.create(), tmp_path, clips.make(FILM), spawn) as rig:
            worker = await rig.worker()
            slow = await begun(rig, rig.job(PICTURE, 0, 1))
            tasks = [asyncio.create_task(rig.farm.execute(rig.job(PICTURE, n, n))) for n in (2, 3)]
            await rig.until("SELECT count(*) FROM run HAVING count(*) = 3")
            server.stop_immediate()
            go_on(rig.program)
            late = asyncio.create_task(rig.farm.execute(rig.job(SOUND, 0, 0, urgency=Urgency.NOW)))
            await settle(lambda: not processes(rig.program))
            server.start()
            async with asyncio.timeout(60):
                await asyncio.gather(slow, late, *tasks)
            assert await rig.rows("SELECT * FROM run WHERE state <> 'done'") == []
            assert len(await rig.rows("SELECT * FROM segment")) == 5
            assert len(await rig.rows("SELECT * FROM event WHERE type = 'segment.stored'")) == 5
            assert await worker.stop() == 0
