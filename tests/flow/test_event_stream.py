"""The control channel as server-sent events: the same messages, resumed by the id of the last one."""

from __future__ import annotations

import asyncio

import pytest

from streamer.listener import Close
from streamer.rows import Role
from tests.backend import EVERYWHERE, backend, served
from tests.flow.listening import streaming


@pytest.fixture
async def back(data_dir):
    async with backend(data_dir) as opened:
        yield opened


@pytest.fixture
async def client(back, data_dir, aiohttp_client):
    return await aiohttp_client(served(back, data_dir).app)


async def test_a_snapshot_and_then_events_as_they_happen(back, client):
    asset = await back.planned()
    channel = f"asset:{asset.id}"
    async with streaming(client, "assets", channel) as stream:
        head = stream.response.headers
        assert head["Content-Type"] == "text/event-stream"
        assert head["Cache-Control"] == "no-cache, no-transform"
        assert head["X-Accel-Buffering"] == "no"
        library, own = await stream.next(), await stream.next()
        assert [item["id"] for item in library["snapshot"]["items"]] == [asset.id]
        assert (own["channel"], own["recovered"]) == (channel, False)
        assert own["snapshot"]["asset"]["title"] == "Film"
        await back.catalog.rename(asset.id, "New")
        told = [await stream.next(), await stream.next()]
        assert {event["channel"] for event in told} == {"assets", channel}
        assert {event["data"]["title"] for event in told} == {"New"}
        before = stream.id
        back.channels.hint(channel, "run.progress", {"frames": 5}, key="r")
        hint = await stream.next()
        assert "offset" not in hint
        assert stream.id == before


async def test_it_goes_on_behind_any_event(back, client):
    asset = await back.planned()
    channel = f"asset:{asset.id}"
    seen = []
    async with streaming(client, "assets", channel) as stream:
        await stream.next(), await stream.next()
        places = [stream.id]
        for number in range(4):
            await back.catalog.rename(asset.id, f"t{number}")
            for _ in range(2):
                event = await stream.next()
                seen.append((event["channel"], event["offset"]))
                places.append(stream.id)
    for count, place in enumerate(places):
        async with streaming(client, channel, "assets", last=place) as stream:  # in any order
            first = {message["channel"]: message for message in (await stream.next(), await stream.next())}
            assert {message["recovered"] for message in first.values()} == {True}
            again = [await stream.next() for _ in seen[count:]]
        assert sorted((event["channel"], event["offset"]) for event in again) == sorted(seen[count:])


async def test_a_place_may_be_given_in_the_query_and_a_lost_one_gets_a_snapshot(back, client):
    asset = await back.planned()
    async with streaming(client, "assets") as stream:
        place = await stream.next()
    await back.catalog.rename(asset.id, "New")
    cursor = f"assets~{place['epoch']}~{place['offset']}"
    async with streaming(client, "assets", cursor=cursor) as stream:
        assert (await stream.next())["recovered"]
        assert (await stream.next())["data"]["title"] == "New"
    async with streaming(client, "assets", cursor="assets~other~1") as stream:
        assert (await stream.next())["snapshot"]["items"][0]["title"] == "New"


@pytest.mark.parametrize("cursor", ["x", "assets~a", "assets~a~-1", "assets~a~1;", "~~,", "a" * 9000, "@"])
async def test_a_cursor_that_is_none_is_refused(client, cursor):
    for path in ("/control/sse", "/control/poll"):
        response = await client.get(path, params={"channel": "assets", "cursor": cursor})
        assert response.status == 400
        if len(cursor) < 8000:
            assert (await response.json())["type"].endswith("invalid-cursor")


@pytest.mark.parametrize(
    "channels", [[], [""], ["x" * 129], [f"asset:{number}" for number in range(65)]], ids=str
)
async def test_the_channels_are_bounded(client, channels):
    for path in ("/control/sse", "/control/poll"):
        response = await client.get(path, params=[("channel", channel) for channel in channels])
        assert response.status == 400


async def test_a_refused_channel_is_told_and_the_others_live(back, client):
    asset = await back.planned()
    async with streaming(client, "asset:zzzzzzzzzzzz", "assets") as stream:
        refused = await stream.next()
        assert (refused["type"], refused["code"]) == ("refused", Close.NOT_FOUND)
        assert (await stream.next())["type"] == "subscribed"
        await back.catalog.rename(asset.id, "New")
        assert (await stream.next())["data"]["title"] == "New"
        assert "zzzz" not in stream.id


