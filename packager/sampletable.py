"""The sample tables of an MP4 or MOV file, straight from its moov (ISO/IEC 14496-12 §8), without its media.

FFmpeg's index holds decode times only; frames are shown at composition times, so the tables are read here.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from packager.boxes import Box, find, read_header, walk
from packager.errors import BadBoxes
from packager.index import Flags, Ticks

_MOOV = 128 << 20
_SAMPLES = 6_000_000
_TOP_BOXES = 100_000
_BLOCK = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """An edit list's entry (§8.6.6): `duration` in movie ticks, `media_time` in track ticks, -1 is empty."""

    duration: int
    media_time: int
    rate: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SampleTable:
    """Every sample of a track, in decode order: ticks of `timescale` on the media's own time line, bytes."""

    timescale: int
    dts: Ticks
    pts: Ticks
    durations: Ticks
    offsets: Ticks
    sizes: Ticks
    key: Flags

    def __len__(self) -> int:
        return len(self.dts)

    def pick(self, chosen: Flags) -> SampleTable:
        """Return the table of the chosen samples only."""
        if chosen.all():  # a copy of hours costs as long as reading them
            return self
        return SampleTable(
            timescale=self.timescale,
            dts=self.dts[chosen],
            pts=self.pts[chosen],
            durations=self.durations[chosen],
            offsets=self.offsets[chosen],
            sizes=self.sizes[chosen],
            key=self.key[chosen],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One trak box, its tables not yet unfolded. `handler` is "vide", "soun" …, `formats` the sample entries.

    `duration` is the sum of all sample durations in ticks of `timescale`; `header` and `stsd` are the tkhd
    and stsd boxes whole.
    """

    number: int
    handler: str
    timescale: int
    movie_timescale: int
    header: bytes
    stsd: bytes
    formats: tuple[str, ...]
    protected: bool
    edits: tuple[Edit, ...]
    count: int
    duration: int
    last_chunk: int
    tables: memoryview

    @property
    def simple(self) -> bool:
        """Say whether the edit list is only a delay and a cut at either end, at normal speed."""
        kept = [edit for edit in self.edits if edit.media_time >= 0]
        delays = self.edits[: len(self.edits) - len(kept)]
        return (
            len(kept) <= 1
            and all(edit.media_time == -1 for edit in delays)
            and all(edit.rate == 1 << 16 for edit in kept)
            and (bool(kept) or not self.edits)
        )

    @property
    def shift(self) -> int:
        """Return what turns a media time into a presentation time, in ticks: empty edits less the cut."""
        delay = sum(edit.duration for edit in self.edits if edit.media_time == -1)
        cut = next((edit.media_time for edit in self.edits if edit.media_time >= 0), 0)
        return self._ticks(delay) - cut

    @property
    def shown(self) -> tuple[int, int | None]:
        """Return the media times from which to which (excluded; None is the end) the track is shown."""
        for edit in self.edits:
            if edit.media_time >= 0:
                # A duration of 0 means all the rest (§8.6.6.1).
                return edit.media_time, edit.media_time + self._ticks(
                    edit.duration
                ) if edit.duration else None
        return 0, None

    def samples(self) -> SampleTable:
        """Unfold the tables. Raise BadBoxes where they contradict each other or are too long."""
        return _unfold(self)

    def _ticks(self, movie_ticks: int) -> int:
        """Convert movie ticks to the track's, to the nearest as FFmpeg does."""
        return round_half_up(Fraction(movie_ticks * self.timescale, self.movie_timescale))


def round_half_up(value: Fraction) -> int:
    """Round to the nearest integer, halves upwards."""
    return (value + Fraction(1, 2)).__floor__()


def read_moov(descriptor: int, size: int) -> bytes | None:
    """Return the moov box of an open file of `size` bytes, None where it has none or only its beginning.

    Raise BadBoxes where the file is not made of boxes.
    """
    start = 0
    for _ in range(_TOP_BOXES):
        head = os.pread(descriptor, 16, start)
        box = read_header(head, 0)
        if box is None:
            return None
        reach = box.end
        if head[:4] == b"\0\0\0\0":  # up to the end of the file (§4.2)
            reach = size - start
        if box.type == "moov":
            if reach > _MOOV:
                raise BadBoxes("the moov box is too large", evidence=str(reach))
            moov = os.pread(descriptor, reach, start)
            return moov if len(moov) == reach else None
        start += reach
        if start >= size:
            return None
    raise BadBoxes("too many boxes")


def fragmented(moov: bytes) -> bool:
    """Say whether samples follow in movie fragments (§8.8.1). Raise BadBoxes."""
    outer = find(moov, "moov")
    return any(box.type == "mvex" for box in walk(moov, outer.body, outer.end))


def parse_moov(moov: bytes) -> tuple[Track, ...]:
    """Return the tracks of a moov box in file order. Raise BadBoxes."""
    view = memoryview(moov)
    try:
        outer = find(view, "moov")
        movie = find(view, "mvhd", outer.body, outer.end)
        scale = _u32(view, movie.body + (20 if view[movie.body] == 1 else 12), movie.end)
        return tuple(
            _track(view, box, scale) for box in walk(view, outer.body, outer.end) if box.type == "trak"
        )
    except (struct.error, IndexError, ValueError, OverflowError, ZeroDivisionError) as error:
        raise BadBoxes("the moov box cannot be read", evidence=repr(error)) from error


def _track(view: memoryview, trak: Box, movie_timescale: int) -> Track:
    """Read one trak box."""
    head = find(view, "tkhd", trak.body, trak.end)
    media = find(view, "mdia", trak.body, trak.end)
    clock = find(view, "mdhd", media.body, media.end)
    handler = find(view, "hdlr", media.body, media.end)
    tables = find(view, "minf.stbl", media.body, media.end)
    stsd = find(view, "stsd", tables.body, tables.end)
    timescale = _u32(view, clock.body + (20 if view[clock.body] == 1 else 12), clock.end)
    if not timescale or not movie_timescale:
        raise BadBoxes("a timescale is 0")
    counts, deltas = _pairs(view, find(view, "stts", tables.body, tables.end))
    entries = tuple(walk(view, stsd.body + 8, stsd.end))
    chunks = _chunks(view, tables)
    return Track(
        number=_u32(view, head.body + (20 if view[head.body] == 1 else 12), head.end),
        handler=bytes(view[handler.body + 8 : handler.body + 12]).decode("latin-1"),
        timescale=timescale,
        movie_timescale=movie_timescale,
        header=bytes(view[head.start : head.end]),
        stsd=bytes(view[stsd.start : stsd.end]),
        formats=tuple(entry.type for entry in entries),
        protected=any(_protected(view, entry) for entry in entries),
        edits=_edits(view, trak),
        count=int(counts.sum()),
        duration=int((counts * deltas).sum()),
        last_chunk=int(chunks.max()) if len(chunks) else 0,
        tables=view[tables.body : tables.end],
    )


def _protected(view: memoryview, entry: Box) -> bool:
    """Say whether a sample entry is encrypted: by its name, or by a sinf box (ISO/IEC 14496-12 §8.12)."""
    return entry.type in {"encv", "enca", "enct", "encs"} or b"sinf" in bytes(view[entry.body : entry.end])


def _edits(view: memoryview, trak: Box) -> tuple[Edit, ...]:
    """Read the edit list, empty where there is none."""
    edts = next((box for box in walk(view, trak.body, trak.end) if box.type == "edts"), None)
    elst = edts and next((box for box in walk(view, edts.body, edts.end) if box.type == "elst"), None)
    if not elst:
        return ()
    layout = struct.Struct(">Qqi" if view[elst.body] == 1 else ">Iii")
    count = _u32(view, elst.body + 4, elst.end)
    if elst.body + 8 + count * layout.size > elst.end:
        raise BadBoxes("the edit list is longer than its box")
    rows = (layout.unpack_from(view, elst.body + 8 + row * layout.size) for row in range(count))
    return tuple(Edit(duration=length, media_time=start, rate=rate) for length, start, rate in rows)


def _unfold(track: Track) -> SampleTable:
    """Unfold a track's run-length tables into one row a sample."""
    view = track.tables
    try:
        whole = {box.type: box for box in walk(view)}
        sizes = _sizes(view, whole)
        count = len(sizes)
        durations = _expand(*_pairs(view, whole["stts"]), count)
        if count and int(durations.max()) > 0x7FFFFFFF:
            raise BadBoxes("a sample lasts a negative time")
        dts = _before(durations)
        pts = dts
        if "ctts" in whole:
            # Version 0 is unsigned by the book, yet files carry negative offsets in it.
            runs, offsets = _pairs(view, whole["ctts"])
            pts = dts + _expand(runs, offsets.astype(np.uint32).view(np.int32).astype(np.int64), count)
        key = np.ones(count, dtype=np.bool_)
        if "stss" in whole:
            marks = _numbers(view, whole["stss"], 4, ">u4") - 1
            key[:] = False
            key[marks[(marks >= 0) & (marks < count)]] = True
        offsets = _offsets(view, whole, sizes)
    except (struct.error, KeyError, IndexError, ValueError, OverflowError) as error:
        raise BadBoxes("a sample table cannot be read", evidence=repr(error)) from error
    return SampleTable(
        timescale=track.timescale,
        dts=dts,
        pts=pts,
        durations=durations,
        offsets=offsets,
        sizes=sizes,
        key=key,
    )


def _sizes(view: memoryview, whole: dict[str, Box]) -> Ticks:
    """Read stsz or stz2 (§8.7.3)."""
    if "stsz" in whole:
        box = whole["stsz"]
        same, count = _u32(view, box.body + 4, box.end), _u32(view, box.body + 8, box.end)
        if count > _SAMPLES:
            raise BadBoxes("too many samples", evidence=str(count))
        return np.full(count, same, dtype=np.int64) if same else _numbers(view, box, 8, ">u4")
    box = whole["stz2"]
    width, count = _u32(view, box.body + 4, box.end) & 0xFF, _u32(view, box.body + 8, box.end)
    if width == 4:
        raw = np.frombuffer(view[box.body + 12 : box.end], np.uint8)
        return np.stack((raw >> 4, raw & 15), axis=1).reshape(-1)[:count].astype(np.int64)
    return _numbers(view, box, 8, ">u1" if width == 8 else ">u2")


def in_blocks(track: Track) -> SampleTable | None:
    """Return the table of a track of PCM, up to 4096 neighbours taken as one sample.

    None where its samples are not all of one size and duration. Raise BadBoxes.
    """
    view = track.tables
    try:
        whole = {box.type: box for box in walk(view)}
        size, count = (_u32(view, whole["stsz"].body + at, whole["stsz"].end) for at in (4, 8))
        counts, deltas = _pairs(view, whole["stts"])
        starts = _chunk_starts(view, whole)
        lengths = _per_chunk(view, whole, len(starts))
    except (struct.error, KeyError, IndexError, ValueError, OverflowError) as error:
        raise BadBoxes("a sample table cannot be read", evidence=repr(error)) from error
    if not size or len(counts) != 1 or counts[0] < count or not deltas[0]:
        return None
    firsts = np.cumsum(lengths) - lengths
    lengths = np.clip(count - firsts, 0, lengths)
    blocks = -(-lengths // _BLOCK)
    if blocks.sum() > _SAMPLES:
        raise BadBoxes("too many samples", evidence=str(count))
    chunk = np.repeat(np.arange(len(starts)), blocks)
    within = (np.arange(len(chunk)) - np.repeat(np.cumsum(blocks) - blocks, blocks)) * _BLOCK
    taken = np.minimum(_BLOCK, lengths[chunk] - within)
    dts = (firsts[chunk] + within) * deltas[0]
    return SampleTable(
        timescale=track.timescale,
        dts=dts,
        pts=dts,
        durations=taken * deltas[0],
        offsets=starts[chunk] + within * size,
        sizes=taken * size,
        key=np.ones(len(dts), dtype=np.bool_),
    )


def _chunk_starts(view: memoryview, whole: dict[str, Box]) -> Ticks:
    """Read stco or co64 (§8.7.5)."""
    if "co64" in whole:
        return _numbers(view, whole["co64"], 4, ">u8")
    return _numbers(view, whole["stco"], 4, ">u4")


def _per_chunk(view: memoryview, whole: dict[str, Box], chunks: int) -> Ticks:
    """Return how many samples each chunk has, by stsc (§8.7.4)."""
    rows = _numbers(view, whole["stsc"], 4, ">u4", columns=3).reshape(-1, 3)
    firsts = np.append(rows[:, 0] - 1, chunks)
    if not len(rows) or firsts[0] != 0 or (np.diff(firsts) < 0).any():
        raise BadBoxes("stsc is out of order")
    per_chunk: Ticks = np.repeat(rows[:, 1], np.diff(firsts))
    return per_chunk


def _offsets(view: memoryview, whole: dict[str, Box], sizes: Ticks) -> Ticks:
    """Lay the samples out in their chunks."""
    count = len(sizes)
    starts = _chunk_starts(view, whole)
    if not count:
        return np.zeros(0, dtype=np.int64)
    per_chunk = _per_chunk(view, whole, len(starts))
    offsets = _before(sizes)
    firsts = _before(per_chunk).clip(max=count - 1)
    offsets += _expand(per_chunk, starts - offsets[firsts], count)
    return offsets


def _before(lengths: Ticks) -> Ticks:
    """Return the sum of all that stands before each."""
    sums = np.cumsum(lengths)
    sums -= lengths
    return sums


def _chunks(view: memoryview, tables: Box) -> Ticks:
    """Return the chunk offsets of a track, none where the table is missing."""
    for box in walk(view, tables.body, tables.end):
        if box.type in {"stco", "co64"}:
            return _numbers(view, box, 4, ">u4" if box.type == "stco" else ">u8")
    return np.zeros(0, dtype=np.int64)


def _expand(counts: Ticks, values: Ticks, total: int) -> Ticks:
    """Repeat each value by its count, `total` rows in all, never more whatever the counts say."""
    ends = np.minimum(np.cumsum(counts), total)
    result = np.repeat(values, np.diff(ends, prepend=0))
    if len(result) != total:
        raise BadBoxes("a sample table is too short", evidence=f"{len(result)} of {total}")
    return result


def _pairs(view: memoryview, box: Box) -> tuple[Ticks, Ticks]:
    """Read a table of (count, value) rows such as stts."""
    rows = _numbers(view, box, 4, ">u4", columns=2).reshape(-1, 2)
    return rows[:, 0], rows[:, 1]


def _numbers(view: memoryview, box: Box, at: int, kind: str, *, columns: int = 1) -> Ticks:
    """Read a counted table of big-endian numbers; its count stands `at` bytes into the box's content."""
    count = _u32(view, box.body + at, box.end) * columns
    start = box.body + at + 4
    if start + count * np.dtype(kind).itemsize > box.end:
        raise BadBoxes(f"the {box.type} table is longer than its box")
    numbers: NDArray[np.int64] = np.frombuffer(view, kind, count, start).astype(np.int64)
    return numbers


def _u32(view: memoryview, place: int, end: int) -> int:
    """Read an unsigned number that has to lie before `end`."""
    if place + 4 > end:
        raise BadBoxes("a box is too short")
    return int(struct.unpack_from(">I", view, place)[0])
