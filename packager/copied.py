"""Renditions that are the source itself: a segment is a header of a few kB and ranges of the source."""

from __future__ import annotations

import asyncio
import hashlib
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from packager import boxes, description, keys
from packager.errors import PackagingError
from packager.facts import SegmentStored, Sink
from packager.inits import Init, codecs
from packager.jointly import jointly
from packager.original import Original
from packager.plan import AudioRung, CopiedRung, Plan
from packager.store import Store
from packager.tables import Tables, TrackTable

_HEAD = len(boxes.SEGMENT_TYPE) + len(boxes.tabled_fragment(sequence=1, decode_time=0, table=b"")) + 8
_NEAR = 256 << 10
"""Ranges that lie so near to each other are read at once, with what is in between."""

_READ = 16 << 20
_WRITERS = 4
_ENTRY = np.dtype([("duration", ">u4"), ("size", ">u4"), ("flags", ">u4"), ("offset", ">i4")])

Span = tuple[int, int]


class Uncopyable(PackagingError):
    """A track's table does not say what a rendition made of its samples needs."""

    code = "uncopyable"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Copied:
    """One such rendition. It holds no rows: it reads the file of the tables when asked.

    Segment n has the samples `cuts[n]` to `cuts[n + 1]` of the table. `borders` are ticks from the asset's
    start, which is at `origin` on the table's time line. `sizes` are bytes of each segment, `reaches` how
    many bytes of the source it and all before it need.
    """

    generation: str
    name: str
    init: Init
    table: TrackTable
    cuts: NDArray[np.int64]
    borders: tuple[int, ...]
    origin: int
    sizes: NDArray[np.int64]
    reaches: NDArray[np.int64]

    @property
    def segments(self) -> int:
        """Return how many segments it has."""
        return len(self.sizes)

    def reach(self, number: int) -> int:
        """Return how many bytes of the source have to be there for the segments up to this one."""
        return int(self.reaches[number])

    def ready(self, received: int) -> int:
        """Return of how many segments from the first on the source is there."""
        return int(np.searchsorted(self.reaches, received, side="right"))

    async def segment(self, original: Original, number: int) -> bytes:
        """Return a segment. Raise SourceCut where bytes of the source are not there."""
        head, runs = await asyncio.to_thread(self._laid_out, number)
        if len(runs) == 1:
            return head + await original.read(*runs[0])
        groups = list(_grouped(sorted(runs)))
        blocks = [await original.read(*group) for group in groups]
        return await asyncio.to_thread(_joined, head, runs, groups, blocks)

    def _rows(self, number: int) -> NDArray[Any]:
        if not 0 <= number < self.segments:
            raise IndexError(f"{self.name}/{number}")
        return self.table.rows[self.cuts[number] : self.cuts[number + 1]]

    def _laid_out(self, number: int) -> tuple[bytes, list[Span]]:
        """Return a segment up to its first sample, and which ranges of the source follow."""
        rows = np.array(self._rows(number))
        shown = rows["pts"] - self.origin
        shown[0] = self.borders[number]  # the first picture is shown from the start where sound begins before
        # Decode times are the sorted presentation times: the source's own differ from GOP to GOP in VFR.
        decode = np.sort(shown)
        entries = np.empty(len(rows), _ENTRY)
        entries["duration"] = np.diff(decode, append=self.borders[number + 1])
        entries["size"] = rows["size"]
        entries["flags"] = np.where(rows["key"] != 0, boxes.SYNC_SAMPLE, boxes.NON_SYNC_SAMPLE)
        entries["offset"] = shown - decode
        moof = boxes.tabled_fragment(sequence=number + 1, decode_time=int(decode[0]), table=entries.tobytes())
        payload = int(rows["size"].sum(dtype=np.int64))
        return boxes.SEGMENT_TYPE + moof + struct.pack(">I4s", payload + 8, b"mdat"), _runs(rows)


def _runs(rows: NDArray[Any]) -> list[Span]:
    """Return the ranges of the file that the samples make up, in their order."""
    ends = rows["offset"] + rows["size"]
    breaks = np.flatnonzero(rows["offset"][1:] != ends[:-1])
    starts = rows["offset"][np.concatenate(([0], breaks + 1))]
    stops = ends[np.concatenate((breaks, [len(rows) - 1]))]
    return list(zip(starts.tolist(), stops.tolist(), strict=True))


def _grouped(runs: Sequence[Span]) -> Iterator[Span]:
    """Yield what to read at once, for runs in the order of the file."""
    start, stop = runs[0]
    for begin, end in runs[1:]:
        if begin > stop + _NEAR or max(stop, end) - start > _READ:
            yield start, stop
            start, stop = begin, end
        stop = max(stop, end)
    yield start, stop


