"""The control channel over sockets: protocol, resuming, hostile frames, slow consumers."""

from __future__ import annotations

import asyncio
import json
import random

import aiohttp
import pytest

from streamer.ledger import Stored
from streamer.listener import Close
from streamer.rows import Role
from tests.backend import EVERYWHERE, backend, served
from tests.flow.raw import Raw


@pytest.fixture
async def back(data_dir):
    async with backend(data_dir) as opened:
        yield opened


@pytest.fixture
async def client(back, data_dir, aiohttp_client):
    return await aiohttp_client(served(back, data_dir).app)


async def _subscribe(socket, channel, **place):
    await socket.send_json({"type": "subscribe", "channel": channel, **place})
    return await _next(socket, "subscribed")


async def _next(socket, kind=None):
    while True:
        told = await asyncio.wait_for(socket.receive_json(), 10)
        if kind is None or told["type"] == kind:
            return told


async def test_subscribe_then_events_as_they_happen(back, client):
    asset = await back.planned()
    async with client.ws_connect("/control") as socket:
        library = await _subscribe(socket, "assets")
        assert library["recovered"] is False
        assert [item["id"] for item in library["snapshot"]["items"]] == [asset.id]
        one = await _subscribe(socket, f"asset:{asset.id}")
        assert one["snapshot"]["asset"]["title"] == "Film"
        assert one["snapshot"]["segments"] == {"v360": 10, "a1": 10}
        assert one["snapshot"]["coverage"] == {}
        await back.ledger.add_segment(asset.id, "g1", Stored(rendition="v360", number=3, size=9))
        event = await _next(socket, "segment.stored")
        assert event["data"] == {"generation": "g1", "rendition": "v360", "number": 3, "size": 9}
        assert (event["epoch"], event["offset"]) == (one["epoch"], one["offset"] + 1)
        await back.catalog.rename(asset.id, "New")
        channels = {(await _next(socket, "asset.changed"))["channel"] for _ in range(2)}
        assert channels == {"assets", f"asset:{asset.id}"}
        await socket.send_json({"type": "unsubscribe", "channel": f"asset:{asset.id}"})
        await _next(socket, "unsubscribed")
        await back.catalog.rename(asset.id, "Newer")
        assert (await _next(socket))["channel"] == "assets"
        await socket.send_json({"type": "ping"})
        assert await _next(socket) == {"type": "pong"}


async def test_progress_is_hinted_without_an_offset_and_in_the_snapshot(back, client):
    asset = await back.planned()
    async with client.ws_connect("/control") as socket:
        await _subscribe(socket, f"asset:{asset.id}")
        back.channels.hint(f"asset:{asset.id}", "run.progress", {"frames": 5}, key="r")
        event = await _next(socket, "run.progress")
        assert "offset" not in event
        later = await _subscribe(socket, f"asset:{asset.id}")
        assert later["snapshot"]["progress"] == [{"type": "run.progress", "data": {"frames": 5}}]


async def test_resume_gets_what_was_missed_without_a_snapshot(back, client):
    asset = await back.planned()
    async with client.ws_connect("/control") as socket:
        place = await _subscribe(socket, "assets")
    for number in range(5):
        await back.catalog.rename(asset.id, f"t{number}")
    async with client.ws_connect("/control") as socket:
        again = await _subscribe(socket, "assets", epoch=place["epoch"], offset=place["offset"])
        assert again["recovered"] is True
        assert "snapshot" not in again
        titles = [(await _next(socket))["data"]["title"] for _ in range(5)]
    assert titles == [f"t{number}" for number in range(5)]


@pytest.mark.parametrize("place", [{"epoch": "other", "offset": 1}, {"offset": 1}, {"epoch": "x"}])
async def test_a_lost_place_gets_a_snapshot(back, client, place):
    await back.planned()
    async with client.ws_connect("/control") as socket:
        told = await _subscribe(socket, "assets", **place)
    assert told["recovered"] is False
    assert len(told["snapshot"]["items"]) == 1


@pytest.mark.parametrize(
    "channel", ["asset:zzzzzzzzzzzz", "nothing", "nothing:x", "asset:", "assets:x", "asset:'--"]
)
async def test_an_unknown_channel_is_refused_and_the_socket_lives(client, channel):
    async with client.ws_connect("/control") as socket:
        await socket.send_json({"type": "subscribe", "channel": channel})
        refused = await _next(socket)
        assert (refused["type"], refused["channel"], refused["code"]) == ("refused", channel, Close.NOT_FOUND)
        assert (await _subscribe(socket, "assets"))["recovered"] is False


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "{",
        "[]",
        "null",
        '{"type": "no"}',
        '{"type": "subscribe"}',
        '{"type": "subscribe", "channel": 1}',
        '{"type": "subscribe", "channel": "assets", "offset": "1"}',
        '{"type": "subscribe", "channel": "assets", "offset": true}',
        '{"type": "subscribe", "channel": "assets", "offset": 1.5}',
        '{"type": "subscribe", "channel": "assets", "epoch": 1}',
        json.dumps({"type": "subscribe", "channel": "x" * 129}),
        "[" * 60_000,
        b"binary",
    ],
)
async def test_a_bad_message_means_go_away(client, sent):
    async with client.ws_connect("/control") as socket:
        await (socket.send_bytes(sent) if isinstance(sent, bytes) else socket.send_str(sent))
        closed = await asyncio.wait_for(socket.receive(), 10)
        assert closed.type is aiohttp.WSMsgType.CLOSE
        assert closed.data == Close.BAD_MESSAGE


