"""What an operator is shown of Runs, queues and workers, and what the gauges count."""

from __future__ import annotations

import pytest
from aiohttp import web
from sqlalchemy import insert

from packager.engine import Running, Span
from packager.foreman import Standing
from streamer import schema
from streamer.access import Access
from streamer.gauges import Gauges
from streamer.metrics import Metrics
from streamer.operations import Operations, Own
from streamer.oversight import Oversight
from streamer.problems import problem_middleware
from streamer.rows import NewRun, Role, Urgency
from tests.backend import EVERYWHERE, backend

OWN = Own(name="local", slots=2, urgent=3, encoder="9.0", version="1.2.3", started=1_800_000_000_000)


@pytest.fixture
async def back(data_dir):
    async with backend(data_dir) as opened:
        yield opened


@pytest.fixture
async def oversight(back):
    return Oversight(back.database, clock=back.clock)


def run(asset, number, urgency=Urgency.FILL):
    return NewRun(
        id=f"r{number}",
        asset=asset,
        generation="g1",
        first=number,
        last=number,
        rungs=("v360",),
        urgency=urgency,
        body={},
    )


@pytest.fixture
async def asset(back):
    """Return an asset with one Run in each state; ten seconds go by before any is started."""
    film = await back.planned()
    await back.ledger.add_runs([run(film.id, number) for number in range(3)])
    back.clock.now += 10_000
    done, failed, _running = await back.ledger.claim("w1", limit=3)
    await back.ledger.finish(done.id)
    back.clock.now += 1000
    await back.ledger.fail_run(failed.id, "the encoder ended with status 1")
    await back.ledger.add_runs([run(film.id, 3), run(film.id, 4, Urgency.NOW)])
    back.clock.now += 5000
    return film


def standing(asset):
    span = Span(names=("v360",), first=5, last=5)
    running = (Running(run="x", span=span, begun=True), Running(run="y", span=span))
    return [Standing(asset=asset, waiting=2, running=running, queued=[Urgency.FILL])]


@pytest.fixture
async def client(back, oversight, asset, aiohttp_client):
    access = Access(back.tokens, host=EVERYWHERE)
    app = web.Application(middlewares=[problem_middleware, access.middleware])
    operations = Operations(oversight, standing=lambda: standing(asset.id), own=OWN, clock=back.clock)
    app.add_routes(operations.routes())
    return await aiohttp_client(app)


@pytest.fixture
async def ask(back, client):
    _, secret = await back.tokens.create(Role.ADMIN, "a")

    async def get(path, status=200):
        response = await client.get(path, headers={"Authorization": f"Bearer {secret}"})
        assert response.status == status, await response.text()
        return await response.json()

    return get


async def test_runs_come_as_they_matter(ask, asset):
    runs = (await ask("/api/v1/runs"))["items"]
    assert [(one["state"], one["urgency"], one["id"]) for one in runs] == [
        ("running", "fill", "r2"),
        ("queued", "now", "r4"),
        ("queued", "fill", "r3"),
        ("failed", "fill", "r1"),
        ("done", "fill", "r0"),
    ]
    assert {one["title"] for one in runs} == {"Film"}
    assert (runs[0]["worker"], runs[0]["attempts"], runs[0]["ended"]) == ("w1", 1, None)
    assert runs[3]["failure"] == "the encoder ended with status 1"
    failed = await ask("/api/v1/runs?state=failed&state=queued&limit=2")
    assert [one["id"] for one in failed["items"]] == ["r4", "r3"]
    assert (await ask("/api/v1/runs?asset=zzzzzzzzzzzz"))["items"] == []
    assert (await ask(f"/api/v1/runs?asset={asset.id}&limit=1"))["items"][0]["id"] == "r2"
    for wrong in ("state=sleeping", "limit=0", "limit=501", "limit=x"):
        await ask(f"/api/v1/runs?{wrong}", 400)


async def test_the_queue_tells_what_waits_and_what_is_left(ask, asset):
    queue = await ask("/api/v1/queue")
    now, soon, fill = queue["urgencies"]
    assert (now["urgency"], now["queued"], now["running"], now["oldest_seconds"]) == ("now", 1, 0, 5)
    assert (soon["queued"], soon["oldest_seconds"]) == (0, None)
    assert (fill["queued"], fill["running"], fill["assets_waiting"]) == (1, 1, 1)
    assert queue["segments_left"] == 20
    assert queue["assets"] == [{"asset": asset.id, "segments_left": 20, "viewers_waiting": 2, "running": 1}]


async def test_workers_are_shown_with_what_they_do(ask, back):
    async def come(transaction):
        for name, state, seen in (("w1", "working", 0), ("w2", "working", 60_000), ("w3", "stopped", 60_000)):
            row = {"name": name, "state": state, "seen": back.clock.now - seen, "started": back.clock.now}
            row |= {"slots": 4, "urgent": 3, "encoder": "9.0", "version": "1.2.3"}
            await transaction.execute(insert(schema.worker).values(row))

    await back.database.write(come)
    workers = (await ask("/api/v1/workers"))["items"]
    assert [(one["name"], one["state"], one["busy"]) for one in workers] == [
        ("local", "working", 1),
        ("w1", "working", 1),
        ("w2", "lost", 0),
        ("w3", "stopped", 0),
    ]


async def test_viewers_are_not_shown_any_of_it(back, client):
    _, secret = await back.tokens.create(Role.VIEWER, "v")
    for path in ("runs", "queue", "workers"):
        assert (await client.get(f"/api/v1/{path}")).status == 401
        headers = {"Authorization": f"Bearer {secret}"}
        assert (await client.get(f"/api/v1/{path}", headers=headers)).status == 403


async def test_gauges_count_runs_and_segments(back, oversight):
    metrics = Metrics()
    film = await back.planned()
    gauges = Gauges(
        metrics,
        ledger=back.ledger,
        oversight=oversight,
        standing=lambda: standing(film.id),
        clients=lambda: 4,
        viewers=lambda: 3,
        own=True,
        clock=back.clock,
    )
    await back.ledger.add_runs([run(film.id, 1, Urgency.NOW), run(film.id, 2)])
    back.clock.now += 2000
    await back.ledger.claim("w1", limit=1)
    for _ in range(2):  # each start is counted once, however often it is asked
        await gauges.collect()
    lines = metrics.text().splitlines()
    for line in (
        'streamer_queue_depth{urgency="now"} 0',
        'streamer_queue_depth{urgency="fill"} 2',
        'streamer_queue_oldest_seconds{urgency="fill"} 2',
        "streamer_segments_left 20",
        'streamer_dispatch_seconds_count{urgency="now"} 1',
        'streamer_dispatch_seconds_sum{urgency="now"} 2',
        'streamer_workers{state="working"} 1',
        'streamer_runs{state="running"} 1',
        "streamer_runs_repeated 0",
        "streamer_runs_lost 0",
        "streamer_control_clients 4",
        "streamer_viewers 3",
    ):
        assert line in lines