def _joined(head: bytes, runs: Sequence[Span], groups: Sequence[Span], blocks: Sequence[bytes]) -> bytes:
    starts = [start for start, _ in groups]
    pieces: list[bytes | memoryview] = [head]
    for start, stop in runs:
        at = int(np.searchsorted(starts, start, side="right")) - 1
        pieces.append(memoryview(blocks[at])[start - starts[at] : stop - starts[at]])
    return b"".join(pieces)


def of(plan: Plan, tables: Tables) -> dict[str, Copied]:
    """Return the renditions of a plan that are copied, by name. Raise Uncopyable where the tables differ."""
    found = {rung.name: sound(plan, rung, _table(tables, rung.track)) for rung in plan.audio if rung.copied}
    if plan.copied is not None:
        found |= {plan.copied.name: picture(plan, plan.copied, _table(tables, plan.copied.track))}
    tables.let_go()
    return found


def _table(tables: Tables, track: int) -> TrackTable:
    table = tables.of(track)
    if table is None:
        raise Uncopyable("the source has no table of its samples")
    return table


def picture(plan: Plan, rung: CopiedRung, table: TrackTable) -> Copied:
    """Return the source's video track as a rendition. Raise Uncopyable."""
    if plan.picture is None:
        raise Uncopyable("there is no picture")
    origin = plan.picture.origin
    borders = np.array(plan.shown, np.int64) + origin
    borders[0] = plan.picture.first
    places = np.flatnonzero(table.rows["key"])
    times = table.rows["pts"][places]
    order = np.argsort(times, kind="stable")
    found = np.searchsorted(times, borders[:-1], sorter=order).clip(max=len(places) - 1)
    cuts = places[order][found]
    if not len(places) or (table.rows["pts"][cuts] != borders[:-1]).any() or (np.diff(cuts) <= 0).any():
        raise Uncopyable("the borders are not at its key samples")
    behind = np.flatnonzero(table.rows["pts"][cuts[-1] :] < borders[-1])
    cuts = np.append(cuts, cuts[-1] + behind[-1] + 1)
    shown = table.rows["pts"][: cuts[-1]]
    least, most = (join.reduceat(shown, cuts[:-1]) for join in (np.minimum, np.maximum))
    if (least != borders[:-1]).any() or (most >= borders[1:]).any():
        raise Uncopyable("its samples cross the borders")
    init = _init(table, handler="vide", width=rung.width, height=rung.height)
    return _copied(plan, rung.name, init, table, cuts=cuts, borders=plan.shown, origin=origin)


def sound(plan: Plan, rung: AudioRung, table: TrackTable) -> Copied:
    """Return an audio track of the source as a rendition. Raise Uncopyable."""
    origin = round(plan.origin * rung.sample_rate)
    times = table.rows["pts"] - origin
    cuts = np.searchsorted(times, rung.borders[:-1])
    end = int(np.searchsorted(times, rung.borders[-1]))
    if end <= cuts[-1] or (times[cuts] != rung.borders[:-1]).any():
        raise Uncopyable("the borders are not at its access units")
    init = _init(table, handler="soun")
    return _copied(
        plan, rung.name, init, table, cuts=np.append(cuts, end), borders=rung.borders, origin=origin
    )


def _copied(
    plan: Plan,
    name: str,
    init: Init,
    table: TrackTable,
    *,
    cuts: NDArray[np.int64],
    borders: tuple[int, ...],
    origin: int,
) -> Copied:
    sizes = table.rows["size"][: cuts[-1]].astype(np.int64)
    payloads = np.add.reduceat(sizes, cuts[:-1])
    ends = np.maximum.reduceat(table.rows["offset"][: cuts[-1]] + sizes, cuts[:-1])
    return Copied(
        generation=plan.generation,
        name=name,
        init=init,
        table=table,
        cuts=cuts.astype(np.int64),
        borders=borders,
        origin=origin,
        sizes=_HEAD + boxes.FULL_ROW * np.diff(cuts) + payloads,
        reaches=np.maximum.accumulate(ends),
    )


def _init(table: TrackTable, *, handler: str, width: int = 0, height: int = 0) -> Init:
    """Make the init of a track: its own description, no samples, no edit list."""
    body = description.init(
        table.stsd, timescale=table.timescale, handler=handler, width=width, height=height
    )
    return Init(body=body, digest=hashlib.sha256(body).hexdigest(), codecs=codecs(body))


async def write_out(copies: Mapping[str, Copied], *, original: Original, store: Store, sink: Sink) -> None:
    """Write every segment that the store lacks into it, and report each: for what is published."""
    waiting = ((copy, number) for copy in copies.values() for number in range(copy.segments))

    async def work() -> None:
        for copy, number in waiting:
            key = keys.segment(copy.generation, copy.name, number)
            stat = await store.stat(key)
            if stat is None:
                stat = await store.put(key, await copy.segment(original, number))
            sink(
                SegmentStored(generation=copy.generation, rendition=copy.name, number=number, size=stat.size)
            )

    await jointly((work() for _ in range(_WRITERS)), name="write out")
