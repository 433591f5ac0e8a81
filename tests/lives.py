"""Lives of live encoders that tests make up."""

from __future__ import annotations

from fractions import Fraction

from packager.life import Aired, Life, Reach
from packager.plan import AudioRung, VideoRung

SOUND = AudioRung(name="audio-0", track=1, channels=2, sample_rate=48_000, bitrate=128_000)


def rung(height: int) -> VideoRung:
    """Return a rung of pictures of this height, twice as wide."""
    return VideoRung(
        name=f"{height}p",
        width=height * 2,
        height=height,
        maxrate=height * 2000,
        buffer=height * 2000,
        crf=23,
        preset="veryfast",
        threads=1,
    )


def life(generation: str = "l1", *, first: int = 0, heights: tuple[int, ...] = (360, 180)) -> Life:
    """Return a life of 25 frames a second with sound: segments of 50 frames in five parts."""
    return Life(
        generation=generation,
        rate=Fraction(25),
        part_frames=10,
        parts=5,
        started=1_800_000_000_000 + first * 2000,
        first=first,
        video=tuple(rung(height) for height in heights),
        audio=SOUND,
    )


def over(lived: Life, segments: int) -> Aired:
    """Return a life that ended with so many whole segments of each rendition."""
    return Aired(life=lived, reach={name: Reach(segments=segments) for name in lived.names}, over=True)
