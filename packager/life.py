"""The life of one live encoder: the frozen choices, and where its segments and parts begin and end.

A broadcast is one life, or several after one another where an encoder had to be started anew. Everything that
a playlist says of a life follows from this value and from how far each rendition has come.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from pydantic import TypeAdapter

from packager import timeline
from packager.plan import AudioRung, VideoRung
from packager.timeline import AAC_FRAME

SEGMENT_SECONDS = 2
"""The length that a live segment aims at: one group of pictures, so that one can enter at each."""

PARTS_HELD = 3
"""PART-HOLD-BACK in parts (RFC 8216bis §4.4.3.8): how far behind the last part players stay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How far a rendition of a life has come: whole segments, and parts of the one behind them.

    `end` is where the last segment ends, in ticks, once nothing comes behind it: it may be a short one.
    """

    segments: int = 0
    parts: int = 0
    end: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What one encoder makes. Frames come at `rate`; `parts` parts of `part_frames` frames are a segment.

    `generation` is random and stands in the key of every object. `started` is the wall clock of media time 0
    in milliseconds since the epoch, `first` the media sequence number of segment 0. `video` is ordered from
    the top rung down; `audio` is None where the publisher sends no sound. With `passthrough` the top rung is
    the publisher's own pictures; where that was wished for and cannot be, `refusal` says why.
    """

    generation: str
    rate: Fraction
    part_frames: int
    parts: int
    started: int
    first: int
    video: tuple[VideoRung, ...]
    audio: AudioRung | None
    passthrough: bool = False
    refusal: str = ""

    @property
    def timescale(self) -> int:
        """Return the ticks of a second of the pictures' time."""
        return timeline.frame_ticks(self.rate)[0]

    @property
    def frame_ticks(self) -> int:
        """Return the ticks of one frame."""
        return timeline.frame_ticks(self.rate)[1]

    @property
    def segment_frames(self) -> int:
        """Return the frames of a segment."""
        return self.part_frames * self.parts

    @property
    def names(self) -> tuple[str, ...]:
        """Return the renditions, pictures from the top down, then sound."""
        return tuple(rung.name for rung in self.video) + ((self.audio.name,) if self.audio else ())

    @property
    def encoded(self) -> tuple[VideoRung, ...]:
        """Return the rungs of pictures that are encoded, from the top down."""
        return self.video[1:] if self.passthrough else self.video

    @property
    def made(self) -> tuple[str, ...]:
        """Return the renditions that an encoder makes."""
        return self.names[1:] if self.passthrough else self.names

    @property
    def part_seconds(self) -> Fraction:
        """Return the length of a part of pictures."""
        return self.part_frames / self.rate

    @property
    def segment_seconds(self) -> Fraction:
        """Return the length of a segment of pictures."""
        return self.segment_frames / self.rate

    @property
    def target_duration(self) -> int:
        """Return TARGETDURATION: what no segment, rounded to the nearest second, exceeds."""
        return max(1, int(self.segment_seconds + self._unit + Fraction(1, 2)))

    @property
    def _unit(self) -> Fraction:
        return Fraction(AAC_FRAME, self.audio.sample_rate) if self.audio else Fraction(0)

    def follows(self, first: Life) -> bool:
        """Say whether this life may follow in a broadcast that began with `first`.

        Playlists say once, for ever, how long parts and segments are at most, and whether there is sound.
        """
        names = [(rung.name, first.video[0].name) for rung in self.video[:1]]
        if self.audio and first.audio:
            names.append((self.audio.name, first.audio.name))
        return (
            bool(self.audio) == bool(first.audio)
            and self.target_duration <= first.target_duration
            and all(self.part_target(own) <= first.part_target(given) for own, given in names)
        )

    def is_sound(self, name: str) -> bool:
        """Say whether a rendition is the sound."""
        return self.audio is not None and name == self.audio.name

    def scale(self, name: str) -> int:
        """Return the timescale of a rendition."""
        return self.audio.sample_rate if self.audio and self.is_sound(name) else self.timescale

    def part_target(self, name: str) -> Fraction:
        """Return PART-TARGET of a rendition in seconds: its longest part, rounded up to a millisecond."""
        longest = self.part_seconds
        if self.audio and self.is_sound(name):
            longest = ceil(self.part_seconds / self._unit) * self._unit
        return Fraction(ceil(longest * 1000), 1000)

    def border(self, name: str, segment: int, part: int = 0) -> int:
        """Return where a part begins, in ticks: sound at the access unit nearest to the picture's time.

        The part behind the last one of a segment is the first of the next.
        """
        frames = (segment * self.parts + part) * self.part_frames
        if self.audio is None or not self.is_sound(name):
            return frames * self.frame_ticks
        unit = timeline.audio_borders(
            (frames * self.frame_ticks,), timescale=self.timescale, rate=self.audio.sample_rate, ended=False
        )
        return unit[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aired:
    """A life and how far each of its renditions has come; `reach` has all of them.

    What counts begins with the segment `begin`: a clip may leave out those before. Once it is `over` every
    reach has its `end`. An encoder may fail between the last parts of two renditions:
    the one that has a segment less then has a gap in its place, so that all count alike. `lost` are the
    numbers behind those of the segments that a server which was killed may have announced: they stay gaps.
    """

    life: Life
    reach: Mapping[str, Reach]
    over: bool = False
    begin: int = 0
    lost: int = 0

    @property
    def segments(self) -> int:
        """Return how many whole segments the rendition has that has most."""
        return max((one.segments for one in self.reach.values()), default=0)

    @property
    def following(self) -> int:
        """Return the media sequence number behind all that is whole or lost."""
        return self.life.first + self.segments + self.lost

    @property
    def started(self) -> Fraction:
        """Return the media time in seconds at which what counts begins."""
        name = self.life.names[0]
        return Fraction(self.life.border(name, self.begin), self.life.scale(name))

    @property
    def seconds(self) -> Fraction:
        """Return how long what counts is, by its pictures; there is a whole segment."""
        name = self.life.names[0]
        return Fraction(self.end(name, self.segments - 1), self.life.scale(name)) - self.started

    def whole(self, name: str) -> int:
        """Return how many whole segments count for a rendition, gaps among them."""
        return self.segments + self.lost if self.over else self.reach[name].segments

    def end(self, name: str, segment: int) -> int:
        """Return where a whole segment ends, in ticks: the last one of a life may be short."""
        reach = self.reach[name]
        border = self.life.border(name, segment + 1)
        if segment < reach.segments - 1 or segment >= self.segments or reach.end is None:
            return border
        if segment == reach.segments - 1:
            return reach.end
        longest = max(Fraction(one.end or 0, self.life.scale(other)) for other, one in self.reach.items())
        return min(border, max(int(longest * self.life.scale(name)), self.life.border(name, segment) + 1))

    def has(self, name: str, segment: int, part: int) -> bool:
        """Say whether a part is there, or was."""
        return part < self.parts(name, segment)

    def expects(self, name: str, segment: int, part: int = 0) -> bool:
        """Say whether a part is to come soon: of the segment that grows, or of the next one."""
        reach = self.reach[name]
        if self.over or reach.end is not None or part >= self.life.parts:
            return False
        return (reach.segments, reach.parts) <= (segment, part) and segment <= reach.segments + 1

    def parts(self, name: str, segment: int) -> int:
        """Return how many parts of a segment are there."""
        reach = self.reach[name]
        if segment >= reach.segments:
            return reach.parts if segment == reach.segments else 0
        if reach.end is None or segment < reach.segments - 1:
            return self.life.parts
        inner = range(1, self.life.parts)
        return 1 + sum(self.life.border(name, segment, part) < reach.end for part in inner)


def carried(lives: Sequence[Life], name: str) -> tuple[str, ...]:
    """Return by which rendition of each life a rendition of one of them goes on: the nearest not above it.

    Raise KeyError where no life has it.
    """
    known = next((life for life in lives if name in life.names), None)
    if known is None:
        raise KeyError(name)
    if known.is_sound(name):
        return tuple(life.audio.name if life.audio else "" for life in lives)
    height = next(rung.height for rung in known.video if rung.name == name)
    return tuple(_nearest(life, name, height) for life in lives)


def _nearest(life: Life, name: str, height: int) -> str:
    if name in life.names:
        return name
    return next((rung.name for rung in life.video if rung.height <= height), life.video[-1].name)


_LIFE = TypeAdapter(Life)


def to_json(life: Life) -> bytes:
    """Serialise a life."""
    return _LIFE.dump_json(life)


def from_json(text: bytes | str) -> Life:
    """Read a life that `to_json` wrote."""
    return _LIFE.validate_json(text)


def new_generation() -> str:
    """Return a name that no media of an earlier life can have: caches may keep those for a year."""
    return "l" + secrets.token_hex(8)


def frames_of(part_seconds: Fraction, rate: Fraction) -> tuple[int, int]:
    """Return (frames of a part, parts of a segment): parts as near to their length as whole frames allow."""
    frames = max(1, round(part_seconds * rate))
    return frames, max(1, round(SEGMENT_SECONDS * rate / frames))


def frames_between(part_seconds: Fraction, rate: Fraction, *, keyframes: int) -> tuple[int, int] | None:
    """Return (frames of a part, parts of a segment) for keyframes that come every so many frames.

    A segment begins with each of them, or with each of a few. None where no part comes near to its length.
    """
    segment = keyframes * max(1, round(SEGMENT_SECONDS * rate / keyframes))
    wanted = part_seconds * rate
    whole = (frames for frames in range(1, segment + 1) if segment % frames == 0)
    frames = min(whole, key=lambda one: max(one / wanted, wanted / one))
    return (frames, segment // frames) if wanted / 2 < frames < 2 * wanted else None
