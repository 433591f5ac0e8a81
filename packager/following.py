"""Follow a source that says nothing of its end while it arrives: MKV, WebM, fragmented MP4, MPEG-TS.

How one is driven, from its first bytes to its last:

    followed(head)                  # by the first bytes; None asks for more, "": wait until it is whole
    async with Following(spawner, original, into=tables_file, size=declared) as following:
        while (seen := await following.more()) is not None:
            source, index = seen.source, seen.index
            if plan is None:        # settled: None while there is no segment that cannot change any more
                plan = growing.settled(ladder.plan(source, index, …), source, index, ended=seen.ended)
            else:                   # grown: None where the keyframe grid breaks: begin again with `settled`
                plan = growing.grown(plan, source, index, ended=seen.ended)   # allow_keyframe_grid=False
            packaging.grow(plan, index, seen.tables)

The last answer has `ended`; after it comes None. Unfollowable means: wait until it is whole, then probe it.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from pydantic import TypeAdapter, ValidationError

from packager.child import Child, Command
from packager.errors import ChildFailed, ChildTimeout, OverLimit, PackagingError, Refused, StoreFailed
from packager.heads import followed
from packager.index import Index, closed, distinct
from packager.marks import Marks, TrackMarks, check, piece
from packager.model import Source
from packager.original import Original
from packager.probe import refusal
from packager.process import Spawner
from packager.sandbox import Limits
from packager.spawner import CANNOT_START
from packager.tables import ROW, Tables, TrackTable, describe, footer, track_table

__all__ = ["Followed", "Following", "Unfollowable", "followed"]

_SOURCE: TypeAdapter[Source] = TypeAdapter(Source)
_VIDEO = np.dtype([("pts", "<i8"), ("flags", "u1")])
_CLEAN, _HIDDEN = 1, 2
_BLOCK = 1 << 18
_LINE = 4 << 20
_ROWS = 3_000_000
_SAMPLES = 12_000_000
_GROUPS = 400_000
_MEMORY = 1 << 30
_CPU = 60
_CPU_BYTES = 4 << 20
"""Bytes a second that even a slow reading passes."""


class Unfollowable(PackagingError):
    """What this source is can be told only once it is whole; nothing is wrong with it yet."""

    code = "unfollowable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A source as far as it has arrived: `index` and `tables` cover just that, as do the ends of its tracks.

    `ended` says that this is all of it.
    """

    source: Source
    index: Index | None
    tables: Tables
    ended: bool


class Following:
    """One source being followed by a sandboxed child. Use as an async context manager.

    `into` is the file that has the source's tables in the end; `size` is how many bytes there will be, where
    that is known.
    """

    def __init__(
        self, spawner: Spawner, original: Original, *, into: Path | None = None, size: int | None = None
    ) -> None:
        self._spawner = spawner
        self._original = original
        self._into = into
        self._size = size
        self._child: Child | None = None
        self._heap = _Heap()
        self._ended = False

    async def __aenter__(self) -> Self:
        cpu = _CPU + (1 << 36 if self._size is None else self._size) // _CPU_BYTES
        limits = Limits(memory=_MEMORY, cpu_seconds=cpu, wall_seconds=None, nice=2)
        command = Command(
            function="packager.tracking:main", argv=(), outputs=1, limits=limits, stdin=_bytes(self._original)
        )
        self._child = await self._spawner.start(command)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child is not None:
            await self._child.stop()

    async def more(self) -> Followed | None:
        """Wait for more of the source and return all that is known of it; None after its end.

        Raise Refused with the cause, Unfollowable, and ChildFailed only where no child could be run at all.
        """
        if self._ended or self._child is None:
            return None
        try:
            seen = await self._next(self._child)
        except (ValueError, KeyError, TypeError, IndexError, ValidationError, ZeroDivisionError) as error:
            raise Refused("Reading this file fails.", evidence=repr(error)) from error
        self._ended = seen.ended
        return await asyncio.to_thread(_kept, seen, self._into) if seen.ended and self._into else seen

    async def _next(self, child: Child) -> Followed:
        """Read one report."""
        line = await _line(child.outputs[0])
        if not line:
            await self._died(child)
        said = json.loads(line)
        if "refused" in said:
            raise refusal(said)
        if "unfollowable" in said:
            raise Unfollowable("This file can only be played once it is whole.", evidence=str(said))
        counts = self._heap.expect(said)
        bodies = [await child.outputs[0].readexactly(count) for count in counts]
        return await asyncio.to_thread(self._heap.take, said, bodies)

    async def _died(self, child: Child) -> None:
        """Raise what a child that says nothing has died of."""
        try:
            await child.wait()
        except ChildTimeout as error:
            raise OverLimit("Reading this file takes too long.", evidence=error.evidence) from error
        except ChildFailed as error:
            if error.status in {None, CANNOT_START}:
                raise
            raise Refused(
                "Reading this file fails.", evidence=f"{error.message}\n{error.evidence}"
            ) from error
        raise Refused("Reading this file fails.", evidence="it ended without a word")


