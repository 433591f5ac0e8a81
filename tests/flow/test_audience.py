"""Viewers tell that they are there and how it goes, over a socket and by POST."""

from __future__ import annotations

import asyncio

import pytest

from streamer.listener import Close
from tests.backend import backend, served

BEACON = {"st": "v", "sta": "p", "bl": 9000, "br": 1200}


@pytest.fixture
async def back(data_dir):
    async with backend(data_dir) as opened:
        yield opened


@pytest.fixture
async def made(back, data_dir):
    return served(back, data_dir)


@pytest.fixture
async def client(made, aiohttp_client):
    return await aiohttp_client(made.app)


@pytest.fixture
async def channel(back):
    return f"asset:{(await back.planned()).id}"


async def _next(socket, kind):
    while (told := await socket.receive_json(timeout=10))["type"] != kind:
        pass
    return told


async def _answered(socket):
    """Wait until all that was sent before has been heard."""
    await socket.send_json({"type": "ping"})
    await _next(socket, "pong")


async def test_viewers_are_counted_over_both_ways_until_they_leave(made, client, channel):
    told = {"channel": channel, "client": "1234-5678"}
    async with client.ws_connect("/control") as socket:
        await socket.send_json({"type": "subscribe", "channel": channel})
        async with client.ws_connect("/control") as other:
            for one in (other, socket):
                await one.send_json({"type": "subscribe", "channel": channel})
                await one.send_json({"type": "presence", "channel": channel})
                await _answered(one)
            assert (await client.post("/control/presence", json=told)).status == 204
            made.presence.round()
            event = await _next(socket, "viewers")
            assert (event["channel"], event["data"]) == (channel, {"count": 3})
            assert "offset" not in event
            await other.send_json({"type": "unsubscribe", "channel": channel})
            await _next(other, "unsubscribed")
        made.presence.round()
        assert (await _next(socket, "viewers"))["data"] == {"count": 2}
    async with asyncio.timeout(5):
        while made.control.clients:
            await asyncio.sleep(0.01)
    assert made.presence.viewers == 1


async def test_whoever_does_not_listen_is_not_counted_over_a_socket(made, client, channel):
    async with client.ws_connect("/control") as socket:
        await socket.send_json({"type": "presence", "channel": channel})
        await _answered(socket)
    assert made.presence.viewers == 0


async def test_beacons_are_added_up_over_both_ways(made, client, channel):
    async with client.ws_connect("/control") as socket:
        await socket.send_json({"type": "beacon", "channel": channel, "cmcd": BEACON})
        await _answered(socket)
    body = {"channel": channel, "client": "1234-5678", "cmcd": BEACON}
    assert (await client.post("/control/beacon", json=body)).status == 204
    assert 'streamer_playback_beacons_total{stream="vod"} 2' in made.metrics.text()


async def test_a_beacon_that_is_none_means_go_away(client, channel):
    async with client.ws_connect("/control") as socket:
        await socket.send_json({"type": "beacon", "channel": channel, "cmcd": []})
        assert (await socket.receive(timeout=10)).data == Close.BAD_MESSAGE


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"channel": "asset:zzzzzzzzzzzz"}, 404),
        ({"channel": "assets"}, 400),
        ({"channel": None}, 400),
        ({"client": "short"}, 400),
        ({"client": "x" * 65}, 400),
        ({"client": "no spaces here"}, 400),
        ({"more": "x" * 5000}, 413),
    ],
)
async def test_a_presence_that_is_none_is_refused(client, channel, change, status):
    body = {"channel": channel, "client": "1234-5678"} | change
    async with client.post("/control/presence", json=body) as answer:
        assert answer.status == status
        assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize("path", ["/control/presence", "/control/beacon"])
async def test_another_site_may_tell_nothing(client, channel, path):
    body = {"channel": channel, "client": "1234-5678", "cmcd": BEACON}
    async with client.post(path, json=body, headers={"Origin": "http://evil.example"}) as answer:
        assert answer.status == 403
