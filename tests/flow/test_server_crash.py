"""The whole server as a program: killed, with a failing disk, told to stop: nothing is lost or broken."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import imageio_ffmpeg
import pytest

from streamer.listener import Close
from tests.flow.whole_site import API, FILM, Client, faults, noted, processes, rows, settle, stored
from tests.spawn import Child

HERE = Path(__file__).resolve().parents[2]
SERVE = [sys.executable, "-m", "streamer", "serve", "--port", "0", "--data"]
needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


class Remote(Client):
    """A server in a process of its own, and a client of it."""

    def __init__(self, session: aiohttp.ClientSession, base: str, child: Child) -> None:
        super().__init__(session, base)
        self.child = child

    async def kill(self) -> None:
        """Kill the server process alone; whatever it has started has to notice by itself."""
        os.kill(self.child.pid, signal.SIGKILL)
        await self.child.process.wait()


@pytest.fixture(scope="module")
def film(clips) -> Path:
    return clips.make(FILM)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an FFmpeg under a name of its own, so that its processes can be told from others."""
    return Path(shutil.copy2(imageio_ffmpeg.get_ffmpeg_exe(), tmp_path_factory.mktemp("program") / "ffmpeg"))


@pytest.fixture
async def start(spawn, program) -> AsyncIterator[Callable]:
    async with aiohttp.ClientSession() as session:

        async def begin(data: Path) -> Remote:
            env = {
                "STREAMER_ENCODE_SLOTS": "1",
                "STREAMER_ENCODE_PRESET": "medium",
                "STREAMER_ENCODE_COPY": "false",
                "STREAMER_FFMPEG": str(program),
                "STREAMER_DISK_RESERVE_BYTES": "0",
            }
            child = await spawn(*SERVE, data, env=env, cwd=HERE)
            line = await child.says("http://", seconds=60)
            return Remote(session, line[line.index("http://") :].strip(), child)

        yield begin


async def hammer(remote: Remote, asset: str, dice: random.Random, seen: dict[str, set[bytes]]) -> None:
    """Ask for segments in any order and note every body, until the server is gone."""
    with contextlib.suppress(aiohttp.ClientError, ConnectionError):
        await remote.until(asset, "playable", "complete")
        paths = [path for found in (await remote.urls(asset)).values() for path in found]
        while True:
            path = dice.choice(paths)
            status, headers, body = await remote.ask("GET", path)
            assert status == 200, (path, status, body)
            assert len(body) == int(headers["Content-Length"])
            seen.setdefault(path, set()).add(body)


async def survive(start, film: Path, program: Path, data: Path, seed: int) -> None:
    """Let a server die while it encodes, and another one finish what it had begun."""
    dice = random.Random(seed)
    remote = await start(data)
    asset = (await remote.post(film))["id"]
    seen: dict[str, set[bytes]] = {}
    clients = [asyncio.create_task(hammer(remote, asset, dice, seen)) for _ in range(seed % 3)]
    await asyncio.sleep(dice.uniform(0, 4))  # the moment is the seed's
    await remote.kill()
    await asyncio.gather(*clients)
    await settle(lambda: not processes(program), seconds=5)
    kept = {path: path.stat().st_mtime_ns for path in (data / "media").rglob("*.m4s")}

    again = await start(data)
    clients = [asyncio.create_task(hammer(again, asset, dice, seen)) for _ in range(seed % 3)]
    await again.until(asset, "complete")
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    final = await again.bodies(asset)
    assert await faults(again, data, asset) == []
    assert stored(data, asset) == noted(data, asset)
    assert rows(data, "SELECT id FROM run WHERE state IN ('running', 'queued')") == []
    assert not list((data / "media" / ".tmp").iterdir())
    assert not list((data / "indexes").glob("*.tmp"))
    for task in clients:
        task.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    assert {path: {final[path]} for path in seen} == seen
    assert await again.child.stop() == 0
    assert not processes(program)


