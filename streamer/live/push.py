"""Frames sent on as they are encoded: one endless answer for each viewer, who holds up no other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from packager import parts
from packager.cutter import Sample
from packager.life import Life
from packager.timeline import AAC_FRAME
from streamer.files import last_lines

BEHIND_BYTES = 1 << 20
"""What may wait for a viewer: some seconds. Whoever is slower is cut off, and takes the playlists instead."""

_CALM_UNITS = 64
"""Access units of sound that a viewer begins with: more than a second."""


@dataclass(slots=True)
class _Track:
    """One rendition of the present life: its init, and what a viewer who comes now begins with."""

    init: bytes
    sound: bool
    recent: list[bytes] = field(default_factory=list)
    sequence: int = 0


class Push:
    """What of a broadcast is pushed. Everything is called on the event loop and never waits."""

    def __init__(self, *, most: int = 500) -> None:
        """Take how many viewers there may be at one time."""
        self._most = most
        self._tracks: dict[str, _Track] = {}
        self._viewers: dict[str, set[Viewer]] = {}

    @property
    def viewers(self) -> int:
        """Return how many answers are open."""
        return sum(map(len, self._viewers.values()))

    def begin(self, life: Life, inits: Mapping[str, bytes]) -> None:
        """Begin a life; who watched the one before has to ask again, for another init."""
        self.over()
        self._tracks = {name: _Track(init=body, sound=life.is_sound(name)) for name, body in inits.items()}
        self._viewers = {name: set() for name in inits}

    def sample(self, rendition: str, sample: Sample) -> None:
        """Send a frame to everybody; the encoder's priming, before all time, to nobody."""
        track = self._tracks.get(rendition)
        if track is None or sample.time < 0:
            return
        track.sequence += 1
        duration = AAC_FRAME if track.sound else sample.duration
        placed = Sample(time=sample.time, duration=duration, sync=sample.sync, data=sample.data)
        chunk = _chunk(parts.fragment([placed], sequence=track.sequence))
        if track.sound:
            del track.recent[: max(0, len(track.recent) - _CALM_UNITS)]
        elif sample.sync:
            track.recent.clear()
        track.recent.append(chunk)
        for viewer in tuple(self._viewers[rendition]):
            viewer.send(chunk)

    def over(self) -> None:
        """End the answers of all: this life has no more frames."""
        for viewers in self._viewers.values():
            for viewer in tuple(viewers):
                viewer.finish()
        self._tracks, self._viewers = {}, {}

    @property
    def room(self) -> bool:
        """Say whether one more viewer may join."""
        return self.viewers < self._most

    def knows(self, rendition: str) -> bool:
        """Say whether there is such a rendition to be pushed."""
        return rendition in self._tracks

    def join(self, rendition: str, viewer: Viewer) -> None:
        """Let a viewer in. Raise KeyError where nothing is pushed."""
        track = self._tracks[rendition]
        viewer.send(b"".join((_chunk(track.init), *track.recent)))
        self._viewers[rendition].add(viewer)

    def leave(self, rendition: str, viewer: Viewer) -> None:
        """Let a viewer go."""
        self._viewers.get(rendition, set()).discard(viewer)


class Viewer(web.StreamResponse):
    """One answer that goes on until the life ends, the viewer leaves, or is too slow."""

    def __init__(self) -> None:
        super().__init__()
        self._transport: asyncio.Transport | None = None
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def send(self, chunk: bytes) -> None:
        """Send chunks on, unless the viewer is gone or too slow."""
        transport = self._transport
        if transport is None or self._done.done():
            return
        if transport.is_closing():
            self._done.set_result(None)
        elif transport.get_write_buffer_size() > BEHIND_BYTES:
            transport.abort()  # an answer that was cut must not look whole
            self._done.set_result(None)
        else:
            transport.write(chunk)

    def finish(self) -> None:
        """End the answer as a whole one."""
        self.send(b"0\r\n\r\n")
        if not self._done.done():
            self._done.set_result(None)

    async def serve(self, request: web.Request, push: Push, rendition: str, *, head: bytes) -> Self:
        """Answer until it is over; the head, which lacks its last lines, announces a body in chunks."""
        self._eof_sent = True
        self._keep_alive = False
        self._transport = request.transport
        if self._transport is None:
            return self
        self._transport.write(head + last_lines(int(time.time()), b"Connection: close\r\n"))
        push.join(rendition, self)
        try:
            await self._done
        finally:
            push.leave(rendition, self)
        return self

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:  # noqa: ARG002
        """Do nothing: `serve` has done it."""
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: `serve` has done it."""


def _chunk(body: bytes) -> bytes:
    """Return one chunk of the chunked coding (RFC 9112 §7.1)."""
    return b"%x\r\n%s\r\n" % (len(body), body)
