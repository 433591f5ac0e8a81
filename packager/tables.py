"""Where every sample of an MP4 lies and when it is shown: a file that is mapped, never loaded.

Containers without such tables have marks in the same file: where to begin and to stop reading.
"""

from __future__ import annotations

import json
import mmap
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from packager.errors import PackagingError
from packager.marks import Marks

ROW = np.dtype([("pts", "<i8"), ("offset", "<i8"), ("size", "<u4"), ("key", "u1")])
"""One sample: presentation time in ticks, place and length in bytes, whether it is a sync sample."""

_MAGIC = b"strmtab2"
_TAIL = struct.Struct("<II8s")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrackTable:
    """The samples of one track in decode order, those that the edit list hides included.

    `track` is the stream's number as in Source. `rows` have the fields of ROW; their times are ticks of
    `timescale` on the container's time line after the edit list, where FFmpeg puts them. `end` is where the
    last sample ends. `file_type`, `header` and `stsd` are the file's ftyp, the track's tkhd and its stsd box.
    """

    track: int
    timescale: int
    end: int
    file_type: bytes
    header: bytes
    stsd: bytes
    rows: NDArray[Any]


class Tables:
    """The tables of a source by stream number. They read the file when asked: hours cost no memory.

    `marks` are those of a container that has none, None where stretches of it cannot be cut out either.
    """

    def __init__(self, tracks: Mapping[int, TrackTable], marks: Marks | None = None) -> None:
        self._tracks = dict(tracks)
        self.marks = marks

    def of(self, track: int) -> TrackTable | None:
        """Return the table of a track, None where the container has none that can be used."""
        return self._tracks.get(track)

    def all(self) -> tuple[TrackTable, ...]:
        """Return the tables of all tracks that have one."""
        return tuple(self._tracks.values())

    def let_go(self) -> None:
        """Give back the memory that reading all of them has taken; what is needed is read again."""
        for table in self._tracks.values():
            if isinstance(table.rows.base, mmap.mmap):
                table.rows.base.madvise(mmap.MADV_DONTNEED)

    @classmethod
    def open(cls, file: Path) -> Tables:
        """Map a file that `close_file` has ended. Raise PackagingError where it is anything else."""
        try:
            with file.open("rb") as opened:
                opened.seek(-_TAIL.size, 2)
                marked, length, magic = _TAIL.unpack(opened.read(_TAIL.size))
                if magic != _MAGIC:
                    raise PackagingError("the stored tables cannot be read", evidence=str(magic))
                opened.seek(-_TAIL.size - length - marked, 2)
                marks = Marks.from_bytes(opened.read(marked)) if marked else None
                said = json.loads(opened.read(length))
            return cls({one.track: one for one in _tracks(said, file)}, marks)
        except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
            raise PackagingError("the stored tables cannot be read", evidence=repr(error)) from error


def footer(tracks: Sequence[Mapping[str, Any]], marks: bytes = b"") -> bytes:
    """Return what ends a file of rows: what `describe` said of each track, in the order of their rows.

    `marks` are what `Marks.to_bytes` returned.
    """
    text = json.dumps(list(tracks)).encode()
    return marks + text + _TAIL.pack(len(marks), len(text), _MAGIC)


def describe(table: TrackTable) -> dict[str, Any]:
    """Return everything but the rows as JSON values."""
    return {
        "track": table.track,
        "timescale": table.timescale,
        "end": table.end,
        "file_type": table.file_type.hex(),
        "header": table.header.hex(),
        "stsd": table.stsd.hex(),
        "count": len(table.rows),
    }


def _tracks(said: Sequence[Mapping[str, Any]], file: Path) -> list[TrackTable]:
    found = []
    place = 0
    for one in said:
        count = int(one["count"])
        rows: NDArray[Any] = np.memmap(file, ROW, mode="r", offset=place, shape=(count,)) if count else _NONE
        place += count * ROW.itemsize
        found.append(track_table(one, rows))
    return found


def track_table(said: Mapping[str, Any], rows: NDArray[Any]) -> TrackTable:
    """Return the table that `describe` described. Raise ValueError, KeyError or TypeError."""
    return TrackTable(
        track=int(said["track"]),
        timescale=int(said["timescale"]),
        end=int(said["end"]),
        file_type=bytes.fromhex(said["file_type"]),
        header=bytes.fromhex(said["header"]),
        stsd=bytes.fromhex(said["stsd"]),
        rows=rows,
    )


_NONE: NDArray[Any] = np.zeros(0, ROW)
