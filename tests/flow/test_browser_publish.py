"""Publishing over the WebSocket: what arrives, who is refused, and how either side ends it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import imageio_ffmpeg
import pytest
from aiohttp import web

from packager.process import Spawner
from streamer.ingest.browser import PATH, BrowserReceiver, Limits
from streamer.ingest.door import Ending
from streamer.ingest.places import Places
from streamer.listener import Close
from tests.encoder import SOON, Lobby
from tests.flow.test_remux import BROWSER
from tests.tagged import IN_STEP, Judged


@asynccontextmanager
async def receiving(door, *, receiver=None, more=(), **options):
    """Serve the WebSocket and yield a client of it."""
    async with Spawner(Path(imageio_ffmpeg.get_ffmpeg_exe())) as spawner:
        receiver = receiver or BrowserReceiver(door, spawner, **options)
        app = web.Application()
        app.add_routes([*receiver.routes(), *more])
        app.on_shutdown.append(lambda _: receiver.close())
        # Not aiohttp's test server: it cancels handlers when the client leaves, which the product does not.
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as client:
                yield client
        finally:
            await runner.cleanup()


async def said(socket):
    """Return the next JSON message."""
    async with asyncio.timeout(SOON):
        return await socket.receive_json()


async def closed(socket):
    """Wait for the end; return its code and the last words before."""
    words = {}
    async with asyncio.timeout(SOON):
        async for message in socket:
            words = message.json()
    return socket.close_code, words


@asynccontextmanager
async def publishing(client, key="KEY"):
    async with client.ws_connect(PATH) as socket:
        await socket.send_json({"type": "publish", "key": key})
        assert await said(socket) == {"type": "admitted"}
        yield socket


async def test_every_access_unit_arrives_and_the_sound_is_in_step(clips, tmp_path):
    lobby = Lobby("KEY")
    body = clips.make(BROWSER).read_bytes()
    async with receiving(lobby) as client, publishing(client) as socket:
        for at in range(0, len(body), 10_000):
            await socket.send_bytes(body[at : at + 10_000])
        await socket.close()
        broadcast = await lobby.entered("KEY")
        await broadcast.ended.wait()
    judged = Judged(broadcast.tags, tmp_path)
    assert judged.numbers == [frame.number for frame in BROWSER.frames]
    assert max(map(abs, judged.apart(BROWSER))) <= IN_STEP
    assert broadcast.publisher.protocol == "websocket"


async def test_a_wrong_key_is_refused():
    async with receiving(Lobby("KEY")) as client, client.ws_connect(PATH) as socket:
        await socket.send_json({"type": "publish", "key": "WRONG"})
        code, words = await closed(socket)
    assert words == {"type": "refused", "reason": "This stream key is not known here."}
    assert code == Close.FORBIDDEN


@pytest.mark.parametrize(
    "hello", ["no JSON", "[]", '{"type": "publish"}', '{"key": "KEY"}', " " * 5000, b"bytes", "[" * 3000]
)
async def test_who_does_not_begin_with_a_key_is_refused(hello):
    async with receiving(Lobby("KEY")) as client, client.ws_connect(PATH) as socket:
        await (socket.send_str if isinstance(hello, str) else socket.send_bytes)(hello)
        code, words = await closed(socket)
    assert (code, words["type"]) == (Close.BAD_MESSAGE, "refused")


async def test_who_says_nothing_is_sent_away():
    limits = Limits(hello_seconds=0.1)
    async with receiving(Lobby("KEY"), limits=limits) as client, client.ws_connect(PATH) as socket:
        assert (await closed(socket))[0] == Close.BAD_MESSAGE


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        (Ending.TAKEN_OVER, Close.TAKEN_OVER),
        (Ending.ENDED, Close.ENDED),
        (Ending.STOPPING, Close.SERVER_STOPS),
    ],
)
async def test_why_the_server_ends_it_is_told(clips, ending, code):
    lobby = Lobby("KEY")
    body = clips.make(BROWSER).read_bytes()
    async with receiving(lobby) as client, publishing(client) as socket:
        await socket.send_bytes(body[: len(body) // 2])
        broadcast = await lobby.entered("KEY")
        await broadcast.begun.wait()
        broadcast.publisher.close(ending)
        got, words = await closed(socket)
        await broadcast.ended.wait()
    assert (got, words["type"]) == (code, "ended")


async def test_a_publisher_that_vanishes_ends_its_tags(clips):
    lobby = Lobby("KEY")
    body = clips.make(BROWSER).read_bytes()
    async with receiving(lobby) as client, publishing(client) as socket:
        await socket.send_bytes(body[: len(body) // 2])
        broadcast = await lobby.entered("KEY")
        await broadcast.begun.wait()
        socket._response.connection.transport.abort()
        async with asyncio.timeout(SOON):
            await broadcast.ended.wait()


async def test_who_sends_nothing_any_more_is_ended():
    lobby = Lobby("KEY")
    limits = Limits(idle_seconds=0.1)
    async with receiving(lobby, limits=limits) as client, publishing(client) as socket:
        assert (await closed(socket))[0] == Close.SILENT


async def test_noise_is_refused_as_media():
    async with receiving(Lobby("KEY")) as client, publishing(client) as socket:
        for _ in range(5):
            await socket.send_bytes(bytes(range(256)) * 256)
        code, words = await closed(socket)
    assert (code, words["reason"]) == (Close.BAD_MEDIA, "What is sent is no WebM with a picture.")


async def test_a_message_that_is_too_large_and_too_much_at_once_end_it():
    limits = Limits(message_bytes=100_000, bytes_a_second=1, saved_bytes=150_000)
    async with receiving(Lobby("KEY"), limits=limits) as client:
        async with publishing(client) as socket:
            await socket.send_bytes(bytes(100_001))
            assert (await closed(socket))[0] == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
        async with publishing(client) as socket:
            for _ in range(2):
                await socket.send_bytes(bytes(99_999))
            assert (await closed(socket))[0] == Close.BAD_MESSAGE


async def test_there_are_only_so_many_places():
    async with (
        receiving(Lobby("KEY"), places=Places(most=1)) as client,
        publishing(client),
        client.ws_connect(PATH) as second,
    ):
        assert (await closed(second))[0] == Close.BUSY


async def test_a_server_that_stops_says_so(clips):
    lobby, stopped = Lobby("KEY"), None
    async with Spawner(Path(imageio_ffmpeg.get_ffmpeg_exe())) as spawner:
        receiver = BrowserReceiver(lobby, spawner)
        async with receiving(lobby, receiver=receiver) as client, publishing(client) as socket:
            await receiver.close()
            stopped = await closed(socket)
    assert stopped == (
        Close.SERVER_STOPS,
        {"type": "ended", "reason": "The server stops; come back in a moment."},
    )
