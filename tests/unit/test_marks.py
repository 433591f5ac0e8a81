"""Where stretches of Matroska and of transport streams begin and end."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packager.clusters import Clusters
from packager.marks import NONE, Marks, TrackMarks
from packager.ranges import RangeFeeder

UNKNOWN = b"\x01" + b"\xff" * 7


def element(name: str, body: bytes, *, size: bytes | None = None) -> bytes:
    return bytes.fromhex(name) + (size or (0x4000 | len(body)).to_bytes(2, "big")) + body


def matroska(*, clusters: bytes | None) -> tuple[bytes, list[int]]:
    """Return a file and where its clusters begin; `clusters` is the size that each of them claims."""
    body = element("1a45dfa3", b"webm") + element("18538067", b"", size=UNKNOWN)
    body += element("ec", b"\0" * 9) + element("1549a966", b"info") + element("1654ae6b", b"tracks")
    starts = []
    for number in range(4):
        starts.append(len(body))
        blocks = element("e7", bytes([number])) + element("a3", b"\x1f\x43\xb6\x75" * 9)
        body += element("1f43b675", blocks, size=clusters)
    return body + element("1c53bb6b", b"cues"), starts


@pytest.mark.parametrize("size", [None, b"\xff", UNKNOWN])
@given(cut=st.integers(1, 40))
def test_clusters_are_found_however_the_bytes_come(size, cut):
    body, starts = matroska(clusters=size)
    walk = Clusters()
    for at in range(0, len(body), cut):
        walk.see(at, body[at : at + cut])
    assert (walk.starts, walk.broken) == (starts, False)
    pieces = [piece if isinstance(piece, bytes) else body[slice(*piece)] for piece in walk.head]
    assert b"".join(pieces) == (
        element("1a45dfa3", b"webm")
        + element("18538067", b"", size=UNKNOWN)
        + element("1549a966", b"info")
        + element("1654ae6b", b"tracks")
    )


@given(st.binary(max_size=300))
def test_any_bytes_end_the_walk_or_not_but_never_fail(body):
    walk = Clusters()
    walk.see(0, b"\x1a\x45\xdf\xa3" + body)
    assert walk.following >= 0


def track(**changes) -> TrackMarks:
    columns = {
        "places": [100, 200, 300, 400],
        "lows": [0, 900, 2000, 2900],
        "syncs": [0, NONE, 2000, NONE],
    } | changes
    return TrackMarks(
        track=1,
        time_base=Fraction(1, 1000),
        **{name: np.array(column, dtype=np.int64) for name, column in columns.items()},
    )


def marks(*, end: int = 500, **changes) -> Marks:
    return Marks(format="matroska", head=((0, 40), b"\x18\x53"), end=end, tracks={1: track(**changes)})


def test_marks_come_back_as_they_were_stored():
    stored = Marks.from_bytes(marks().to_bytes())
    assert (stored.format, stored.head, stored.end) == ("matroska", ((0, 40), b"\x18\x53"), 500)
    for name in ("places", "lows", "syncs"):
        assert getattr(stored.tracks[1], name).tolist() == getattr(track(), name).tolist()


@pytest.mark.parametrize(
    "wrong", [{"places": [100, 90, 300, 400]}, {"places": [-1, 2, 3, 4]}, {"places": [100, 200, 300, 600]}]
)
def test_marks_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match="marks"):
        Marks.from_bytes(marks(**wrong).to_bytes())


@given(st.binary(max_size=200))
def test_other_bytes_are_no_marks(raw):
    with pytest.raises(ValueError, match=r"."):
        Marks.from_bytes(raw)


@pytest.mark.parametrize(
    ("begin", "end", "early", "place"),
    [
        ("0", "1", False, (100, 300)),
        ("1", "1", False, (100, 300)),
        ("2", "2.5", False, (300, 400)),
        ("2.5", "3", False, (300, 500)),
        ("2.5", "3", True, (100, 500)),
        ("0", "0.5", True, (100, 200)),
    ],
)
def test_a_stretch_runs_from_a_sync_sample_to_the_group_behind_its_end(begin, end, early, place):
    feed = RangeFeeder(marks()).stretch(1, Fraction(begin), Fraction(end), early=early)
    assert feed.pieces == ((0, 40), b"\x18\x53", place)


def test_there_is_no_stretch_of_what_has_not_come():
    growing = RangeFeeder(marks(end=0))
    assert growing.stretch(1, Fraction(0), Fraction(2)) is not None
    assert growing.stretch(1, Fraction(2), Fraction(3)) is None
    assert growing.stretch(2, Fraction(0), Fraction(1)) is None
