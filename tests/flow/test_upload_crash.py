"""What is acknowledged is kept: servers killed at any moment, disks that fail, disks that fill up."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

from tests.spawn import Child

MIB = 1 << 20
BODY = "application/offset+octet-stream"
HERE = Path(__file__).resolve().parents[2]
SITE = [sys.executable, "-m", "tests.flow.upload_site"]
needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


class Remote:
    """A site in a process of its own, and a client of it."""

    def __init__(self, child: Child, port: int, session: aiohttp.ClientSession) -> None:
        self.child = child
        self.port = port
        self._session = session

    async def ask(self, method: str, path: str, *, data=None, **headers: str) -> tuple[int, dict[str, str]]:
        sent = {"Tus-Resumable": "1.0.0", **{k.replace("_", "-"): v for k, v in headers.items()}}
        url = f"http://127.0.0.1:{self.port}{path}"
        async with self._session.request(method, url, data=data, headers=sent) as response:
            await response.read()
            return response.status, dict(response.headers)

    async def create(self, length: int) -> str:
        status, headers = await self.ask("POST", "/api/v1/uploads", Upload_Length=str(length))
        assert status == 201
        return headers["Location"]

    async def patch(self, url: str, offset: int, data) -> tuple[int, dict[str, str]]:
        return await self.ask("PATCH", url, data=data, Upload_Offset=str(offset), Content_Type=BODY)

    async def offset(self, url: str) -> int:
        status, headers = await self.ask("HEAD", url)
        assert status == 200
        return int(headers["Upload-Offset"])


@pytest.fixture
async def start(spawn, tmp_path: Path) -> AsyncIterator[Callable]:
    async with aiohttp.ClientSession() as session:

        async def begin(
            *, root: Path = tmp_path / "inbox", before: tuple[str, ...] = (), **options
        ) -> Remote:
            child = await spawn(*before, *SITE, root, json.dumps(options), cwd=HERE)
            port = int((await child.says("port")).split()[1])
            return Remote(child, port, session)

        yield begin


async def pieces(body: bytes, pause: float) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 65536):
        yield body[start : start + 65536]
        await asyncio.sleep(pause)


async def send(remote: Remote, url: str, body: bytes, dice: random.Random, acknowledged: list[int]) -> None:
    """Send the rest of the body in PATCHes of random sizes until the server is gone."""
    while acknowledged[-1] < len(body):
        offset = acknowledged[-1]
        piece = body[offset : offset + dice.choice([1, 70_000, 3 * MIB, 9 * MIB])]
        status, headers = await remote.patch(url, offset, pieces(piece, dice.choice([0, 0.001])))
        assert status == 204
        acknowledged.append(int(headers["Upload-Offset"]))


async def survive(start, seed: int, *, before: tuple[str, ...] = (), root: Path) -> None:
    """Let a server die during an upload, start another, and finish the upload there."""
    dice = random.Random(seed)
    body = dice.randbytes(12 * MIB)
    remote = await start(root=root, before=before)
    acknowledged = [0]
    url = ""
    with contextlib.suppress(aiohttp.ClientError, ConnectionError):
        url = await remote.create(len(body))
        sending = asyncio.create_task(send(remote, url, body, dice, acknowledged))
        # strace counts calls for each thread by itself, so its kill may not come: then this one does.
        await asyncio.wait((sending,), timeout=10 if before else dice.uniform(0, 0.4))
        remote.child.signal(signal.SIGKILL)
        await sending
    remote.child.signal(signal.SIGKILL)
    await remote.child.wait()
    again = await start(root=root)
    if url:
        identity = url.rpartition("/")[2]
        offset = await again.offset(url)
        assert acknowledged[-1] <= offset <= (root / identity).stat().st_size
        if offset < len(body):
            status, _ = await again.patch(url, offset, pieces(body[offset:], 0))
            assert status == 204
        assert hashlib.sha256((root / identity).read_bytes()).digest() == hashlib.sha256(body).digest()
    notes = (root.parent / "journal").read_text().splitlines() if url else []
    assert sum(note.startswith("complete") for note in notes) in ({1, 2} if url else {0})
    kept = {path.name.partition(".")[0] for path in root.iterdir()}
    assert len(kept) <= 1
    assert not list(root.glob("*.tmp"))
    await again.child.stop()


@pytest.mark.parametrize("seed", range(5))
async def test_a_server_killed_during_an_upload_loses_nothing_acknowledged(start, tmp_path, seed):
    await survive(start, seed, root=tmp_path / "inbox")


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_two_hundred_kills(start, tmp_path):
    for seed in range(100, 300):
        await survive(start, seed, root=tmp_path / str(seed) / "inbox")


def killed_at(call: str, count: int) -> tuple[str, ...]:
    return traced(call, f"signal=KILL:when={count}")


def failing_at(call: str) -> tuple[str, ...]:
    return traced(call, "error=EIO")


def traced(call: str, fault: str) -> tuple[str, ...]:
    return ("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:{fault}")


@needs_strace
@pytest.mark.parametrize(
    ("call", "count"), [("pwrite64", 1), ("fdatasync", 2), ("/rename.*", 3), ("fsync", 5), ("ftruncate", 1)]
)
async def test_a_server_killed_at_an_exact_system_call(start, tmp_path, call, count):
    await survive(start, count, before=killed_at(call, count), root=tmp_path / "inbox")


@needs_strace
@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_kills_at_every_early_system_call(start, tmp_path):
    for call in ("pwrite64", "fdatasync", "/rename.*", "fsync", "ftruncate"):
        for count in range(1, 12):
            root = tmp_path / f"{call.strip('/.*')}{count}" / "inbox"
            await survive(start, count, before=killed_at(call, count), root=root)


@needs_strace
async def test_while_the_disk_cannot_sync_no_offset_is_acknowledged(start, tmp_path):
    root, body = tmp_path / "inbox", random.Random(7).randbytes(8 * MIB)
    sound = await start(root=root)
    url = await sound.create(len(body))
    assert (await sound.patch(url, 0, body[:MIB]))[0] == 204
    await sound.child.stop()

    failing = await start(root=root, before=failing_at("fdatasync"))
    assert await failing.offset(url) == MIB
    for piece in (body[MIB : MIB + 1], body[MIB:]):
        status, headers = await failing.patch(url, MIB, pieces(piece, 0))
        assert status == 500
        assert headers["Content-Type"] == "application/problem+json"
        assert headers["Upload-Offset"] == str(MIB)
        assert await failing.offset(url) == MIB
    journal = (root.parent / "journal").read_text()
    assert "complete" not in journal
    await failing.child.stop()

    sound = await start(root=root)
    assert await sound.offset(url) == MIB
    assert (await sound.patch(url, MIB, pieces(body[MIB:], 0)))[0] == 204
    assert (root / url.rpartition("/")[2]).read_bytes() == body


@needs_strace
async def test_when_the_record_cannot_be_synced_the_offset_stays(start, tmp_path):
    root = tmp_path / "inbox"
    sound = await start(root=root)
    url = await sound.create(100)
    await sound.child.stop()
    failing = await start(root=root, before=failing_at("fsync"))  # bytes are synced by fdatasync
    assert (await failing.patch(url, 0, b"x" * 50))[0] == 500
    assert await failing.offset(url) == 0
    assert (await failing.ask("POST", "/api/v1/uploads", Upload_Length="1"))[0] == 500
    await failing.child.stop()
    sound = await start(root=root)
    assert await sound.offset(url) == 0
    assert (await sound.patch(url, 0, b"y" * 100))[0] == 204
    assert (root / url.rpartition("/")[2]).read_bytes() == b"y" * 100


@pytest.fixture
async def small_disk(tmp_path: Path) -> AsyncIterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("mounting a tmpfs needs root")
    folder = tmp_path / "small"
    folder.mkdir()
    mounting = await asyncio.create_subprocess_exec("mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", folder)
    if await mounting.wait() != 0:
        pytest.skip("mounting a tmpfs is not allowed here")
    yield folder
    unmounting = await asyncio.create_subprocess_exec("umount", "-l", folder)
    await unmounting.wait()


@pytest.mark.parametrize("reserve", [0, MIB])
async def test_a_full_disk_is_507_and_everything_stays(start, small_disk, reserve):
    body = random.Random(3).randbytes(5 * MIB)
    ballast = small_disk / "ballast"
    remote = await start(root=small_disk / "inbox", reserve=reserve)
    url = await remote.create(len(body)) if not reserve else ""
    if reserve:
        # Too long for what may be used: told before a byte is sent.
        status, _ = await remote.ask("POST", "/api/v1/uploads", Upload_Length=str(5 * MIB + 1))
        assert status == 507
        _, headers = await remote.ask("POST", "/api/v1/uploads", Upload_Defer_Length="1")
        url = headers["Location"]
    assert (await remote.patch(url, 0, body[:MIB]))[0] == 204
    ballast.write_bytes(b"b" * (2 * MIB))
    status, headers = await remote.patch(url, MIB, pieces(body[MIB:], 0))
    assert status == 507
    offset = int(headers["Upload-Offset"])
    assert MIB <= offset < 4 * MIB
    held = small_disk / "inbox" / url.rpartition("/")[2]
    assert held.read_bytes()[:offset] == body[:offset]
    assert await remote.offset(url) == offset
    remote.child.signal(signal.SIGKILL)
    await remote.child.wait()

    again = await start(root=small_disk / "inbox", reserve=0)
    assert await again.offset(url) == offset
    ballast.unlink()
    status, _ = await again.patch(url, offset, pieces(body[offset:], 0))
    assert status == 204
    assert held.read_bytes() == body
