"""What is asked for of a marker, and what is refused."""

from __future__ import annotations

from fractions import Fraction

import pytest

from packager.marker import Splice
from streamer.errors import InvalidRequest
from streamer.marker_wish import DATA_MOST, SCTE35_MOST, wish_of
from tests.unit.marked import SECTION


def test_nothing_is_a_marker_of_no_kind_now():
    wish = wish_of({})
    assert (wish.kind, wish.time, wish.date, wish.duration, wish.data) == ("marker", None, None, None, None)
    assert (wish.scte35, wish.splice) == (b"", Splice.CMD)


def test_times_are_what_their_digits_say():
    wish = wish_of({"time": 1.1, "duration": 0.25})
    assert (wish.time, wish.duration) == (Fraction(11, 10), Fraction(1, 4))
    dated = wish_of({"date": "2026-11-28T13:00:00.250+01:00"})
    assert dated.date == Fraction(1_795_867_200_250, 1000)


def test_a_splice_is_hexadecimal_with_or_without_its_prefix():
    for text in (SECTION.hex(), "0x" + SECTION.hex().upper()):
        assert wish_of({"scte35": text, "splice": "in"}).scte35 == SECTION
    assert wish_of({"scte35": SECTION.hex(), "splice": "in"}).splice is Splice.IN


def test_data_is_kept_as_it_is_up_to_its_limit():
    data = {"a": "x" * (DATA_MOST - 8)}
    assert wish_of({"data": data}).data == data
    with pytest.raises(InvalidRequest):
        wish_of({"data": {"a": "x" * (DATA_MOST - 7)}})


@pytest.mark.parametrize(
    "wish",
    [
        {"titel": "x"},
        {"kind": ""},
        {"kind": 'a"b'},
        {"kind": "a\n"},
        {"kind": "x" * 65},
        {"kind": 7},
        {"time": -1},
        {"time": True},
        {"time": "1"},
        {"time": 10**400},
        {"time": float("nan")},
        {"duration": -0.1},
        {"date": "yesterday"},
        {"date": 12},
        {"date": "2026-11-28T12:00:00"},
        {"date": "0001-01-01T00:00:00Z"},
        {"date": "2026-11-28T12:00:00Z", "time": 1},
        {"data": []},
        {"data": {"a": float("inf")}},
        {"data": {"a": "\ud800"}},
        {"scte35": "fc3"},
        {"scte35": "00"},
        {"scte35": ""},
        {"scte35": "fc" * (SCTE35_MOST + 1)},
        {"splice": "out"},
        {"scte35": "fc00", "splice": "sideways"},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(wish):
    with pytest.raises(InvalidRequest):
        wish_of(wish)
