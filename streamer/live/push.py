"""Frames sent on as they are encoded, to every viewer, none of whom holds up another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from packager import parts
from packager.cutter import Sample
from packager.life import Life
from packager.timeline import AAC_FRAME

_CALM_UNITS = 64
"""Access units of sound that a viewer begins with: more than a second."""


Wrap = Callable[[bytes], bytes]
"""Makes of a body what goes out for it on a kind of connection."""


class Viewer(Protocol):
    """One connection. `send` and `finish` take what is wrapped, at once and without a wait."""

    @property
    def wrap(self) -> Wrap:
        """Return how bodies are wrapped, the same for all viewers of a kind."""

    def send(self, wrapped: bytes) -> None:
        """Send on, unless the viewer is gone or too slow."""

    def finish(self) -> None:
        """End it: nothing more comes."""


class Fan:
    """One rendition on its way to its viewers: `init`, and what one who comes now begins with."""

    def __init__(self, init: bytes, *, sound: bool) -> None:
        """Take the init; sound has no keyframes to begin with."""
        self.sound = sound
        self._init = init
        self._recent: list[bytes] = []
        self._viewers: set[Viewer] = set()

    @property
    def viewers(self) -> int:
        """Return how many answers are open."""
        return len(self._viewers)

    def send(self, body: bytes, *, sync: bool) -> None:
        """Send a fragment to everybody; with a picture that is `sync` one may begin."""
        if self.sound:
            del self._recent[: max(0, len(self._recent) - _CALM_UNITS)]
        elif sync:
            self._recent.clear()
        self._recent.append(body)
        wrapped: dict[Wrap, bytes] = {}
        for viewer in tuple(self._viewers):
            if viewer.wrap not in wrapped:
                wrapped[viewer.wrap] = viewer.wrap(body)
            viewer.send(wrapped[viewer.wrap])

    def over(self) -> None:
        """End the answers of all."""
        for viewer in tuple(self._viewers):
            viewer.finish()
        self._viewers.clear()

    def join(self, viewer: Viewer) -> None:
        """Let a viewer in."""
        viewer.send(b"".join(map(viewer.wrap, (self._init, *self._recent))))
        self._viewers.add(viewer)

    def leave(self, viewer: Viewer) -> None:
        """Let a viewer go."""
        self._viewers.discard(viewer)


class Push:
    """What of a broadcast is pushed. Everything is called on the event loop and never waits."""

    def __init__(self, *, most: int = 500) -> None:
        """Take how many viewers there may be at one time."""
        self._most = most
        self._fans: dict[str, Fan] = {}
        self._sequence: dict[str, int] = {}

    @property
    def viewers(self) -> int:
        """Return how many answers are open."""
        return sum(fan.viewers for fan in self._fans.values())

    def begin(self, life: Life, inits: Mapping[str, bytes]) -> None:
        """Begin a life; who watched the one before has to ask again, for another init."""
        self.over()
        self._fans = {name: Fan(body, sound=life.is_sound(name)) for name, body in inits.items()}
        self._sequence = dict.fromkeys(inits, 0)

    def sample(self, rendition: str, sample: Sample) -> None:
        """Send a frame to everybody; the encoder's priming, before all time, to nobody."""
        fan = self._fans.get(rendition)
        if fan is None or sample.time < 0:
            return
        self._sequence[rendition] += 1
        duration = AAC_FRAME if fan.sound else sample.duration
        body = parts.fragment([replace(sample, duration=duration)], sequence=self._sequence[rendition])
        fan.send(body, sync=sample.sync)

    def over(self) -> None:
        """End the answers of all: this life has no more frames."""
        fans, self._fans = self._fans, {}
        for fan in fans.values():
            fan.over()

    @property
    def room(self) -> bool:
        """Say whether one more viewer may join."""
        return self.viewers < self._most

    def knows(self, rendition: str) -> bool:
        """Say whether there is such a rendition to be pushed."""
        return rendition in self._fans

    def join(self, rendition: str, viewer: Viewer) -> None:
        """Let a viewer in. Raise KeyError where nothing is pushed."""
        self._fans[rendition].join(viewer)

    def leave(self, rendition: str, viewer: Viewer) -> None:
        """Let a viewer go."""
        fan = self._fans.get(rendition)
        if fan is not None:
            fan.leave(viewer)
