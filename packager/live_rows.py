"""The lines that one life adds to a rendition's HLS playlist, each written once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from packager import hls, keys
from packager.life import Aired, Life

Gap: TypeAlias = Callable[[str, str, int], bool]
"""Says of a segment, by generation, rendition and number, whether it cannot be had though it was made."""

MICROSECOND = 1_000_000
_TRIMMED = 512
_DETAILED = 32


class Rows:
    """The segments of one life as lines, in order. `carrier` is the rendition whose files they name.

    Lengths are differences of border times in microseconds: their sum stays with the media.
    """

    def __init__(self, life: Life, carrier: str, gap: Gap = lambda *_: False) -> None:
        self.carrier = carrier
        self._life = life
        self._gap = gap
        self._base = 0
        self._lines: list[str] = []
        self._lengths: list[int] = []
        self._parts: dict[int, list[str]] = {}

    def grow(self, aired: Aired, first: int, stop: int) -> None:
        """Write the lines of segments up to before `stop`; those before `first` are never asked for again."""
        if not self._lines:
            self._base = first
        elif first - self._base > _TRIMMED:
            del self._lines[: first - self._base], self._lengths[: first - self._base]
            self._base = first
        for segment in range(self._base + len(self._lines), stop):
            begin = self._time(self._life.border(self.carrier, segment))
            length = self._time(aired.end(self.carrier, segment)) - begin
            there = segment < aired.reach[self.carrier].segments
            there = there and not self._gap(self._life.generation, self.carrier, segment)
            gap = "" if there else "#EXT-X-GAP\n"
            uri = keys.segment(self._life.generation, self.carrier, segment)
            self._lines.append(f"{self._date(segment)}{gap}{hls.extinf(length)}{uri}\n")
            self._lengths.append(length)

    def length(self, segment: int) -> int:
        """Return the length of a whole segment in microseconds."""
        return self._lengths[segment - self._base]

    def growing(self, aired: Aired) -> int:
        """Return the length of the parts behind the last whole segment in microseconds."""
        reach = aired.reach[self.carrier]
        if aired.over or not reach.parts:
            return 0
        begin = self._life.border(self.carrier, reach.segments)
        return self._time(self._life.border(self.carrier, reach.segments, reach.parts)) - self._time(begin)

    def lines(self, first: int, stop: int) -> Sequence[str]:
        """Return the lines of whole segments, without parts."""
        return self._lines[first - self._base : stop - self._base]

    def detailed(self, aired: Aired, segment: int) -> str:
        """Return the lines of a whole segment with its parts."""
        line = self._lines[segment - self._base]
        dated = len(self._date(segment))
        return line[:dated] + self._listed(aired, segment) + line[dated:]

    def unfinished(self, aired: Aired) -> str:
        """Return the lines of the segment that is growing."""
        segment = aired.reach[self.carrier].segments
        return self._date(segment) + self._listed(aired, segment)

    def _listed(self, aired: Aired, segment: int) -> str:
        """Return the lines of a segment's parts; nobody asks again for those of one far behind."""
        written = self._parts.setdefault(segment, [])
        for part in range(len(written), aired.parts(self.carrier, segment)):
            written.append(self._part(aired, segment, part))
        for old in [number for number in self._parts if number < segment - _DETAILED]:
            del self._parts[old]
        return "".join(written)

    def _part(self, aired: Aired, segment: int, part: int) -> str:
        begin = self._time(self._life.border(self.carrier, segment, part))
        end = self._life.border(self.carrier, segment, part + 1)
        if aired.over or segment < aired.reach[self.carrier].segments:
            end = min(end, aired.end(self.carrier, segment))
        length = self._time(end) - begin
        key = keys.part(self._life.generation, self.carrier, segment, part)
        independent = ",INDEPENDENT=YES" if part == 0 or self._life.is_sound(self.carrier) else ""
        duration = f"{length // MICROSECOND}.{length % MICROSECOND:06d}"
        return f'#EXT-X-PART:DURATION={duration},URI="{key}"{independent}\n'

    def _time(self, ticks: int) -> int:
        return hls.rounded(ticks * MICROSECOND, self._life.scale(self.carrier))

    def _date(self, segment: int) -> str:
        begin = self._life.border(self.carrier, segment)
        since = hls.rounded(begin * 1000, self._life.scale(self.carrier))
        return hls.program_date_time(self._life.started + since) + "\n"
