"""Render the HLS playlists of a broadcast (RFC 8216bis): low-latency, plain, and final."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from packager import airtime, hls, keys, live_present
from packager.dateranges import DateRanges
from packager.life import PARTS_HELD, Aired, Life, carried
from packager.live_rows import MICROSECOND, Gap, Rows
from packager.model import Rendition

VERSION = 9
"""EXT-X-SKIP asks for 9 (RFC 8216bis §8)."""

PARTS_SHOWN = 3
"""Parts are listed within so many target durations from the end (§4.4.4.9)."""

SKIP_UNTIL = 6
"""CAN-SKIP-UNTIL in target durations, the least there may be (§4.4.3.8)."""

_HOLD_BACK = 3
"""HOLD-BACK in target durations, the least there may be (§4.4.3.8)."""

_LEAST_WINDOW = 4
"""Target durations that stay listed, however short a window is asked for (§6.2.2 asks for three)."""

_NO_RANGES = DateRanges()


def multivariant(lives: Sequence[Aired], codecs: Mapping[str, str], *, text: Sequence[Rendition] = ()) -> str:
    """Return the multivariant playlist: the rungs on air, or all that were once it is over."""
    return hls.multivariant(replace(live_present.ladder(lives, codecs), text=tuple(text)))


def text(lives: Sequence[Aired], codecs: Mapping[str, str], rendition: Rendition) -> str:
    """Return the playlist of captions over all of a broadcast that is over."""
    whole = live_present.ladder(lives, codecs)
    length = sum((aired.seconds for aired in lives), Fraction(0))
    return hls.text(rendition, replace(whole, started=lives[0].life.started // 1000, duration=length))


def edge(last: Aired, carrier: str) -> tuple[int, int]:
    """Return (media sequence number, part) of what comes next in a playlist; `last` is the latest life."""
    return last.life.first + last.whole(carrier), 0 if last.over else last.reach[carrier].parts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """The segments of one life that are listed: from `first` to before `stop`."""

    aired: Aired
    rows: Rows
    first: int
    stop: int

    @property
    def count(self) -> int:
        return self.stop - self.first

    @property
    def growing(self) -> bool:
        return not self.aired.over and self.aired.reach[self.rows.carrier].parts > 0


class MediaPlaylist:
    """The playlist of one rendition. Each segment's lines are written once and then only put together.

    `window` is how many seconds stay listed, None for all. TARGETDURATION and what is said of parts follow
    from the first life and never change. What is a `gap` is listed as one.
    """

    def __init__(
        self,
        name: str,
        *,
        window: int | None = None,
        low_latency: bool = True,
        gap: Gap = lambda *_: False,
    ) -> None:
        self._name = name
        self._gap = gap
        self._window = window
        self._parts = low_latency
        self._rows: dict[str, Rows] = {}

    def render(
        self,
        lives: Sequence[Aired],
        *,
        ended: bool = False,
        skip: bool = False,
        ranges: DateRanges = _NO_RANGES,
    ) -> str:
        """Return the playlist as it is now. `skip` leaves out what a client has seen before (§6.2.5.1).

        Once the broadcast has `ended` it is final; with no window it is then the recording. Markers are
        listed from the window's beginning on, always all of them: CAN-SKIP-DATERANGES is not offered.
        """
        first = lives[0].life
        spans = self._spans(lives)
        parts = self._parts and not ended
        target = first.target_duration * MICROSECOND
        tail = spans[-1].rows.growing(spans[-1].aired) if parts and spans else 0
        shown = max(_bare(spans, tail, PARTS_SHOWN * target), _cut(spans)) if parts else _count(spans)
        skipped = _older(spans, tail, SKIP_UNTIL * target) if parts and skip and self._skips(first) else 0
        return "".join(
            (
                self._head(lives, spans, ended=ended),
                _dated(lives, spans, ranges, ended=ended),
                f"#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}\n" if skipped else "",
                *_listed(spans, skipped=skipped, shown=shown, parts=parts),
                *(self._next(lives, spans) if parts else ()),
                "#EXT-X-ENDLIST\n" if ended else "",
            )
        )

    def _spans(self, lives: Sequence[Aired]) -> list[_Span]:
        """Return what is listed of each life, and drop the lines of those that no longer are."""
        carriers = carried([aired.life for aired in lives], self._name)
        spans: list[_Span] = []
        left = None if self._window is None else Fraction(self._least(lives[0].life))
        for aired, carrier in reversed(list(zip(lives, carriers, strict=True))):
            if left is not None and left <= 0:
                break
            stop, length = aired.whole(carrier), aired.life.segment_seconds
            first = aired.begin if left is None else max(aired.begin, stop - -(-left // length))
            left = None if left is None else left - (stop - first) * length
            generation = aired.life.generation
            rows = self._rows.setdefault(generation, Rows(aired.life, carrier, self._gap))
            rows.grow(aired, first, stop)
            spans.insert(0, _Span(aired=aired, rows=rows, first=first, stop=stop))
        kept = {span.aired.life.generation for span in spans}
        self._rows = {name: rows for name, rows in self._rows.items() if name in kept}
        return [span for span in spans if span.count or span.growing]

    def _least(self, first: Life) -> int:
        return max(self._window or 0, _LEAST_WINDOW * first.target_duration)

    def _skips(self, first: Life) -> bool:
        """Say whether delta updates are offered: where the window is longer than what they may not skip."""
        return self._window is None or self._window > SKIP_UNTIL * first.target_duration

    def _head(self, lives: Sequence[Aired], spans: Sequence[_Span], *, ended: bool) -> str:
        first = lives[0].life
        begin = spans[0].aired.life.first + spans[0].first if spans else first.first
        before = [aired.segments > 0 for aired in lives if aired.life.first < begin]
        removed = sum(before) - (bool(spans) and spans[0].first > 0)
        final = ended and self._window is None
        lines = [
            "#EXTM3U",
            f"#EXT-X-VERSION:{VERSION}",
            f"#EXT-X-TARGETDURATION:{first.target_duration}",
            *(self._control(first) if self._parts and not ended else ()),
            f"#EXT-X-MEDIA-SEQUENCE:{begin}",
            f"#EXT-X-DISCONTINUITY-SEQUENCE:{removed}",
            *(("#EXT-X-PLAYLIST-TYPE:VOD",) if final else ()),
        ]
        return "\n".join(lines) + "\n"

    def _control(self, first: Life) -> tuple[str, str]:
        target, part = first.target_duration, first.part_target(carried([first], self._name)[0])
        skip = f",CAN-SKIP-UNTIL={SKIP_UNTIL * target}" if self._skips(first) else ""
        held = f"PART-HOLD-BACK={_decimal(PARTS_HELD * part)},HOLD-BACK={_HOLD_BACK * target}"
        return (
            f"#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,{held}{skip}",
            f"#EXT-X-PART-INF:PART-TARGET={_decimal(part)}",
        )

    def _next(self, lives: Sequence[Aired], spans: Sequence[_Span]) -> Iterator[str]:
        """Say which part comes next, and where the other renditions are."""
        last = spans[-1] if spans else None
        reach = last.aired.reach[last.rows.carrier] if last else None
        if last and reach and last.aired is lives[-1] and reach.end is None:
            key = keys.part(last.aired.life.generation, last.rows.carrier, reach.segments, reach.parts)
            yield f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="{key}"\n'
        for name in lives[-1].life.names:
            if name != self._name:
                yield from _report(lives, name)


def _dated(lives: Sequence[Aired], spans: Sequence[_Span], ranges: DateRanges, *, ended: bool) -> str:
    """Return the lines of the markers within the window, and of those that are still to come."""
    if not ranges:
        return ""
    first = spans[0] if spans else None
    begin = airtime.begin(replace(first.aired, begin=first.first) if first else lives[0])
    end = airtime.begin(lives[-1]) + lives[-1].seconds if ended and lives[-1].segments else None
    return ranges.between(begin, end)


def _listed(spans: Sequence[_Span], *, skipped: int, shown: int, parts: bool) -> Iterator[str]:
    """Yield the lines of the listed segments but the first ones, from the `shown`th on with their parts."""
    position = 0
    for number, span in enumerate(spans):
        omitted = min(max(skipped - position, 0), span.count)
        if not omitted:
            yield "#EXT-X-DISCONTINUITY\n" if number else ""
            yield f'#EXT-X-MAP:URI="{keys.init(span.aired.life.generation, span.rows.carrier)}"\n'
        if omitted < span.count or not span.count:
            first = span.first + omitted
            detailed = max(first, min(span.stop, span.first + shown - position))
            yield from span.rows.lines(first, detailed)
            for segment in range(detailed, span.stop):
                yield span.rows.detailed(span.aired, segment)
        position += span.count
    if parts and spans and spans[-1].growing:
        yield spans[-1].rows.unfinished(spans[-1].aired)


def _bare(spans: Sequence[_Span], tail: int, limit: int) -> int:
    """Return how many listed segments are without parts: they begin more than `limit` before the end."""
    return next((place + 1 for place, begin, _ in _backwards(spans, tail) if begin > limit), 0)


def _cut(spans: Sequence[_Span]) -> int:
    """Return how many listed segments are those of a life that lost some at its end, or lie before it.

    They are without parts: behind parts hls.js takes what comes next for a segment of the same life, and
    would play the next life with the init of the one before.
    """
    last = max((number for number, span in enumerate(spans) if span.aired.lost), default=-1)
    return _count(spans[: last + 1])


def _older(spans: Sequence[_Span], tail: int, limit: int) -> int:
    """Return how many listed segments end at least `limit` microseconds before the end of the playlist."""
    return next((place + 1 for place, _, end in _backwards(spans, tail) if end >= limit), 0)


def _backwards(spans: Sequence[_Span], tail: int) -> Iterator[tuple[int, int, int]]:
    """Yield the place of each listed segment, the last one first, and how far before the end it lies.

    That is its beginning and its own end, in microseconds; `tail` is what grows behind the last one.
    """
    place, age = _count(spans), tail
    for span in reversed(spans):
        for segment in reversed(range(span.first, span.stop)):
            place -= 1
            begin = age + span.rows.length(segment)
            yield place, begin, age
            age = begin


def _count(spans: Sequence[_Span]) -> int:
    return sum(span.count for span in spans)


def _report(lives: Sequence[Aired], name: str) -> Iterator[str]:
    """Yield the line that says how far another rendition has come (§4.4.5.4), once it has begun."""
    carriers = carried([aired.life for aired in lives], name)
    number, part = edge(lives[-1], carriers[-1])
    if not part:
        for aired, carrier in reversed(list(zip(lives, carriers, strict=True))):
            if aired.whole(carrier):
                number, part = number - 1, aired.parts(carrier, aired.whole(carrier) - 1)
                break
    if part:
        yield f'#EXT-X-RENDITION-REPORT:URI="{keys.playlist(name)}",LAST-MSN={number},LAST-PART={part - 1}\n'


def _decimal(seconds: Fraction) -> str:
    """Return seconds that are whole milliseconds."""
    milliseconds = seconds.numerator * 1000 // seconds.denominator
    return f"{milliseconds // 1000}.{milliseconds % 1000:03d}"
