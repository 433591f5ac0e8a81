"""Try to break out of the sandbox, overrun its limits, and outlive the owner: nothing of it may work."""

from __future__ import annotations

import asyncio
import errno
import os
import platform
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import imageio_ffmpeg
import pytest
import pytest_asyncio

from packager.errors import ChildFailed, ChildTimeout
from packager.process import Command, Spawner, self_test
from packager.sandbox import Limits, tier

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
QUIET = (FFMPEG, "-hide_banner", "-nostats", "-loglevel", "error")
ENDLESS = (*QUIET, "-f", "lavfi", "-i", "testsrc=s=64x64", "-f", "rawvideo", "pipe:3")
pytestmark = pytest.mark.asyncio(loop_scope="module")

PYTHON = (Path(sys.prefix), Path(sys.base_prefix))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def spawner() -> AsyncIterator[Spawner]:
    async with Spawner(Path(FFMPEG)) as running:
        yield running


def python(program: str, **fields) -> Command:
    """Return a command that runs a line of Python in the sandbox."""
    return Command(argv=(os.path.realpath(sys.executable), "-c", program), readable=PYTHON, **fields)


async def outcome(spawner: Spawner, command: Command) -> str:
    """Return the last line of what a failing child says."""
    with pytest.raises(ChildFailed) as failure:
        async with await spawner.start(command) as child:
            await child.wait()
    return failure.value.evidence.splitlines()[-1]


async def gone(pid: int) -> None:
    """Wait until no process has this id, a zombie not counted."""
    async with asyncio.timeout(10):
        while Path(f"/proc/{pid}/stat").exists():
            try:
                if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                    return
            except (FileNotFoundError, ProcessLookupError):
                return
            await asyncio.sleep(0.01)


async def test_self_test_finds_no_hole(spawner, tmp_path):
    assert tier() == "landlock+seccomp"
    assert await self_test(spawner, tmp_path) == ()
    assert list(tmp_path.iterdir()) == []


async def test_files(spawner, tmp_path):
    secret, allowed = tmp_path / "secret", tmp_path / "allowed"
    secret.write_text("x")
    allowed.mkdir()
    for program in (
        "open('/etc/passwd')",
        f"open({str(secret)!r})",
        f"open({str(tmp_path / 'new')!r}, 'w')",
        f"import os; os.unlink({str(secret)!r})",
        f"import os; os.rename({str(secret)!r}, {str(allowed / 'moved')!r})",
        "open('/proc/1/environ')",
    ):
        said = await outcome(spawner, python(program, writable=allowed))
        assert "PermissionError" in said, program
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["secret"]


async def test_writable_folder_and_file_size(spawner, tmp_path):
    limits = Limits(file_size=1000)
    program = f"open({str(tmp_path / 'kept')!r}, 'wb').write(b'x' * 1000)"
    async with await spawner.start(python(program, writable=tmp_path, limits=limits)) as child:
        await child.wait()
    assert (tmp_path / "kept").stat().st_size == 1000
    program = f"import pathlib; pathlib.Path({str(tmp_path / 'large')!r}).write_bytes(b'x' * 1001)"
    await outcome(spawner, python(program, writable=tmp_path, limits=limits))
    assert (tmp_path / "large").stat().st_size <= 1000


@pytest.mark.parametrize(
    "program",
    [
        "import socket; socket.socket()",
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
        "import socket; socket.socket(socket.AF_UNIX)",
        "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
        "import os; os.kill(os.getppid(), 9)",
        "import os; os.setsid()",
        "import os; os.execv('/bin/sh', ['sh'])",
        "import os; os.chroot('/')",
    ],
)
async def test_calls(spawner, program: str):
    assert "PermissionError" in await outcome(spawner, python(program))


@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6"])
async def test_datagrams_are_an_exception_of_one_command(spawner, family):
    local = "127.0.0.1" if family == "AF_INET" else "::1"
    program = f"import socket as s; s.socket(s.{family}, s.SOCK_DGRAM).bind(({local!r}, 0))"
    async with await spawner.start(python(program, datagrams=True)) as child:
        assert (await child.wait()).status == 0
    assert "PermissionError" in await outcome(spawner, python(program))


