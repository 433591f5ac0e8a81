"""Lives of live encoders that tests make up."""

from __future__ import annotations

from fractions import Fraction

from packager import boxes
from packager.cutter import Sample
from packager.life import Aired, Life, Reach
from packager.parts import fragment
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


def init(lived: Life, name: str) -> bytes:
    """Return as much of an init segment as is read of it."""
    entry = boxes.box("mp4a") if lived.is_sound(name) else _avc()
    table = boxes.full_box("stsd", 0, 0, (1).to_bytes(4), entry)
    path = boxes.box("mdia", boxes.box("minf", boxes.box("stbl", table)))
    extends = boxes.box("mvex", boxes.full_box("trex", 0, 0, *((1).to_bytes(4),) * 2, bytes(12)))
    return boxes.box("ftyp", b"iso6") + boxes.box("moov", boxes.box("trak", path), extends)


def _avc() -> bytes:
    return boxes.box("avc1", bytes(78), boxes.box("avcC", bytes((1, 0x64, 0, 0x1E))))


def segment(lived: Life, name: str, number: int, *, parts: int = 5) -> bytes:
    """Return a segment of one sample that ends where its last part does."""
    begin, end = lived.border(name, number), lived.border(name, number, parts)
    return fragment([Sample(time=begin, duration=end - begin, sync=True, data=b"x")], sequence=1)