async def _bytes(original: Original) -> AsyncIterator[bytes]:
    """Yield the source from its first byte to its last, as they come."""
    at = 0
    while True:
        whole, received = original.whole, original.received
        while at < received:
            stop = min(received, at + _BLOCK)
            yield await original.read(at, stop)
            at = stop
        if whole:
            return
        await original.grown(at)


async def _line(reader: asyncio.StreamReader) -> bytes:
    """Return one line, empty at the end. Raise ValueError where it is too long."""
    line = b""
    while not line.endswith(b"\n"):
        try:
            part = await reader.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:
            return line + error.partial
        except asyncio.LimitOverrunError as error:
            part = await reader.readexactly(error.consumed)
        line += part
        if len(line) > _LINE:
            raise ValueError("a report is too long")
    return line


def _kept(seen: Followed, into: Path) -> Followed:
    """Write the tables of a source to their file, and map it."""
    found = seen.tables.all()
    try:
        with into.open("wb") as file:
            for table in found:
                file.write(table.rows.tobytes())
            marks = seen.tables.marks
            file.write(footer([describe(table) for table in found], marks.to_bytes() if marks else b""))
            file.flush()
            os.fsync(file.fileno())
        return replace(seen, tables=Tables.open(into))
    except OSError as error:
        raise StoreFailed("The tables of a source cannot be written.", evidence=repr(error)) from error


class _Heap:
    """All that a child has told. It is not trusted."""

    def __init__(self) -> None:
        self._rows = np.empty(0, _VIDEO)
        self._tables: dict[int, TrackTable] = {}
        self._groups: dict[int, tuple[Fraction, list[list[int]]]] = {}

    def expect(self, said: dict[str, Any]) -> list[int]:
        """Return how many bytes follow a report's line, block by block. Raise ValueError."""
        rows, samples = int(said["rows"]), [int(one["count"]) for one in said["tables"]]
        had = sum(len(table.rows) for table in self._tables.values())
        if min(rows, *samples, 0) < 0 or rows + len(self._rows) > _ROWS or sum(samples) + had > _SAMPLES:
            raise ValueError("more packets than a video may have")
        return [rows * _VIDEO.itemsize, *(count * ROW.itemsize for count in samples)]

    def take(self, said: dict[str, Any], bodies: list[bytes]) -> Followed:
        """Return all that is known after one more report. Raise ValueError and the like."""
        source = _SOURCE.validate_python(said["source"])
        self._rows = np.concatenate((self._rows, np.frombuffer(bodies[0], _VIDEO)))
        for one, body in zip(said["tables"], bodies[1:], strict=True):
            table = track_table(one, np.frombuffer(body, ROW))
            before = self._tables.get(table.track)
            if before is not None:
                table = replace(table, rows=np.concatenate((before.rows, table.rows)))
            self._tables[table.track] = table
        index = None if source.video is None else self._index(said)
        tables = Tables(self._tables, self._marks(said.get("marks")))
        return Followed(source=source, index=index, tables=tables, ended=bool(said["ended"]))

    def _index(self, said: dict[str, Any]) -> Index:
        pts: Any = self._rows["pts"].astype(np.int64)
        shown = self._rows["flags"] & _HIDDEN == 0
        marks = closed(pts, self._rows["flags"] & _CLEAN != 0) & shown
        base = Fraction(int(said["time_base"][0]), int(said["time_base"][1]))
        if base <= 0 or not shown.any():
            raise ValueError("an index without frames")
        return Index(time_base=base, times=distinct(pts[shown]), keyframes=distinct(pts[marks]))

    def _marks(self, said: dict[str, Any] | None) -> Marks | None:
        if said is None:
            return None
        for number, numerator, denominator, first, columns in said["groups"]:
            _base, kept = self._groups.setdefault(
                int(number), (Fraction(int(numerator), int(denominator)), [[], [], []])
            )
            if len(columns) != 3 or len({len(column) for column in columns}) != 1:
                raise ValueError("marks are missing")
            for column, more in zip(kept, columns, strict=True):
                if not 0 <= int(first) <= len(column) <= _GROUPS:
                    raise ValueError("marks do not follow on each other")
                column[int(first) :] = map(int, more)
        found = Marks(
            format=str(said["format"]),
            head=tuple(piece(list(one) if isinstance(one, list) else one) for one in said["head"]),
            end=int(said["end"]),
            tracks={
                number: _track_marks(number, base, kept)
                for number, (base, kept) in self._groups.items()
                if kept[0]
            },
        )
        check(found)
        return found


def _track_marks(number: int, base: Fraction, columns: list[list[int]]) -> TrackMarks:
    places, lows, syncs = (np.array(column, dtype=np.int64) for column in columns)
    return TrackMarks(track=number, time_base=base, places=places, lows=lows, syncs=syncs)
