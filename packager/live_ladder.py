"""Which rungs a live stream gets: what its picture deserves, down to what the machine can carry."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from packager.ladder import RATES, Effort, rung, sides
from packager.plan import AudioRung, VideoRung

CORE_PIXELS = 45_000_000
"""Pixels a second that a core encodes with x264 veryfast and zerolatency, the source's decode included."""

_SHARE = Fraction(7, 10)
"""How much of the processor encoders may take: pictures differ, and a server has more to do."""

_FASTEST = 60
_MOST = 4
_AUDIO = 128_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a publisher sends: pixels, frames a second, and its sound; 0 channels where it has none."""

    width: int
    height: int
    rate: Fraction
    sample_rate: int = 0
    channels: int = 0


def budget(cores: int) -> int:
    """Return how many pixels a second may be encoded on so many cores."""
    return int(cores * CORE_PIXELS * _SHARE)


def output_rate(rate: Fraction) -> Fraction:
    """Return the constant rate of all rungs: the nearest standard one, and above 60 the half."""
    while rate > _FASTEST:
        rate /= 2
    near = min(RATES, key=lambda standard: abs(standard - rate))
    return near if abs(near - rate) <= near / 50 else rate.limit_denominator(1001)


def video_rungs(offer: Offer, *, pixels: int, effort: Effort) -> tuple[VideoRung, ...]:
    """Return the rungs from the top down that together cost at most `pixels` a second, at least the lowest.

    The top one is dropped first: a picture that is smaller goes on, one that is late does not.
    """
    rate = output_rate(offer.rate)
    side = min(offer.width, offer.height)
    fast = rate > 30
    made = [
        rung(offer.width, offer.height, one, fast=fast, effort=effort) for one in sides(side, effort=effort)
    ]
    while len(made) > 1 and sum(one.width * one.height for one in made) * rate > pixels:
        del made[0]
    return tuple(_thinned(made))


def beside(offer: Offer, *, bits: int, pixels: int, effort: Effort) -> tuple[VideoRung, ...]:
    """Return the rung of pictures that are passed through, of so many bits a second, and those below it.

    Nothing of it is encoded; the others together cost at most `pixels` a second, and there may be none.
    """
    rate = output_rate(offer.rate)
    side = min(offer.width, offer.height)
    made = [
        rung(offer.width, offer.height, one, fast=rate > 30, effort=effort)
        for one in sides(side, effort=effort)
        if one < side * _SMALLER
    ]
    while made and sum(one.width * one.height for one in made) * rate > pixels:
        del made[0]
    own = VideoRung(
        name=f"{side}p",
        width=offer.width,
        height=offer.height,
        maxrate=bits,
        buffer=bits,
        crf=0,
        preset="",
        threads=0,
    )
    return (own, *_thinned(made))


_SMALLER = Fraction(9, 10)
"""A rung that is hardly smaller than the pictures that are passed through would show the same again."""


def _thinned(rungs: list[VideoRung]) -> list[VideoRung]:
    """Leave out rungs between the top and the bottom where there are more than players choose among."""
    while len(rungs) > _MOST:
        del rungs[-2]
    return rungs


def audio_rung(offer: Offer) -> AudioRung | None:
    """Return the rung of the sound, stereo always; None without sound."""
    if not offer.channels:
        return None
    return AudioRung(
        name="audio-0",
        track=1,
        channels=2,
        sample_rate=44_100 if offer.sample_rate == 44_100 else 48_000,
        bitrate=_AUDIO,
        default=True,
    )
