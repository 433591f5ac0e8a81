"""What applications publish: kept before it is answered, and checked before it is kept."""

from __future__ import annotations

import asyncio

import pytest

from streamer.channel_routes import DATA_MAX
from streamer.rows import Role
from tests.backend import EVERYWHERE, backend, served
from tests.flow.listening import poll

SCORE = {"type": "custom.score", "data": {"home": 1, "guests": 0}, "media_time": 12.5}


@pytest.fixture
async def back(data_dir):
    async with backend(data_dir) as opened:
        yield opened


@pytest.fixture
async def client(back, data_dir, aiohttp_client):
    return await aiohttp_client(served(back, data_dir).app)


@pytest.fixture
async def channel(back):
    return f"asset:{(await back.planned()).id}"


async def _publish(client, channel, event, **headers):
    response = await client.post(f"/api/v1/channels/{channel}/events", json=event, headers=headers)
    return response.status, await response.json()


async def test_an_event_reaches_everybody_as_it_was_answered(client, channel):
    cursor = (await poll(client, channel))["cursor"]
    waiting = asyncio.create_task(poll(client, channel, cursor=cursor))
    status, event = await _publish(client, channel, SCORE)
    assert status == 201
    assert (event["channel"], event["type"], event["media_time"]) == (channel, "custom.score", 12.5)
    assert (await waiting)["messages"] == [event]


async def test_one_that_is_sent_twice_is_published_once(client, channel):
    cursor = (await poll(client, channel))["cursor"]
    first = await _publish(client, channel, SCORE, **{"Idempotency-Key": "k"})
    assert await _publish(client, channel, SCORE, **{"Idempotency-Key": "k"}) == first
    assert (await _publish(client, channel, {"type": "custom.x"}, **{"Idempotency-Key": "k"}))[0] == 422
    assert (await poll(client, channel, cursor=cursor))["messages"] == [first[1]]


async def test_what_may_be_left_out_has_its_value(client, channel):
    status, event = await _publish(client, channel, {"type": "announcement", "data": {"text": "Hello"}})
    assert (status, event["data"]) == (201, {"text": "Hello", "level": "info", "seconds": None})
    assert (await _publish(client, channel, {"type": "custom.x"}))[1]["data"] is None


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"type": "custom."},
        {"type": "custom.A"},
        {"type": "custom." + "x" * 60},
        {"type": "asset.changed", "data": {}},
        {"type": "marker", "data": {}},
        {"type": "unknown", "data": {}},
        {"type": "custom.x", "more": 1},
        {"type": "custom.x", "media_time": -1},
        {"type": "custom.x", "media_time": True},
        {"type": "custom.x", "media_time": "1"},
        {"type": "announcement"},
        {"type": "announcement", "data": []},
        {"type": "announcement", "data": {"text": ""}},
        {"type": "announcement", "data": {"text": "x", "level": "loud"}},
        {"type": "announcement", "data": {"text": "x", "colour": "red"}},
        {"type": "latency.target", "data": {"seconds": "3"}},
        {"type": "latency.target", "data": {"seconds": 0}},
        {"type": "custom.x", "data": "\ud800"},
    ],
    ids=str,
)
async def test_what_is_no_event_of_an_application_is_refused(client, channel, event):
    status, told = await _publish(client, channel, event)
    assert (status, told["type"].rpartition("/")[2].rpartition(":")[2]) == (400, "invalid-request")


@pytest.mark.parametrize(
    "body", ["NaN", "1e999", "[" * 20_000, '{"type": "custom.x", "data": -Infinity}', "1"]
)
async def test_what_is_no_json_is_refused(client, channel, body):
    sent = body if body.startswith("{") else f'{{"type": "custom.x", "data": {body}}}'
    sent = "1" if body == "1" else sent
    response = await client.post(f"/api/v1/channels/{channel}/events", data=sent)
    assert response.status == 400


async def test_bounds_and_places(client, channel):
    large = {"type": "custom.x", "data": "x" * (DATA_MAX - 2)}
    assert (await _publish(client, channel, large))[0] == 201
    assert (await _publish(client, channel, {**large, "data": "x" * DATA_MAX}))[0] == 413
    assert (await _publish(client, "assets", SCORE))[0] == 201
    assert (await _publish(client, "assets", {"type": "announcement", "data": {"text": "x"}}))[0] == 400
    for unknown in ("asset:zzzzzzzzzzzz", "nothing", "stream:zzzzzzzzzzzz", "x" * 300):
        status, told = await _publish(client, unknown, SCORE)
        assert status == 404
        assert told["type"].endswith("no-such-channel")


async def test_only_administrators_publish(back, data_dir, aiohttp_client, channel):
    client = await aiohttp_client(served(back, data_dir, host=EVERYWHERE).app)
    for role, status in ((None, 401), (Role.VIEWER, 403), (Role.ADMIN, 201)):
        headers = {}
        if role is not None:
            headers["Authorization"] = f"Bearer {(await back.tokens.create(role, 'x'))[1]}"
        assert (await _publish(client, channel, SCORE, **headers))[0] == status
