"""The SRT receiver: one port and one passphrase for each stream, behind which an ffmpeg child listens."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from packager import live_recipe
from packager.child import Command
from packager.process import Spawner
from packager.sandbox import Limits
from streamer.errors import ServerError
from streamer.ingest.door import Ending, Publisher, Take
from streamer.ingest.flv import Tag
from streamer.ingest.publishing import Publishing, words
from streamer.ingest.remux import flv_of

_log = logging.getLogger(__name__)

_LIMITS = Limits(memory=2 << 30, cpu_seconds=None, wall_seconds=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Where the publisher of a stream is listened for. The passphrase is secret."""

    port: int
    passphrase: str


Lines = Callable[[], Awaitable[Mapping[str, Line]]]
"""Returns the line of every stream that has one, as they are now."""

Admit = Callable[[str, Publisher], Awaitable[Take]]
"""Lets the publisher of a stream in: who has come through has known the passphrase. Raise Refused."""


class SrtReceiver:
    """Listens while it is entered, on a line for each stream; looks for other lines now and then."""

    def __init__(
        self,
        lines: Lines,
        admit: Admit,
        spawner: Spawner,
        *,
        host: str,
        look_seconds: float = 3,
        pause_seconds: float = 1,
    ) -> None:
        """Take what tells lines and who lets in; `host` is the address, no name, to listen on.

        A line is listened on again `pause_seconds` after its caller has left.
        """
        self._lines = lines
        self._admit = admit
        self._spawner = spawner
        self._host = host
        self._look_seconds = look_seconds
        self._pause_seconds = pause_seconds
        self._listening: dict[str, tuple[Line, asyncio.Task[None]]] = {}
        self._publishing: dict[str, Publishing] = {}
        self._looking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin to listen. Raise what telling the lines raises."""
        await self._follow(await self._lines())
        self._looking = asyncio.create_task(self._look(), name="srt lines")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        for one in list(self._publishing.values()):
            one.close(Ending.STOPPING)
        await self._follow({})

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(self._look_seconds)
            try:
                lines = await self._lines()
            except ServerError as error:
                _log.warning("the lines of SRT cannot be told: %s", error.message)
                continue
            await self._follow(lines)

    async def _follow(self, lines: Mapping[str, Line]) -> None:
        """Listen on these lines and on no others; whoever is on air on one that has changed stays there."""
        on_air = self._publishing.keys() & lines.keys()
        gone = [
            name
            for name, (line, _) in self._listening.items()
            if lines.get(name) != line and name not in on_air
        ]
        tasks = [self._listening.pop(name)[1] for name in gone]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for name, line in lines.items():
            if name not in self._listening:
                task = asyncio.create_task(self._listen(name, line), name=f"srt {name}")
                self._listening[name] = (line, task)

    async def _listen(self, stream: str, line: Line) -> None:
        """Take one caller after another, until cancelled."""
        while True:
            argv = live_recipe.srt(
                self._spawner.ffmpeg, host=self._host, port=line.port, passphrase=line.passphrase
            )
            command = Command(argv=argv, outputs=1, limits=_LIMITS, datagrams=True)
            try:
                async with aclosing(flv_of(self._spawner, command)) as tags:
                    await self._take(stream, tags)
            except ServerError as error:
                _log.info("srt for stream %s: %s", stream, error.message)
            except Exception:  # noqa: BLE001 - the line is listened on again, whatever it was
                _log.exception("srt for stream %s failed", stream)
            await asyncio.sleep(self._pause_seconds)

    async def _take(self, stream: str, tags: AsyncGenerator[Tag, None]) -> None:
        """Wait for a caller, admit it and hand its tags on."""
        try:
            first = await anext(tags)
        except StopAsyncIteration:
            return
        publishing = Publishing("srt", "an SRT caller")
        self._publishing[stream] = publishing
        try:
            take = await self._admit(stream, publishing)
            cause = await publishing.run(take, _behind(first, tags))
            _log.debug("srt for stream %s: %s", stream, words(cause))
        finally:
            del self._publishing[stream]


async def _behind(first: Tag, rest: AsyncGenerator[Tag, None]) -> AsyncGenerator[Tag, None]:
    yield first
    async with contextlib.aclosing(rest):
        async for tag in rest:
            yield tag
