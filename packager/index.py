"""When every frame of a source is shown, and at which of them a decoder can start afresh."""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from packager.errors import PackagingError

Ticks = NDArray[np.int64]
Flags = NDArray[np.bool_]

REORDERED = 16
"""Frames that a decoder may hold back at most (H.264 A.3.1, HEVC A.4.2): so far out of order packets come."""

_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Index:
    """The frame table of a video track. Times are presentation times after the edit list, in `time_base`.

    `times` are all displayed frames, sorted and distinct. `keyframes` are those of `times` that are closed:
    nothing after them in decode order is shown before them or needs what came before (IDR in H.264, HEVC).
    Where there are very many, not all are listed. `complete` is false where reading ended early.
    """

    time_base: Fraction
    times: Ticks
    keyframes: Ticks
    complete: bool = True

    def __eq__(self, other: object) -> bool:
        """Compare by content."""
        return (
            isinstance(other, Index)
            and (self.time_base, self.complete) == (other.time_base, other.complete)
            and np.array_equal(self.times, other.times)
            and np.array_equal(self.keyframes, other.keyframes)
        )

    __hash__ = None  # type: ignore[assignment]

    def to_bytes(self) -> bytes:
        """Return the table as a compressed .npz file; a regular one is small."""
        head = (_VERSION, self.time_base.numerator, self.time_base.denominator, int(self.complete))
        target = io.BytesIO()
        np.savez_compressed(
            target,
            head=np.array(head, dtype=np.int64),
            times=np.diff(self.times, prepend=0),
            keyframes=np.diff(self.keyframes, prepend=0),
        )
        return target.getvalue()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Index:
        """Return the table that `to_bytes` wrote. Raise PackagingError where it is anything else."""
        try:
            with np.load(io.BytesIO(raw), allow_pickle=False) as file:
                version, numerator, denominator, complete = (int(value) for value in file["head"])
                times = np.cumsum(file["times"], dtype=np.int64)
                keyframes = np.cumsum(file["keyframes"], dtype=np.int64)
        except Exception as error:
            raise PackagingError("the stored index cannot be read", evidence=repr(error)) from error
        if version != _VERSION:
            raise PackagingError("the stored index is of another version", evidence=str(version))
        base = Fraction(numerator, denominator)
        return cls(time_base=base, times=times, keyframes=keyframes, complete=bool(complete))


def distinct(times: Ticks) -> Ticks:
    """Return the values sorted, each once; made for what is nearly sorted already."""
    ordered = np.sort(times, kind="stable")
    kept: Ticks = ordered[np.diff(ordered, prepend=ordered[:1] - 1) != 0]
    return kept


def closed(pts: Ticks, key: Flags) -> Flags:
    """Say which key samples, in decode order, part the table cleanly.

    Nothing behind one is shown before it (leading pictures of an open GOP), nothing before it is shown after.
    """
    if not len(pts):
        return key
    earliest_behind = np.minimum.accumulate(pts[::-1])[::-1]
    latest_before = np.maximum.accumulate(np.concatenate(([np.iinfo(np.int64).min], pts[:-1])))
    return key & (earliest_behind >= pts) & (latest_before < pts)
