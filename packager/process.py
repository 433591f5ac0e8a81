"""Starts children and keeps the helper process that forks them; see packager.child for what is started.

Every child is started by packager.spawner inside packager.sandbox; nothing here forks.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import packager
from packager.child import Child, Command, Exit, Progress
from packager.errors import ChildFailed
from packager.sandbox import Box, tier
from packager.spawner import MESSAGE, box_to_json

__all__ = ["Child", "Command", "Exit", "Progress", "Spawner", "self_test"]

_FULL = 0.02


class Spawner:
    """Starts children through one long-lived helper process; restarts it where it has died.

    `ffmpeg` is only kept for whoever builds commands. Use as an async context manager.
    """

    def __init__(self, ffmpeg: Path) -> None:
        self.ffmpeg = ffmpeg
        self.tier = tier()
        self._wire: socket.socket | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._ready: asyncio.Future[None] | None = None
        self._children: dict[int, Child] = {}
        self._starting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self._connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(child.stop() for child in list(self._children.values())))
        self._lose("the spawner was closed")
        if self._process is not None:
            await self._process.wait()

    async def start(self, command: Command) -> Child:
        """Start one child and return it once it has a pid. Raise ChildFailed where it cannot be started."""
        wire = await self._connect()
        self._number += 1
        name = self._number
        ours, theirs = _pipes(command)
        starting: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._starting[name] = starting
        try:
            await self._send(wire, _request(name, command, theirs), list(theirs.values()))
            answer = await starting
        except BaseException:
            for descriptor in ours.values():
                os.close(descriptor)
            self._signal(name, signal.SIGKILL)
            raise
        finally:
            self._starting.pop(name, None)
            for descriptor in theirs.values():
                os.close(descriptor)
        child = Child(
            pid=answer["pid"],
            limits=command.limits,
            send_signal=lambda number: self._signal(name, number),
            renice=lambda nice: self._tell(name, "nice", nice),
        )
        if "status" in answer:
            child.end(answer)
        else:
            self._children[name] = child
        try:
            await child.attach(ours, command.stdin)
        except BaseException:
            await child.stop(grace=0)
            raise
        return child

    async def _connect(self) -> socket.socket:
        """Return the wire to a running spawner, started where there is none."""
        async with self._lock:
            if self._wire is not None:
                return self._wire
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                ours.setblocking(False)
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-P", "-m", "packager.spawner", str(theirs.fileno())),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                    env=_environment(),
                )
            loop = asyncio.get_running_loop()
            self._wire, self._ready = ours, loop.create_future()
            loop.add_reader(ours, self._receive)
            await self._ready
            return ours

    async def _send(self, wire: socket.socket, message: bytes, descriptors: list[int]) -> None:
        """Send one request, waiting while the wire is full."""
        if len(message) > MESSAGE:
            raise ChildFailed("the command line is too long", evidence=f"{len(message)} bytes")
        while True:
            try:
                socket.send_fds(wire, [message], descriptors)
            except BlockingIOError:
                await asyncio.sleep(_FULL)
            except OSError as error:
                raise ChildFailed("the spawner cannot be reached", evidence=str(error)) from error
            else:
                return

    def _signal(self, name: int, number: int) -> None:
        self._tell(name, "signal", int(number))

    def _tell(self, name: int, what: str, value: int) -> None:
        """Ask for a signal or a niceness; a lost spawner has taken its children along."""
        if self._wire is None:
            return
        try:
            self._wire.send(json.dumps({"id": name, what: value}).encode())
        except BlockingIOError:
            asyncio.get_running_loop().call_later(_FULL, self._tell, name, what, value)
        except OSError:
            return

    def _receive(self) -> None:
        """Take one message from the spawner."""
        if self._wire is None:
            return
        try:
            raw = self._wire.recv(64 * 1024)
        except BlockingIOError:
            return
        except OSError:
            raw = b""
        if not raw:
            self._lose("the spawner died")
            return
        message = json.loads(raw)
        if "ready" in message:
            if self._ready is not None and not self._ready.done():
                self._ready.set_result(None)
        elif "pid" in message or "error" in message:
            self._started(message)
        elif child := self._children.pop(message["id"], None):
            child.end(message)
        elif (starting := self._starting.get(message["id"])) is not None and starting.done():
            # The child ended before `start` went on: one answer carries both.
            starting.result().update(message)

    def _started(self, message: dict[str, Any]) -> None:
        """Answer the `start` that waits."""
        starting = self._starting.get(message["id"])
        if starting is None or starting.done():
            return
        if "error" in message:
            starting.set_exception(ChildFailed("the child cannot be started", evidence=message["error"]))
        else:
            starting.set_result(message)

    def _lose(self, why: str) -> None:
        """Give up this spawner: whoever waits for it or its children is told."""
        if self._wire is not None:
            asyncio.get_running_loop().remove_reader(self._wire)
            self._wire.close()
            self._wire = None
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(ChildFailed(why))
        for starting in self._starting.values():
            if not starting.done():
                starting.set_exception(ChildFailed(why))
        children, self._children = self._children, {}
        for child in children.values():
            child.end({"status": -signal.SIGKILL, "cpu_seconds": 0.0, "max_rss": 0, "error": why})


def _environment() -> dict[str, str]:
    """Return the spawner's environment: where this package lies, and one thread for numpy."""
    return {
        "PYTHONPATH": str(Path(packager.__file__).parents[1]),
        "LC_ALL": "C.UTF-8",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        # A fork that maps, unmaps and touches every array page by page pays half of a long probe for it.
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
        "MALLOC_MMAP_THRESHOLD_": str(256 << 20),
        "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
        "MALLOC_TOP_PAD_": str(16 << 20),
    }


def _pipes(command: Command) -> tuple[dict[str, int], dict[str, int]]:
    """Return our ends and the child's ends of its pipes, by role, in one order."""
    roles = ["stderr", *(str(number) for number in range(command.outputs))]
    roles += ["stdin"] * (command.stdin is not None) + ["progress"] * command.progress
    ours, theirs = {}, {}
    for role in roles:
        reading, writing = os.pipe2(os.O_CLOEXEC)
        ours[role], theirs[role] = (writing, reading) if role == "stdin" else (reading, writing)
    return ours, theirs


def _request(name: int, command: Command, theirs: Mapping[str, int]) -> bytes:
    """Return the request that starts a command."""
    places = {"stdin": 0, "stderr": 2, "progress": 3 + command.outputs}
    box = Box(
        limits=command.limits,
        readable=command.readable,
        writable=command.writable,
        program=None if command.function else Path(command.argv[0]),
        datagrams=command.datagrams,
    )
    return json.dumps(
        {
            "id": name,
            "function": command.function,
            "argv": command.argv,
            "targets": [places[role] if role in places else 3 + int(role) for role in theirs],
            "box": box_to_json(box),
            "env": {"LC_ALL": "C", **command.env},
        }
    ).encode()


async def self_test(spawner: Spawner, folder: Path) -> tuple[str, ...]:
    """Run a child that tries to break out and return what it was able to do: nothing, where all is well.

    `folder` is any folder that this process may write in and the child may not. Raise ChildFailed.
    """
    with socket.create_server(("127.0.0.1", 0)) as canary:
        arguments = (str(canary.getsockname()[1]), str(folder))
        command = Command(function="packager.sandbox:attempt", argv=arguments, outputs=1)
        async with await spawner.start(command) as child:
            answer = await child.outputs[0].read()
            await child.wait()
    return tuple(json.loads(answer))
