"""Start child processes in sessions of their own, wait for what they print, and end them with the test."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections import deque
from pathlib import Path


class Child:
    """A running child; its output, stdout and stderr together, is kept to the last 2000 lines."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Begin to read the child's output."""
        self.process = process
        self.lines: deque[str] = deque(maxlen=2000)
        self._changed = asyncio.Condition()
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            async with self._changed:
                self.lines.append(line.decode(errors="replace").rstrip("\n"))
                self._changed.notify_all()
        async with self._changed:
            self._changed.notify_all()

    @property
    def pid(self) -> int:
        """Return the process id, which is also its session's."""
        return self.process.pid

    @property
    def output(self) -> str:
        """Return what the child has printed so far."""
        return "\n".join(self.lines)

    async def says(self, text: str, *, seconds: float = 30) -> str:
        """Wait for a printed line that contains `text` and return it; AssertionError where it never comes."""

        def found() -> str | None:
            return next((line for line in self.lines if text in line), None)

        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: found() or self._reader.done() or self._at_end())
        line = found()
        assert line is not None, f"child ended without saying {text!r}:\n{self.output}"
        return line

    def _at_end(self) -> bool:
        return self.process.stdout is None or self.process.stdout.at_eof()

    async def wait(self, *, seconds: float = 60) -> int:
        """Wait for the child's end and return its exit status."""
        async with asyncio.timeout(seconds):
            await self._reader
            return await self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the child and everything it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    async def stop(self, *, seconds: float = 10) -> int:
        """Ask the child to end, kill its session where it does not, and return the exit status."""
        if self.process.returncode is None:
            self.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(seconds):
                await self.process.wait()
        except TimeoutError:
            pass
        finally:
            # Also what the child left behind in its session.
            self.signal(signal.SIGKILL)
        status = await self.process.wait()
        await self._reader
        return status


class Nursery:
    """Children of one test."""

    def __init__(self) -> None:
        """Start with none."""
        self._children: list[Child] = []

    async def start(
        self, *argv: str | Path, env: dict[str, str] | None = None, cwd: Path | None = None
    ) -> Child:
        """Start `argv`; `env` is added to this process's environment."""
        process = await asyncio.create_subprocess_exec(
            *map(str, argv),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            start_new_session=True,
        )
        child = Child(process)
        self._children.append(child)
        return child

    async def close(self) -> None:
        """End every child."""
        for child in self._children:
            await child.stop()