@pytest.mark.parametrize(
    "program",
    [
        "import socket as s; s.socket()",
        "import socket as s; s.socket(s.AF_INET6)",
        "import socket as s; s.socket(s.AF_INET, s.SOCK_RAW)",
        "import socket as s; s.socket(s.AF_UNIX, s.SOCK_DGRAM)",
        "import socket as s; s.socket(s.AF_NETLINK, s.SOCK_RAW)",
        "import socket as s; s.socket(s.AF_INET, s.SOCK_DGRAM).connect(('127.0.0.1', 9))",
        "open('/etc/passwd')",
        "import os; os.kill(os.getppid(), 9)",
    ],
)
async def test_datagrams_are_all_of_the_network_that_is_allowed(spawner, program):
    assert "PermissionError" in await outcome(spawner, python(program, datagrams=True))


async def test_calls_that_python_lacks(spawner):
    program = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
calls = {
    "unshare": lambda: libc.unshare(0x10000000),
    "setns": lambda: libc.setns(0, 0),
    "ptrace": lambda: libc.ptrace(0, 0, 0, 0),
    "mount": lambda: libc.mount(b"none", b"/tmp", b"tmpfs", 0, 0),
    "process_vm_readv": lambda: libc.process_vm_readv(os.getppid(), 0, 0, 0, 0, 0),
    "io_uring_setup": lambda: libc.syscall(425, 1, 0),
    "io_uring_enter": lambda: libc.syscall(426, 0, 0, 0, 0, 0),
    "pidfd_open": lambda: libc.syscall(434, os.getpid(), 0),
    "clone": lambda: libc.syscall(CLONE, 0x10000000 | 17, 0, 0, 0, 0),
}
allowed = [name for name, call in calls.items() if call() != -1 or ctypes.get_errno() != 1]
os.write(3, repr((allowed, libc.syscall(435, 0, 0), ctypes.get_errno())).encode())
""".replace("CLONE", "220" if platform.machine() == "aarch64" else "56")
    async with await spawner.start(python(program, outputs=1)) as child:
        said = await child.outputs[0].read()
        await child.wait()
    assert said.decode() == repr(([], -1, errno.ENOSYS))


async def test_ffmpeg_opens_neither_file_nor_connection(spawner):
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.setblocking(False)
        port = canary.getsockname()[1]
        for url in (f"http://127.0.0.1:{port}/x", f"tcp://127.0.0.1:{port}", f"udp://127.0.0.1:{port}"):
            await outcome(spawner, Command(argv=(*QUIET, "-i", url, "-f", "null", "-")))
        with pytest.raises(BlockingIOError):
            canary.accept()
    argv = (*QUIET, "-f", "data", "-i", "/etc/passwd", "-map", "0", "-f", "data", "pipe:3")
    assert "denied" in (await outcome(spawner, Command(argv=argv, outputs=1))).lower()


async def test_memory(spawner):
    said = await outcome(spawner, python("bytearray(1 << 29)", limits=Limits(memory=256 << 20)))
    assert said == "MemoryError"


async def test_processor_time(spawner):
    command = python("while True: pass", limits=Limits(cpu_seconds=1))
    with pytest.raises(ChildTimeout):
        async with await spawner.start(command) as child:
            await child.wait()


async def test_wall_time(spawner):
    command = python("import time; time.sleep(60)", limits=Limits(wall_seconds=0.2))
    with pytest.raises(ChildTimeout):
        async with await spawner.start(command) as child:
            await child.wait()


async def test_environment_is_empty(spawner):
    program = "import os; os.write(3, repr(sorted(os.environ)).encode())"
    async with await spawner.start(python(program, outputs=1, env={"ONE": "1"})) as child:
        names = await child.outputs[0].read()
        await child.wait()
    assert names in {b"['LC_ALL', 'ONE']", b"['LC_ALL', 'LC_CTYPE', 'ONE']"}


async def test_no_foreign_descriptors(spawner):
    program = (
        "import os; os.write(3, repr([n for n in range(99) if os.path.exists(f'/dev/fd/{n}')]).encode())"
    )
    program = (
        "import os\n"
        "def open_(n):\n"
        "  try: os.fstat(n); return True\n"
        "  except OSError: return False\n"
        "os.write(3, repr([n for n in range(99) if open_(n)]).encode())"
    )
    async with await spawner.start(python(program, outputs=1)) as child:
        assert await child.outputs[0].read() == b"[0, 1, 2, 3]"
        await child.wait()


async def test_outputs_input_and_progress(spawner):
    async def pictures() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield bytes(64 * 64 * 3 // 2)

    argv = (
        *QUIET,
        *("-progress", "pipe:5", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "64x64", "-i", "pipe:0"),
        *("-map", "0:v", "-f", "rawvideo", "pipe:3", "-map", "0:v", "-f", "framecrc", "pipe:4"),
    )
    command = Command(argv=argv, outputs=2, progress=True, stdin=pictures())
    async with await spawner.start(command) as child:

        async def reports():
            return [report async for report in child.progress]

        raw, sums, seen = await asyncio.gather(child.outputs[0].read(), child.outputs[1].read(), reports())
        ended = await child.wait()
    assert len(raw) == 50 * 64 * 64 * 3 // 2
    assert len([line for line in sums.splitlines() if not line.startswith(b"#")]) == 50
    assert (seen[-1].frames, seen[-1].last) == (50, True)
    assert ended.status == 0
    assert ended.cpu_seconds > 0
    assert ended.max_rss > 1 << 20


async def test_unread_output_holds_the_child_back(spawner):
    async with await spawner.start(Command(argv=ENDLESS, outputs=1)) as child:
        await child.outputs[0].readexactly(100_000)
        async with asyncio.timeout(10):
            while not child.outputs[0]._paused:
                await asyncio.sleep(0.01)
        assert len(child.outputs[0]._buffer) < 1 << 20


async def test_stop(spawner):
    child = await spawner.start(Command(argv=ENDLESS, outputs=1))
    await child.outputs[0].readexactly(100)
    await child.stop()
    assert (await child.wait()).status != 0
    await gone(child.pid)


async def test_stop_of_what_ignores_sigterm(spawner):
    program = "import signal, os, time; signal.signal(15, signal.SIG_IGN); os.write(3, b'x'); time.sleep(60)"
    child = await spawner.start(python(program, outputs=1))
    await child.outputs[0].readexactly(1)
    await child.stop()
    assert (await child.wait()).status == -signal.SIGKILL


async def test_cancelled_owner_ends_the_child(spawner):
    started: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def own():
        async with await spawner.start(Command(argv=ENDLESS, outputs=1)) as child:
            started.set_result(child.pid)
            await asyncio.sleep(60)

    task = asyncio.create_task(own())
    pid = await started
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await gone(pid)


async def test_stderr_tail_is_bounded(spawner):
    program = "import sys\nfor n in range(9999): print('x' * 1000, n, file=sys.stderr)\nsys.exit(3)"
    with pytest.raises(ChildFailed) as failure:
        async with await spawner.start(python(program)) as child:
            await child.wait()
    assert failure.value.status == 3
    assert failure.value.evidence.endswith("x 9998")
    assert len(failure.value.evidence) < 50_000


async def test_missing_program(spawner):
    with pytest.raises(ChildFailed) as failure:
        async with await spawner.start(Command(argv=("/nowhere/ffmpeg",))) as child:
            await child.wait()
    assert "No such file" in failure.value.evidence


async def test_spawner_is_replaced_after_its_death(spawner):
    child = await spawner.start(Command(argv=ENDLESS, outputs=1))
    parent = int(Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(parent, signal.SIGKILL)
    with pytest.raises(ChildFailed, match="died"):
        await child.wait()
    await child.stop()
    await gone(child.pid)
    async with await spawner.start(Command(argv=(*QUIET, "-version"))) as again:
        assert (await again.wait()).status == 0


async def test_many_at_once(spawner):
    async def one():
        argv = (*QUIET, "-f", "lavfi", "-i", "testsrc=d=0.2:s=64x64", "-f", "rawvideo", "pipe:3")
        async with await spawner.start(Command(argv=argv, outputs=1)) as child:
            length = len(await child.outputs[0].read())
            await child.wait()
            return length

    assert set(await asyncio.gather(*(one() for _ in range(20)))) == {5 * 64 * 64 * 3}


async def test_children_die_with_a_killed_owner(tmp_path):
    owner = tmp_path / "owner.py"
    owner.write_text(f"""
import asyncio
from pathlib import Path
from packager.process import Command, Spawner

async def main():
    async with Spawner(Path({FFMPEG!r})) as spawner:
        child = await spawner.start(Command(argv={ENDLESS!r}, outputs=1))
        print(child.pid, flush=True)
        while await child.outputs[0].read(1 << 16):
            pass

asyncio.run(main())
""")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(owner),
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    pid = int(await process.stdout.readline())
    parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    process.kill()
    await process.wait()
    await gone(pid)
    await gone(parent)
