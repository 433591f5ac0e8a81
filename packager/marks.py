"""Where to begin and where to stop reading a stretch of a container that has no table of samples."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from packager.feed import Piece
from packager.index import Ticks

NONE = np.iinfo(np.int64).max
"""Stands for the sync sample of a group that has none."""

_GROUPS = 400_000
_HEAD = 256 << 10
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrackMarks:
    """The packets of one track in groups that follow each other in the file.

    `places` are the bytes where a demuxer may begin to read each group, `lows` its earliest presentation time
    in ticks of `time_base`, `syncs` that of its earliest sync sample, NONE where it has none.
    """

    track: int
    time_base: Fraction
    places: Ticks
    lows: Ticks
    syncs: Ticks


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Marks:
    """The groups of all tracks. `format` is FFmpeg's name of the container.

    `head` is what a demuxer has to read before any group. `end` is where the last group ends, 0 while it is
    not known.
    """

    format: str
    head: tuple[Piece, ...]
    end: int
    tracks: Mapping[int, TrackMarks]

    def to_bytes(self) -> bytes:
        """Return the marks in a form that is small."""
        said = {
            "format": self.format,
            "head": [piece.hex() if isinstance(piece, bytes) else list(piece) for piece in self.head],
            "end": self.end,
            "tracks": [
                [one.track, one.time_base.numerator, one.time_base.denominator, len(one.places)]
                for one in self.tracks.values()
            ],
        }
        text = json.dumps(said).encode()
        columns = [
            np.diff(column, prepend=np.int64(0)).astype("<i8").tobytes()
            for one in self.tracks.values()
            for column in (one.places, one.lows, one.syncs)
        ]
        return _LENGTH.pack(len(text)) + text + zlib.compress(b"".join(columns), 6)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Marks:
        """Return what `to_bytes` wrote. Raise ValueError where it is anything else, or absurd."""
        try:
            (length,) = _LENGTH.unpack_from(raw)
            said = json.loads(raw[_LENGTH.size : _LENGTH.size + length])
            counts = [int(one[3]) for one in said["tracks"]]
            if any(count < 0 for count in counts) or sum(counts) > _GROUPS:
                raise ValueError("too many marks")
            body = zlib.decompressobj().decompress(raw[_LENGTH.size + length :], 24 * sum(counts) + 1)
            columns = np.frombuffer(body, "<i8").astype(np.int64)
            if len(columns) != 3 * sum(counts):
                raise ValueError("marks are missing")
            tracks = {}
            for number, numerator, denominator, count in said["tracks"]:
                three, columns = columns[: 3 * count], columns[3 * count :]
                places, lows, syncs = (np.cumsum(three[at * count : (at + 1) * count]) for at in range(3))
                tracks[int(number)] = TrackMarks(
                    track=int(number),
                    time_base=Fraction(int(numerator), int(denominator)),
                    places=places,
                    lows=lows,
                    syncs=syncs,
                )
            marks = cls(
                format=str(said["format"]),
                head=tuple(piece(one) for one in said["head"]),
                end=int(said["end"]),
                tracks=tracks,
            )
        except (struct.error, zlib.error, KeyError, TypeError, IndexError, ZeroDivisionError) as error:
            raise ValueError(f"these are no marks: {error!r}") from error
        check(marks)
        return marks


def piece(said: object) -> Piece:
    """Return a piece that was written as JSON. Raise TypeError or ValueError where it is none."""
    if isinstance(said, str):
        return bytes.fromhex(said)
    if not isinstance(said, list):
        raise TypeError(f"neither bytes nor a range: {said!r}")
    start, stop = said
    return int(start), int(stop)


def check(marks: Marks) -> None:
    """Raise ValueError where places are out of order or a head is too long to be one."""
    ranges = [piece for piece in marks.head if isinstance(piece, tuple)]
    if any(not 0 <= start < stop for start, stop in ranges):
        raise ValueError("a range of the head is empty")
    if sum(stop - start for start, stop in ranges) > _HEAD * 64:
        raise ValueError("the head is too long")
    if sum(len(piece) for piece in marks.head if isinstance(piece, bytes)) > _HEAD:
        raise ValueError("the head is too long")
    for one in marks.tracks.values():
        if not len(one.places) or one.places[0] < 0 or (np.diff(one.places) <= 0).any():
            raise ValueError("the marks are not sorted")
        if one.time_base <= 0 or (marks.end and one.places[-1] >= marks.end):
            raise ValueError("the marks lie outside the file")