async def test_subscriptions_are_bounded(back, client):
    assets = [await back.catalog.create_asset(title=str(n)) for n in range(65)]
    async with client.ws_connect("/control") as socket:
        for asset in assets[:64]:
            await _subscribe(socket, f"asset:{asset.id}")
        await _subscribe(socket, f"asset:{assets[0].id}")
        await socket.send_json({"type": "subscribe", "channel": f"asset:{assets[64].id}"})
        assert (await socket.receive()).data == Close.BAD_MESSAGE


ORIGINS = ["null", "http://evil.example", "http://127.0.0.1.evil.example", "http://localhost:1", "", "ws://x"]


@pytest.mark.parametrize("origin", ORIGINS)
async def test_a_foreign_origin_gets_no_socket(client, origin):
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await client.ws_connect("/control", headers={"Origin": origin})
    assert caught.value.status == 403


async def test_the_own_origin_gets_one(client):
    async with client.ws_connect("/control", headers={"Origin": f"http://127.0.0.1:{client.port}"}) as socket:
        await _subscribe(socket, "assets")


async def test_beyond_loopback_the_library_is_for_viewers(back, data_dir, aiohttp_client):
    client = await aiohttp_client(served(back, data_dir, host=EVERYWHERE).app)
    asset = await back.planned()
    _, secret = await back.tokens.create(Role.VIEWER, "v")
    async with client.ws_connect("/control") as socket:
        await socket.send_json({"type": "subscribe", "channel": "assets"})
        assert (await _next(socket))["code"] == Close.FORBIDDEN
        await _subscribe(socket, f"asset:{asset.id}")
    async with client.ws_connect("/control", headers={"Authorization": f"Bearer {secret}"}) as socket:
        await _subscribe(socket, "assets")


async def test_when_the_server_stops_clients_are_asked_to_come_back(back, data_dir, aiohttp_client):
    made = served(back, data_dir)
    client = await aiohttp_client(made.app)
    async with client.ws_connect("/control") as socket:
        await _subscribe(socket, "assets")
        closing = asyncio.create_task(made.control.close())
        assert 0 <= (await _next(socket, "server.drain"))["delay_ms"] < 5000
        closed = await asyncio.wait_for(socket.receive(), 10)
        assert (closed.data, closed.extra) == (Close.SERVER_STOPS, "the server stops")
        await closing
    assert made.control.clients == 0


async def test_a_stop_waits_for_no_client_that_does_not_listen(back, data_dir, aiohttp_client):
    made = served(back, data_dir)
    client = await aiohttp_client(made.app)
    deaf = [await Raw.connect(client, receive_buffer=4096) for _ in range(3)]
    async with asyncio.timeout(5):
        await made.control.close()
    assert made.control.clients == 0
    for one in deaf:
        await one.close()


async def test_clients_come_back_at_different_times(back, data_dir, aiohttp_client):
    made = served(back, data_dir)
    client = await aiohttp_client(made.app)
    sockets = [await client.ws_connect("/control") for _ in range(8)]
    closing = asyncio.create_task(made.control.close())
    delays = [(await _next(socket, "server.drain"))["delay_ms"] for socket in sockets]
    assert len(set(delays)) > 1
    for socket in sockets:
        await socket.receive()
    await closing


async def test_a_client_too_many_is_told_to_try_later(back, data_dir, aiohttp_client):
    client = await aiohttp_client(served(back, data_dir, most=1).app)
    async with client.ws_connect("/control") as socket:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await client.ws_connect("/control")
        assert caught.value.status == 503
        assert caught.value.headers["Retry-After"] == "5"
        await _subscribe(socket, "assets")