async def test_the_library_is_for_whoever_sends_a_token(back, data_dir, aiohttp_client):
    client = await aiohttp_client(served(back, data_dir, host=EVERYWHERE).app)
    _, secret = await back.tokens.create(Role.VIEWER, "v")
    async with streaming(client, "assets") as stream:
        assert (await stream.next())["code"] == Close.FORBIDDEN
    async with streaming(client, "assets", headers={"Authorization": f"Bearer {secret}"}) as stream:
        assert (await stream.next())["type"] == "subscribed"


async def test_a_session_that_ends_is_told_before_and_ends_its_stream(back, data_dir, aiohttp_client):
    client = await aiohttp_client(served(back, data_dir, host=EVERYWHERE).app)
    token, _ = await back.tokens.create(Role.VIEWER, "v")
    session, secret = await back.tokens.open_session(token)
    headers = {"Authorization": f"Bearer {secret}"}
    back.clock.now = session.expires - 60_100
    async with streaming(client, "assets", headers=headers) as stream:
        assert (await stream.next())["type"] == "subscribed"
        assert await stream.next() == {"type": "token.expiring", "seconds": 60}
    back.clock.now = session.expires - 300
    async with streaming(client, "assets", headers=headers) as stream:
        told = [await stream.next() for _ in range(3)]
        assert {message["type"] for message in told} == {"subscribed", "token.expiring", "close"}
        assert told[-1]["code"] == Close.FORBIDDEN
        assert await stream.next() is None


async def test_a_silent_stream_gives_signs_of_life(back, data_dir, aiohttp_client):
    client = await aiohttp_client(served(back, data_dir, ping_seconds=0.05).app)
    asset = await back.planned()
    async with streaming(client, "assets") as stream:
        await stream.next()
        waiting = asyncio.create_task(stream.next())
        async with asyncio.timeout(10):
            while stream.comments < 2:
                await asyncio.sleep(0.01)
        await back.catalog.rename(asset.id, "New")
        assert (await waiting)["data"]["title"] == "New"


async def test_when_the_server_stops_clients_are_asked_to_come_back(back, data_dir, aiohttp_client):
    made = served(back, data_dir)
    client = await aiohttp_client(made.app)
    async with streaming(client, "assets") as stream:
        await stream.next()
        closing = asyncio.create_task(made.fallback.close())
        closed = await stream.next()
        assert (closed["type"], closed["code"]) == ("close", Close.SERVER_STOPS)
        assert 0 <= closed["delay_ms"] <= 5000
        assert await stream.next() is None
        await closing
    assert made.fallback.clients == 0


async def test_streams_are_bounded(back, data_dir, aiohttp_client):
    client = await aiohttp_client(served(back, data_dir, most=1).app)
    async with streaming(client, "assets") as stream:
        await stream.next()
        response = await client.get("/control/sse", params={"channel": "assets"})
        assert (response.status, response.headers["Retry-After"]) == (503, "5")


async def test_a_client_that_does_not_read_is_cut_off_and_delays_nobody(back, data_dir, aiohttp_client):
    made = served(back, data_dir, stall_seconds=0.5)
    client = await aiohttp_client(made.app)
    await back.planned()
    async with streaming(client, "assets") as stuck, streaming(client, "assets") as live:
        await stuck.next()
        await live.next()
        for start in range(0, 1000, 100):  # more than the buffers of both sides can take
            told = [{"n": n, "fill": "x" * 20_000} for n in range(start, start + 100)]
            await back.database.write(lambda t, told=told: back.channels.stage_all(t, "assets", "t", told))
            assert [(await live.next("t"))["data"]["n"] for _ in range(100)] == list(
                range(start, start + 100)
            )
        async with asyncio.timeout(10):
            while made.fallback.clients > 1:
                await asyncio.sleep(0.01)


async def test_who_falls_out_of_the_log_is_asked_to_come_back(back, client):
    await back.planned()
    async with streaming(client, "assets") as stream:
        await stream.next()
        told = [{"n": n} for n in range(1500)]
        await back.database.write(lambda t: back.channels.stage_all(t, "assets", "t", told))
        closed = await stream.next("close")
        assert closed["code"] == Close.FELL_BEHIND
        assert await stream.next() is None
