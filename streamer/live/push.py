"""Frames sent on as they are encoded, to every viewer, none of whom holds up another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
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
        body = parts.fragment([replace(sample, duration=duration)], sequence=track.sequence)
        if track.sound:
            del track.recent[: max(0, len(track.recent) - _CALM_UNITS)]
        elif sample.sync:
            track.recent.clear()
        track.recent.append(body)
        wrapped: dict[Wrap, bytes] = {}
        for viewer in tuple(self._viewers[rendition]):
            if viewer.wrap not in wrapped:
                wrapped[viewer.wrap] = viewer.wrap(body)
            viewer.send(wrapped[viewer.wrap])

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
        viewer.send(b"".join(map(viewer.wrap, (track.init, *track.recent))))
        self._viewers[rendition].add(viewer)

    def leave(self, rendition: str, viewer: Viewer) -> None:
        """Let a viewer go."""
        self._viewers.get(rendition, set()).discard(viewer)
