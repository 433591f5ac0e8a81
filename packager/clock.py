"""How the container's time, in which a source is read, and media time belong together."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from packager.model import Grid
from packager.plan import AudioRung, Picture
from packager.timeline import AAC_FRAME

PRE_ROLL = 8
"""AAC frames encoded before a Run's first one and dropped: joints as clean as one continuous encode."""

UNINDEXED_EARLY = Fraction(4)
"""Seconds to seek early in containers without an index: a plain seek in MPEG-TS loses frames."""

_AUDIO_EARLY = Fraction(1)
"""Seconds of sound decoded before a Run's own: decoders need some, and resampling is to have settled."""

_AUDIO_LATE = Fraction(1, 4)

_ROUNDED = Fraction(2, 1000)
"""Seconds that rounding to milliseconds can put between two frames: of their times, and of the delay."""


def picture_time(picture: Picture, border: int) -> Fraction:
    """Return the container time of a border in seconds."""
    if picture.grid is Grid.KEYFRAME:
        return (border + picture.origin) * picture.time_base
    lead = Fraction(picture.lead) / picture.rate
    return Fraction(border, picture.timescale) - lead + picture.first * picture.time_base


def sound_span(rung: AudioRung, *, origin: Fraction, first: int, last: int) -> tuple[Fraction, Fraction]:
    """Return from when to when a track is read to encode access units first to last, in container seconds."""
    start, end = max(0, first - PRE_ROLL) * AAC_FRAME, (last + 1) * AAC_FRAME
    begin = origin + Fraction(start, rung.sample_rate) - _AUDIO_EARLY
    return begin, origin + Fraction(end, rung.sample_rate) + _AUDIO_LATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """How a track's container time becomes media time, in samples at the source's `rate`.

    `origin` is container seconds, `start` and `end` where the track begins and ends in media seconds,
    `first_frame` is as in AudioTrack.
    """

    rate: int
    origin: Fraction
    start: Fraction
    end: Fraction
    first_frame: int

    def expression(self, shift: int) -> str:
        """Return the new time of a frame.

        Where the container rounds times, each Run would begin up to half a millisecond off, which is a click
        at every joint. So a frame is put where it is by counting from the first one, unless it is too far
        from there: behind a hole, or where the sound card's clock was not the container's.
        """
        moved = f"PTS-({round((self.origin + shift) * self.rate)})"
        if not self.first_frame:
            return moved
        second = round(self.start * self.rate) + self.first_frame
        counted = f"{second}+NB_SAMPLES*round((ld(0)-({second}))/NB_SAMPLES)"
        near = round(_ROUNDED * self.rate)
        return f"st(0,{moved});st(1,{counted});if(lte(abs(ld(1)-ld(0)),{near}),ld(1),ld(0))"
