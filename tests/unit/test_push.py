"""Frames sent on as they are encoded: from the last keyframe on, to everybody, held up by nobody."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from fractions import Fraction

import aiohttp
import pytest
from aiohttp import web

from packager.cutter import Cutter, Sample
from streamer.live.push import Push
from streamer.live.viewers import ChunkedViewer, SocketViewer
from tests.unit.test_life import lived

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
LIFE = lived(Fraction(25))
TIMES = aiohttp.ClientWSTimeout(ws_receive=10, ws_close=5)
INITS = {"360p": b"\0\0\0\x08free", "audio-0": b"\0\0\0\x08free"}


def frame(number: int, size: int = 20) -> Sample:
    return Sample(time=number * 1000, duration=1000, sync=number % 25 == 0, data=bytes(size))


@pytest.fixture
async def push():
    made = Push(most=3)
    made.begin(LIFE, INITS)
    return made


@pytest.fixture
async def site(push, aiohttp_client):
    async def watch(request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if not (push.room and push.knows(name)):
            return web.Response(status=503)
        if "Upgrade" in request.headers:
            return await SocketViewer().serve(request, push, name)
        return await ChunkedViewer().serve(request, push, name, head=HEAD)

    app = web.Application()
    app.router.add_get("/{name}", watch)
    return await aiohttp_client(app)


async def joined(push: Push, count: int) -> None:
    async with asyncio.timeout(5):
        while push.viewers < count:
            await asyncio.sleep(0.001)


def times(body: bytes) -> list[int]:
    cut = Cutter()
    cut._default = (0, 0, 0)
    return [sample.time // 1000 for sample in cut.feed(body)]


async def test_a_viewer_begins_with_the_last_keyframe_and_gets_all_that_follows(push, site):
    for number in range(40):
        push.sample("360p", frame(number))
    asking = asyncio.create_task(site.get("/360p"))
    await joined(push, 1)
    for number in range(40, 60):
        push.sample("360p", frame(number))
    push.over()
    body = await (await asking).read()
    assert times(body) == list(range(25, 60))
    assert body.startswith(INITS["360p"])
    assert push.viewers == 0


async def test_each_frame_comes_by_itself_and_at_once(push, site):
    response = await site.get("/360p")
    for number in range(3):
        push.sample("360p", frame(number))
        chunk, _ = await asyncio.wait_for(response.content.readchunk(), 2)
        if chunk == INITS["360p"]:
            chunk, _ = await asyncio.wait_for(response.content.readchunk(), 2)
        assert times(chunk) == [number]
    push.over()


async def test_the_encoders_priming_is_not_heard(push, site):
    for number in range(-1, 3):
        push.sample("audio-0", Sample(time=number * 1024, duration=1000, sync=True, data=b"x"))
    asking = asyncio.create_task(site.get("/audio-0"))
    await joined(push, 1)
    push.over()
    cut = Cutter()
    cut._default = (0, 0, 0)
    heard = [(one.time, one.duration) for one in cut.feed(await (await asking).read())]
    assert heard == [(0, 1024), (1024, 1024), (2048, 1024)]


async def test_who_reads_too_slowly_is_cut_off_and_nobody_else_waits(push, site):
    slow = await site.get("/360p")
    quick = await site.get("/360p")
    await joined(push, 2)
    got = 0
    for number in range(40):
        push.sample("360p", frame(number, size=1 << 20))
        got += len(await quick.content.readexactly(1 << 20))
    assert got == 40 << 20
    assert push.viewers == 1
    push.over()
    with pytest.raises(aiohttp.ClientPayloadError):
        await slow.read()


async def test_who_leaves_is_forgotten_with_the_next_frame(push, site):
    response = await site.get("/360p")
    await joined(push, 1)
    response.close()
    async with asyncio.timeout(5):
        number = 0
        while push.viewers:
            push.sample("360p", frame(number))
            number += 1
            await asyncio.sleep(0.001)


async def test_only_so_many_may_watch_and_only_what_there_is(push, site):
    for _ in range(3):
        await site.get("/360p")
    await joined(push, 3)
    assert (await site.get("/audio-0")).status == 503
    assert (await site.get("/1080p")).status == 503
    push.over()


async def test_a_new_life_ends_the_answers_of_the_one_before(push, site):
    asking = asyncio.create_task(site.get("/360p"))
    await joined(push, 1)
    push.begin(LIFE, INITS)
    await (await asking).read()
    assert push.viewers == 0


async def test_pictures_keep_their_order_of_decoding(push, site):
    for number, offset in enumerate((0, 2, -1, -1)):
        time = (number + offset) * 1000
        push.sample("360p", replace(frame(number), time=time, offset=offset * 1000))
    asking = asyncio.create_task(site.get("/360p"))
    await joined(push, 1)
    push.over()
    response = await asking
    assert times(await response.read()) == [0, 3, 1, 2]


# Over a WebSocket.


async def test_both_ways_carry_the_same_and_the_end_closes_a_socket(push, site):
    for number in range(40):
        push.sample("360p", frame(number))
    asking = asyncio.create_task(site.get("/360p"))
    async with site.ws_connect("/360p", timeout=TIMES) as socket:
        await joined(push, 2)
        push.sample("360p", frame(40, size=70_000))
        push.over()
        messages = [message.data async for message in socket]
        assert socket.close_code == 1000
    assert messages[0] == INITS["360p"]
    assert [times(message) for message in messages[1:]] == [[number] for number in range(25, 41)]
    assert b"".join(messages) == await (await asking).read()
    assert push.viewers == 0


async def test_a_socket_that_reads_too_slowly_is_cut_off_and_nobody_else_waits(push, site):
    slow = await site.ws_connect("/360p", max_msg_size=0, timeout=TIMES)
    quick = await site.ws_connect("/360p", max_msg_size=0, timeout=TIMES)
    await joined(push, 2)
    assert (await quick.receive()).data == INITS["360p"]
    for number in range(40):
        push.sample("360p", frame(number, size=1 << 20))
        assert times((await quick.receive()).data) == [number]
    assert push.viewers == 1
    push.over()
    read = [message.data async for message in slow]
    assert len(read) < 40
    assert slow.close_code != 1000
    await quick.close()


async def test_a_socket_that_is_closed_is_forgotten_at_once(push, site):
    socket = await site.ws_connect("/360p")
    await joined(push, 1)
    await socket.close()
    async with asyncio.timeout(5):
        while push.viewers:
            await asyncio.sleep(0.001)