@pytest.mark.parametrize("seed", range(4))
async def test_reconnecting_at_random_loses_and_repeats_nothing(back, client, seed):
    rng = random.Random(seed)
    asset = await back.planned(segments=400)
    channel = f"asset:{asset.id}"
    async with client.ws_connect("/control") as socket:
        start = await _subscribe(socket, channel)
    total = 120

    async def publish():
        numbers = list(range(total))
        while numbers:
            share = [numbers.pop(0) for _ in range(min(len(numbers), rng.randint(1, 6)))]
            await back.ledger.add_segments(
                asset.id, "g1", [Stored(rendition="v360", number=n, size=1) for n in share]
            )
            back.channels.hint(channel, "run.progress", {"n": share[-1]}, key="r")

    async def follow(pace):
        offset, numbers = start["offset"], []
        while len(numbers) < total:
            async with client.ws_connect("/control") as socket:
                told = await _subscribe(socket, channel, epoch=start["epoch"], offset=offset)
                assert told["recovered"]
                for _ in range(pace.randint(1, 30)):
                    event = await _next(socket)
                    if "offset" in event:
                        assert event["offset"] == offset + 1
                        offset = event["offset"]
                        numbers.append(event["data"]["number"])
                    if len(numbers) == total:
                        break
        return numbers

    followers = [asyncio.create_task(follow(random.Random(seed * 10 + n))) for n in range(3)]
    await publish()
    for follower in followers:
        assert await asyncio.wait_for(follower, 30) == list(range(total))


SUBSCRIBE = b'{"type":"subscribe","channel":"assets"}'


async def test_who_does_not_answer_pings_is_closed(back, data_dir, aiohttp_client):
    made = served(back, data_dir, ping_seconds=0.05)
    client = await aiohttp_client(made.app)
    silent = await Raw.connect(client)
    async with client.ws_connect("/control", autoping=False) as lively:
        for _ in range(6):
            ping = await asyncio.wait_for(lively.receive(), 10)
            assert ping.type is aiohttp.WSMsgType.PING
            await lively.pong(ping.data)
    assert await silent.close_code() == Close.SILENT
    await silent.close()


async def test_clients_that_stop_reading_are_let_go_and_delay_nobody(back, data_dir, aiohttp_client):
    made = served(back, data_dir, stall_seconds=0.3)
    client = await aiohttp_client(made.app)
    stuck = [await Raw.connect(client, receive_buffer=4096) for _ in range(20)]
    lively = [await client.ws_connect("/control", autoping=True) for _ in range(20)]
    for one in stuck:
        await one.frame(0x81, SUBSCRIBE)
    for socket in lively:
        await _subscribe(socket, "assets")
    sent = 0
    async with asyncio.timeout(20):
        while made.control.clients > 20:
            await back.channels.publish("assets", "t", "x" * 20_000)
            sent += 1
            for socket in lively:
                assert (await _next(socket, "t"))["offset"] == sent
    assert made.control.clients == 20
    for socket in lively:
        await socket.close()
    for one in stuck:
        await one.close()


async def _held_up(back, client):
    """Return a client that does not read, and has been sent more than it may leave."""
    stuck = await Raw.connect(client, receive_buffer=4096)
    await stuck.frame(0x81, SUBSCRIBE)
    assert (await stuck.receive())[0] == 1
    for _ in range(60):
        await back.channels.publish("assets", "t", "x" * 20_000)
    return stuck


async def test_numbered_events_that_overflow_ask_the_client_to_come_back(back, data_dir, aiohttp_client):
    client = await aiohttp_client(served(back, data_dir, stall_seconds=0).app)
    stuck = await _held_up(back, client)  # it has two seconds to hear why
    assert await stuck.close_code() == Close.FELL_BEHIND
    await stuck.close()


async def test_hints_that_cannot_be_sent_are_replaced(back, client):
    stuck = await _held_up(back, client)
    for count in range(1000):
        back.channels.hint("assets", "viewers", {"count": count})
    await back.channels.publish("assets", "last", None)
    seen, counts = [], []
    while "last" not in seen or not counts:
        told = json.loads((await asyncio.wait_for(stuck.receive(), 10))[1] or "{}")
        seen.append(told.get("type"))
        if told.get("type") == "viewers":
            counts.append(told["data"]["count"])
    assert seen.count("t") == 60
    assert counts == [999]
    await stuck.close()


async def test_a_long_replay_is_paced_not_cut(back, data_dir, aiohttp_client):
    client = await aiohttp_client(served(back, data_dir, stall_seconds=5).app)
    async with client.ws_connect("/control") as socket:
        place = await _subscribe(socket, "assets")
    for start in range(0, 900, 100):
        told = [{"n": n, "fill": "x" * 5000} for n in range(start, start + 100)]
        await back.database.write(lambda t, told=told: back.channels.stage_all(t, "assets", "t", told))
    async with client.ws_connect("/control") as socket:
        again = await _subscribe(socket, "assets", epoch=place["epoch"], offset=place["offset"])
        assert again["recovered"]
        assert [(await _next(socket, "t"))["data"]["n"] for _ in range(900)] == list(range(900))