@pytest.mark.parametrize("seed", range(2))
async def test_killed_while_it_encodes_the_server_goes_on(start, film, program, data_dir, seed):
    await survive(start, film, program, data_dir, seed)


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_fifty_kills(start, film, program, tmp_path):
    for seed in range(100, 150):
        data = tmp_path / str(seed)
        await survive(start, film, program, data, seed)
        shutil.rmtree(data)


@needs_strace
async def test_while_the_disk_cannot_sync_no_segment_appears(start, spawn, film, data_dir):
    remote = await start(data_dir)
    length = film.stat().st_size
    upload, asset = await remote.create(length)
    assert await remote.patch(upload, 0, film.read_bytes()[:-1]) == 204
    fault = ("-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO")
    tracer = await spawn("strace", "-f", "-o", data_dir / "trace", *fault, "-p", str(remote.child.pid))
    await tracer.says("attached")
    assert await remote.patch(upload, length - 1, film.read_bytes()[-1:]) >= 500  # not on the disk: not taken
    assert stored(data_dir, asset) == {}
    assert (await remote.asset(asset))["state"] == "uploading"
    tracer.signal(signal.SIGINT)
    await tracer.wait()

    assert await remote.patch(upload, length - 1, film.read_bytes()[-1:]) == 204
    await remote.until(asset, "playable")
    tracer = await spawn("strace", "-f", "-o", data_dir / "trace", *fault, "-p", str(remote.child.pid))
    await tracer.says("attached")
    before = stored(data_dir, asset)
    # What was written before the fault may still come to its name; then nothing does.
    await settle(lambda: "fdatasync" in (data_dir / "trace").read_text())
    await settle(lambda: "asset " + asset + " failed" in remote.child.output)
    during = stored(data_dir, asset)
    assert len(during) <= len(before) + 4
    shown = await remote.asset(asset)
    assert all(rung["done"] <= len(during) for rung in shown["rungs"])
    assert set(noted(data_dir, asset)) <= set(during)
    tracer.signal(signal.SIGINT)
    await tracer.wait()

    failed = await remote.until(asset, "failed")
    assert "disk" in failed["failure"]["message"]
    assert stored(data_dir, asset) == during
    await remote.json("POST", f"{API}/{asset}/retry", status=202)
    await remote.until(asset, "complete")
    assert await faults(remote, data_dir, asset) == []
    assert stored(data_dir, asset) == noted(data_dir, asset)
    assert await remote.child.stop() == 0


async def test_told_to_stop_it_says_come_back_and_ends_in_time(start, film, program, data_dir):
    remote = await start(data_dir)
    async with remote.session.ws_connect(f"{remote.base}/control") as control:
        await control.send_json({"type": "subscribe", "channel": "assets"})
        asset = (await remote.post(film))["id"]
        await remote.until(asset, "playable")
        held = asyncio.create_task(remote.ask("GET", (await remote.urls(asset))["180p"][-1]))
        began = asyncio.get_running_loop().time()
        remote.child.process.send_signal(signal.SIGTERM)
        async for message in control:
            assert message.type is aiohttp.WSMsgType.TEXT
        assert control.close_code == Close.SERVER_STOPS
        assert await remote.child.wait(seconds=10) == 0
        assert asyncio.get_running_loop().time() - began < 10
    with contextlib.suppress(aiohttp.ClientError):
        assert (await held)[0] == 200
    assert not processes(program)
    again = await start(data_dir)
    await again.until(asset, "complete")
    assert await faults(again, data_dir, asset) == []
    assert await again.child.stop() == 0


async def test_a_port_that_is_taken_is_one_clear_line(spawn, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        child = await spawn(*SERVE[:-2], port, "--data", tmp_path / "data", cwd=HERE)
        assert await child.wait() == 1
    assert child.output.splitlines() == [
        f"error: port {port} on 127.0.0.1 is in use; choose another with --port, or --port 0 for any free one"
    ]
    assert not (tmp_path / "data").exists()


async def test_a_data_directory_in_use_is_one_clear_line(start, spawn, data_dir):
    await start(data_dir)
    child = await spawn(*SERVE, data_dir, cwd=HERE)
    assert await child.wait() == 1
    assert "another streamer is running" in child.output
    assert len(child.output.splitlines()) == 1
