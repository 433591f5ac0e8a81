"""Broadcasts to render manifests of: from the first part to the end, in one life or several."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from packager import life, live_hls
from packager.dateranges import DateRanges
from packager.life import Aired, Life, Reach
from packager.marker import Marker
from packager.plan import AudioRung, VideoRung
from tests.unit.marked import marker, spliced

STARTED = 1_795_867_200_250
CODECS = {"720p": "avc1.42c01f", "360p": "avc1.42c01e", "audio-0": "mp4a.40.2"}
SOUND = AudioRung(name="audio-0", track=1, channels=2, sample_rate=48_000, bitrate=128_000, default=True)
ADDRESSES = {"main.m3u8", "720p.m3u8", "360p.m3u8", "audio-0.m3u8"}


def rung(height: int) -> VideoRung:
    """Return a rung of 16:9 pictures."""
    return VideoRung(
        name=f"{height}p",
        width=height * 16 // 9,
        height=height,
        maxrate=height * 3000,
        buffer=height * 3000,
        crf=23,
        preset="veryfast",
        threads=1,
    )


def lived(
    *,
    rate: Fraction = Fraction(25),
    part: Fraction = Fraction(1, 3),
    heights: tuple[int, ...] = (720, 360),
    first: int = 0,
    name: str = "l1",
    sound: bool = True,
) -> Life:
    """Return a life with a rung of each height."""
    frames, parts = life.frames_of(part, rate)
    return Life(
        generation=name,
        rate=rate,
        part_frames=frames,
        parts=parts,
        started=STARTED,
        first=first,
        video=tuple(rung(height) for height in heights),
        audio=SOUND if sound else None,
    )


def aired(lived: Life, segments: int, parts: int = 0) -> Aired:
    """Return a life on air, all renditions equally far."""
    return Aired(life=lived, reach=dict.fromkeys(lived.names, Reach(segments=segments, parts=parts)))


def over(lived: Life, segments: int, parts: int = 0) -> Aired:
    """Return a life that ended with so many parts in a last segment, behind so many whole ones."""
    last = segments + bool(parts)
    reach = {
        name: Reach(
            segments=last, end=lived.border(name, segments, parts) if parts else lived.border(name, last)
        )
        for name in lived.names
    }
    return Aired(life=lived, reach=reach, over=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Lives, and how their playlists are asked for."""

    lives: tuple[Aired, ...]
    window: int | None = 7200
    low_latency: bool = True
    ended: bool = False
    skip: bool = False
    markers: tuple[Marker, ...] = ()

    def playlist(self, name: str) -> str:
        """Return a media playlist."""
        made = live_hls.MediaPlaylist(name, window=self.window, low_latency=self.low_latency)
        ranges = DateRanges(self.markers)
        return made.render(self.lives, ended=self.ended, skip=self.skip, ranges=ranges)

    def playlists(self) -> dict[str, str]:
        """Return all playlists by key."""
        names = [name for name in CODECS if any(name in each.life.names for each in self.lives)]
        made = {f"{name}.m3u8": self.playlist(name) for name in names}
        return {**made, "main.m3u8": live_hls.multivariant(self.lives, CODECS)}


def succession(segments: int = 2, parts: int = 1) -> tuple[Aired, ...]:
    """Return a life that was cut off, and one without its top rung that goes on."""
    first = over(lived(), 4, 2)
    second = replace(lived(heights=(360,), name="l2", first=5), started=STARTED + 14_500)
    return first, aired(second, segments, parts)


def fallen() -> tuple[Aired, ...]:
    """Return a life whose sound has a segment less, because the encoder failed between two parts."""
    whole = over(lived(), 3, 1)
    short = {**whole.reach, "audio-0": Reach(segments=3, end=lived().border("audio-0", 3))}
    second = replace(lived(name="l2", first=4), started=STARTED + 9000)
    return replace(whole, reach=short), aired(second, 1, 2)


def markers() -> tuple[Marker, ...]:
    """Return markers of a succession: in both of its lives, between them, and behind it."""
    at = [Fraction(STARTED, 1000) + Fraction(one) for one in ("0.04", "10", "15", "600")]
    return (
        marker(at[0], number=1, inband=False),
        marker(at[1], number=2),
        spliced(at[2], number=3, inband=False),
        marker(at[3], number=4),
    )


def restarted(segments: int = 1, parts: int = 2) -> tuple[Aired, ...]:
    """Return a life whose server was killed while it grew, and one of the server that came after it."""
    first = replace(over(lived(), 4), lost=2)
    second = replace(lived(name="l2", first=6), started=STARTED + 14_500)
    return first, aired(second, segments, parts)


CASES: dict[str, Callable[[], Case]] = {
    "first-part": lambda: Case(lives=(aired(lived(), 0, 1),)),
    "mid-window": lambda: Case(lives=(aired(lived(), 40, 4),), window=30),
    "successor": lambda: Case(lives=succession()),
    "successor-begins": lambda: Case(lives=succession(segments=0, parts=1)),
    "fallen": lambda: Case(lives=fallen()),
    "killed": lambda: Case(lives=restarted()[:1]),
    "restarted": lambda: Case(lives=restarted()),
    "skip": lambda: Case(lives=(aired(lived(), 12, 3),), skip=True),
    "plain": lambda: Case(lives=(aired(lived(), 6, 2),), low_latency=False),
    "ended": lambda: Case(lives=(over(lived(), 6, 2),), ended=True, window=8),
    "marked": lambda: Case(lives=(aired(lived(), 12, 3),), markers=markers()),
    "marked-recording": lambda: Case(
        lives=(succession()[0], over(succession()[1].life, 2, 1)),
        ended=True,
        window=None,
        markers=markers(),
    ),
    "recording": lambda: Case(
        lives=(succession()[0], over(succession()[1].life, 2, 1)), ended=True, window=None
    ),
}
