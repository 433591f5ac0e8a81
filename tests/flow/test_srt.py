"""Publishing over SRT: what arrives, which passphrase opens, and who comes after whom."""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import asynccontextmanager
from pathlib import Path

import imageio_ffmpeg
import pytest

from packager.process import Spawner
from streamer.ingest.srt import Line, SrtReceiver
from tests.encoder import SOON, Lobby
from tests.flow.test_remux import STREAM
from tests.ports import free_port
from tests.tagged import IN_STEP, Judged, pictures

RIGHT, OTHER = "the-right-passphrase", "another-passphrase"
FOREVER = ("-stream_loop", "-1")


@pytest.fixture
def port():
    return free_port(socket.SOCK_DGRAM)


@asynccontextmanager
async def receiving(lobby, lines):
    """Listen on these lines; the door knows streams by their names."""
    async with Spawner(Path(imageio_ffmpeg.get_ffmpeg_exe())) as spawner:

        async def told():
            return dict(lines)

        receiver = SrtReceiver(
            told, lobby.admit, spawner, host="127.0.0.1", look_seconds=0.05, pause_seconds=0.1
        )
        async with receiver:
            yield receiver


@pytest.fixture
def publish(spawn, clips):
    """Return what starts an ffmpeg that publishes the clip with a passphrase, again until it is let in."""

    async def start(port, passphrase, *before):
        url = f"srt://127.0.0.1:{port}?passphrase={passphrase}&pkt_size=1316"
        argv = (imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-loglevel", "error", "-re")
        return await spawn(*argv, *before, "-i", clips.make(STREAM), "-c", "copy", "-f", "mpegts", url)

    return start


@pytest.fixture
def admitted(publish):
    """Return what publishes until the door has been passed, for a listener that takes a moment."""

    async def start(lobby, port, passphrase, *before, count=1):
        async with asyncio.timeout(40):
            while True:
                child = await publish(port, passphrase, *before)
                entering = asyncio.create_task(lobby.entered("stream", count))
                ending = asyncio.create_task(child.process.wait())
                await asyncio.wait((entering, ending), return_when=asyncio.FIRST_COMPLETED)
                if entering.done() and entering.exception() is None:
                    ending.cancel()
                    return child, entering.result()
                entering.cancel()
                await asyncio.gather(entering, ending, return_exceptions=True)

    return start


async def test_access_units_arrive_whole_and_the_sound_is_in_step(admitted, port, tmp_path):
    lobby = Lobby("stream")
    async with receiving(lobby, {"stream": Line(port=port, passphrase=RIGHT)}):
        child, broadcast = await admitted(lobby, port, RIGHT)
        assert await child.wait() == 0, child.output
        async with asyncio.timeout(SOON):
            await broadcast.ended.wait()
    judged = Judged(broadcast.tags, tmp_path)
    numbers = [frame.number for frame in STREAM.frames]
    # The caller leaves at once behind its last packet: what is in its delay of 120 ms is lost.
    assert judged.numbers == numbers[: len(judged.numbers)]
    assert len(judged.numbers) > len(numbers) - 10
    assert len(pictures(broadcast.tags)) == len(judged.numbers)
    apart = judged.apart(STREAM)
    assert len(apart) >= 4
    assert max(map(abs, apart)) <= IN_STEP
    assert broadcast.publisher.protocol == "srt"


async def test_a_wrong_passphrase_is_refused_and_the_listener_stays(publish, admitted, port):
    lobby = Lobby("stream")
    async with receiving(lobby, {"stream": Line(port=port, passphrase=RIGHT)}):
        _, broadcast = await admitted(lobby, port, RIGHT, *FOREVER)
        await _.stop()
        await broadcast.ended.wait()
        wrong = await publish(port, OTHER)
        assert await wrong.wait() != 0
        assert len(lobby.broadcasts["stream"]) == 1
        child, _ = await admitted(lobby, port, RIGHT, *FOREVER, count=2)
        await child.stop()


async def test_a_killed_caller_ends_its_tags_and_the_next_one_comes_in(admitted, port):
    lobby = Lobby("stream")
    async with receiving(lobby, {"stream": Line(port=port, passphrase=RIGHT)}):
        child, broadcast = await admitted(lobby, port, RIGHT, *FOREVER)
        child.signal(signal.SIGKILL)
        async with asyncio.timeout(SOON):
            await broadcast.ended.wait()
        child, again = await admitted(lobby, port, RIGHT, count=2)
        await again.begun.wait()


async def test_another_passphrase_leaves_who_is_on_air_and_lets_nobody_else_in(admitted, publish, port):
    lobby, lines = Lobby("stream"), {"stream": Line(port=port, passphrase=RIGHT)}
    async with receiving(lobby, lines):
        child, broadcast = await admitted(lobby, port, RIGHT, *FOREVER)
        lines["stream"] = Line(port=port, passphrase=OTHER)
        had = len(broadcast.tags)
        async with asyncio.timeout(SOON):
            while len(broadcast.tags) < had + 50:
                await asyncio.sleep(0.05)
        await child.stop()
        await broadcast.ended.wait()
        child, _ = await admitted(lobby, port, OTHER, *FOREVER, count=2)
        await child.stop()
        former = await publish(port, RIGHT)
        assert await former.wait() != 0


async def test_a_server_that_stops_ends_its_callers(admitted, port):
    lobby = Lobby("stream")
    async with receiving(lobby, {"stream": Line(port=port, passphrase=RIGHT)}):
        child, broadcast = await admitted(lobby, port, RIGHT, *FOREVER)
        await broadcast.begun.wait()
    assert broadcast.ended.is_set()
    await child.wait(seconds=SOON)
