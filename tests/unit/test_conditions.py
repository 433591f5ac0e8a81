"""Conditional and range requests, from header values alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from streamer.conditions import Verdict, accepts_gzip, judge, plain


def verdict(size=10, method="GET", etag="abc", **headers) -> Verdict:
    fields = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return judge(fields, method=method, etag=etag, size=size)


@given(size=st.integers(1, 10**12), first=st.integers(0, 10**13), length=st.integers(0, 10**13))
def test_a_range_is_cut_to_the_object(size, first, length):
    found = verdict(size, Range=f"bytes={first}-{first + length}")
    if first >= size:
        assert found == Verdict(status=416)
    else:
        assert found == Verdict(status=206, start=first, stop=min(size, first + length + 1))


@given(size=st.integers(0, 10**12), length=st.integers(0, 10**13))
def test_a_suffix_is_the_end(size, length):
    found = verdict(size, Range=f"bytes=-{length}")
    if size == 0 or length == 0:
        assert found == Verdict(status=416)
    else:
        assert found == Verdict(status=206, start=max(0, size - length), stop=size)


@given(st.text(max_size=30))
def test_any_text_is_answered(text):
    for name in ("Range", "If-Range", "If-Match", "If-None-Match"):
        found = verdict(10, **{name: text})
        assert found.status in {200, 206, 304, 412, 416}
        assert 0 <= found.start <= found.stop <= 10
    accepts_gzip(CIMultiDict({"Accept-Encoding": text}))


def test_an_empty_object_has_no_ranges():
    assert verdict(0, Range="bytes=0-").status == 416
    assert verdict(0) == Verdict(status=200)


def test_endless_digits():
    assert verdict(10, Range=f"bytes=2-{'9' * 5000}") == Verdict(status=206, start=2, stop=10)
    assert verdict(10, Range=f"bytes={'9' * 5000}-").status == 416
    assert verdict(10, Range=f"bytes=-{'0' * 5000}3") == Verdict(status=206, start=7, stop=10)


def test_conditions_over_several_lines():
    fields = CIMultiDict([("If-None-Match", '"x", "y"'), ("If-None-Match", 'W/"abc"')])
    assert judge(fields, method="GET", etag="abc", size=1).status == 304
    assert not plain(fields)


def test_two_range_lines_are_no_range():
    fields = CIMultiDict([("Range", "bytes=0-1"), ("Range", "bytes=4-5")])
    assert judge(fields, method="GET", etag="abc", size=10).status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If_Match": '"x"', "If_None_Match": '"abc"'}, 412),
        ({"If_Match": '"abc"', "If_None_Match": '"abc"'}, 304),
        ({"If_None_Match": '"x"', "Range": "bytes=0-1"}, 206),
        ({"If_None_Match": "abc"}, 200),
        ({"If_None_Match": '"ab", "c"'}, 200),
        ({"If_Range": '"abc", "x"', "Range": "bytes=0-1"}, 200),
    ],
)
def test_the_order(headers, status):
    assert verdict(**headers).status == status
