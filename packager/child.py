"""One child process as the event loop sees it: feed, read, follow, stop, wait."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from packager.errors import ChildFailed, ChildTimeout
from packager.sandbox import Limits

_TAIL_LINES = 50
_TAIL_LINE = 500
_BUFFER = 256 * 1024
_GRACE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One child to start. Output i is the child's descriptor 3 + i, the progress pipe is 3 + `outputs`.

    `argv[0]` is the program's absolute path. Where `function` names one of this package (`module:name`), it
    is called with `argv` and the outputs instead, in a fork that has PyAV loaded. Only `readable` files and
    folders can be read, besides the system's libraries, and only `writable` can be written in. `datagrams`
    allows UDP sockets, and nothing else of the network.
    """

    argv: tuple[str, ...]
    function: str = ""
    outputs: int = 0
    limits: Limits = field(default_factory=Limits)
    readable: tuple[Path, ...] = ()
    writable: Path | None = None
    stdin: AsyncIterator[bytes] | None = None
    progress: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    datagrams: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One report of ffmpeg's `-progress`: frames, thousandths of real time, whether it is the last."""

    frames: int
    speed_milli: int
    last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How a child ended: negative status is the number of a signal, `max_rss` is bytes."""

    status: int
    cpu_seconds: float
    max_rss: int
    stderr_tail: str


class Child:
    """One started child. Use it as a context manager, so that it cannot outlive its owner.

    Read every output to its end: a full pipe is what holds the child back, and nothing else does.
    """

    def __init__(
        self,
        *,
        pid: int,
        limits: Limits,
        send_signal: Callable[[int], None],
        renice: Callable[[int], None],
    ) -> None:
        self.pid = pid
        self.outputs: tuple[asyncio.StreamReader, ...] = ()
        self._limits = limits
        self._send_signal = send_signal
        self._renice = renice
        self._ended: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._tasks: list[asyncio.Task[None]] = []
        self._transports: list[asyncio.BaseTransport] = []
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._feeding: asyncio.Task[None] | None = None
        self._progress: asyncio.StreamReader | None = None
        self._stopped = False
        self._late = False
        self._paused = False
        self._fault: BaseException | None = None
        self._wall_seconds = limits.wall_seconds
        self._alarm: asyncio.TimerHandle | None = None
        self._set_alarm()

    @property
    def progress(self) -> AsyncIterator[Progress]:
        """Return the reports of the progress pipe as they come."""
        return _reports(self._progress)

    async def wait(self) -> Exit:
        """Wait for the end. Raise ChildTimeout or ChildFailed, unless the child was stopped on purpose.

        A ChildFailed without status is the spawner's fault, not the child's.
        """
        report = await asyncio.shield(self._ended)
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._fault is not None:
            raise self._fault
        tail = "\n".join(self._tail)
        status = int(report["status"])
        if not self._stopped:
            self._judge(report, status, tail)
        return Exit(
            status=status, cpu_seconds=report["cpu_seconds"], max_rss=report["max_rss"], stderr_tail=tail
        )

    def renice(self, nice: int) -> None:
        """Change how far the child gives way to others, where the system allows that."""
        if not self._ended.done():
            self._renice(nice)

    def pause(self) -> None:
        """Stop the child in its tracks until `resume`; its time does not run out meanwhile."""
        if self._paused or self._ended.done():
            return
        self._paused = True
        if self._alarm is not None:
            self._alarm.cancel()
            self._wall_seconds = max(0.0, self._alarm.when() - asyncio.get_running_loop().time())
        self._send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused child go on."""
        if not self._paused or self._ended.done():
            return
        self._paused = False
        self._set_alarm()
        self._send_signal(signal.SIGCONT)

    async def stop(self, *, grace: float = _GRACE) -> None:
        """End the child: SIGTERM, `grace` seconds, SIGKILL to its whole group. Return when it has ended."""
        if not self._ended.done():
            self._stopped = True
            try:
                if grace:
                    self._send_signal(signal.SIGTERM)
                    self.resume()
                    await asyncio.wait([self._ended], timeout=grace)
            finally:
                # A cancelled owner waits no longer, and leaves nothing behind either.
                if not self._ended.done():
                    self._send_signal(signal.SIGKILL)
        await asyncio.shield(self._ended)
        await self._close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Nobody reads on for a cancelled owner, so an encoder could not end by itself: its pipes are full.
        await self.stop(grace=0 if kind is asyncio.CancelledError else _GRACE)

    def end(self, report: dict[str, Any]) -> None:
        """Take the spawner's report of how the child ended."""
        if self._alarm is not None:
            self._alarm.cancel()
        if self._feeding is not None:
            self._feeding.cancel()
        if not self._ended.done():
            self._ended.set_result(report)

    async def attach(self, ends: Mapping[str, int], stdin: AsyncIterator[bytes] | None) -> None:
        """Take over our ends of the pipes, by role: "stdin", "stderr", "progress" or the output's number."""
        outputs = []
        for role, descriptor in ends.items():
            if role == "stdin" and stdin is not None:
                self._feeding = asyncio.create_task(self._feed(await self._writer(descriptor), stdin))
                self._tasks.append(self._feeding)
                if self._ended.done():
                    self._feeding.cancel()
                continue
            reader = await self._reader(descriptor)
            if role == "stderr":
                self._tasks.append(asyncio.create_task(self._keep_tail(reader)))
            elif role == "progress":
                self._progress = reader
            else:
                outputs.append(reader)
        self.outputs = tuple(outputs)

    def _judge(self, report: Mapping[str, Any], status: int, tail: str) -> None:
        """Raise where the child did not end well."""
        cpu = self._limits.cpu_seconds
        if "error" in report:
            raise ChildFailed(str(report["error"]), evidence=tail)
        if self._late or status == -signal.SIGXCPU or (cpu is not None and report["cpu_seconds"] >= cpu):
            raise ChildTimeout("the child used up its time", evidence=tail, status=status)
        if status < 0:
            raise ChildFailed(f"the child was ended by signal {-status}", evidence=tail, status=status)
        if status:
            raise ChildFailed(f"the child ended with status {status}", evidence=tail, status=status)

    def _set_alarm(self) -> None:
        """Have the child killed when what is left of its wall time is over."""
        if self._wall_seconds is not None:
            self._alarm = asyncio.get_running_loop().call_later(self._wall_seconds, self._expire)

    def _expire(self) -> None:
        """Kill the child: its wall time is over."""
        self._late = True
        self._send_signal(signal.SIGKILL)

    async def _reader(self, descriptor: int) -> asyncio.StreamReader:
        """Return a bounded reader over a pipe."""
        reader = asyncio.StreamReader(limit=_BUFFER)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
        )
        self._transports.append(transport)
        return reader

    async def _writer(self, descriptor: int) -> asyncio.StreamWriter:
        """Return a writer over a pipe."""
        loop = asyncio.get_running_loop()
        protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader())
        transport, _ = await loop.connect_write_pipe(
            lambda: protocol, os.fdopen(descriptor, "wb", buffering=0)
        )
        self._transports.append(transport)
        return asyncio.StreamWriter(transport, protocol, None, loop)

    async def _feed(self, writer: asyncio.StreamWriter, chunks: AsyncIterator[bytes]) -> None:
        """Write standard input to its end; a child that stops reading is no fault of ours."""
        try:
            async for chunk in chunks:
                writer.write(chunk)
                await writer.drain()
        except (BrokenPipeError, ConnectionResetError):
            return
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            self._fault = error
            self._send_signal(signal.SIGKILL)
        finally:
            writer.close()

    async def _keep_tail(self, reader: asyncio.StreamReader) -> None:
        """Keep the last lines of stderr, however long a line is."""
        rest = b""
        while block := await reader.read(16 * 1024):
            *lines, rest = (rest + block).replace(b"\r", b"\n").split(b"\n")
            rest = rest[-_TAIL_LINE:]
            self._tail.extend(_line(line) for line in lines if line)
        if rest:
            self._tail.append(_line(rest))

    async def _close(self) -> None:
        """Close every pipe and end every task."""
        for transport in self._transports:
            transport.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _line(raw: bytes) -> str:
    """Return one line of stderr as text of bounded length."""
    return raw[-_TAIL_LINE:].decode("utf-8", "replace")


async def _reports(reader: asyncio.StreamReader | None) -> AsyncIterator[Progress]:
    """Parse `key=value` lines; the key "progress" ends each report."""
    seen: dict[str, str] = {}
    while reader is not None and (line := await reader.readline()):
        key, _, value = line.decode("ascii", "replace").strip().partition("=")
        seen[key] = value.strip()
        if key == "progress":
            yield Progress(
                frames=_integer(seen.get("frame", "")),
                speed_milli=_milli(seen.get("speed", "")),
                last=value == "end",
            )


def _integer(text: str) -> int:
    """Return a count, 0 where ffmpeg does not know it."""
    return int(text) if text.isdecimal() else 0


def _milli(text: str) -> int:
    """Return thousandths of a factor such as "1.25x", 0 where ffmpeg does not know it."""
    whole, _, part = text.removesuffix("x").partition(".")
    return _integer(whole or "0") * 1000 + _integer((part + "000")[:3])
