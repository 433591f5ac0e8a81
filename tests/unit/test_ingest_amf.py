"""AMF0 values come back as they were written; anything else is a named error."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.ingest import amf
from streamer.ingest.errors import BadAmf

numbers = st.floats(allow_nan=False)
texts = st.text(max_size=40)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts.filter(bool), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(values, max_size=5))
def test_what_is_written_is_read_back(written):
    assert amf.decode(amf.encode(*written)) == written


@given(st.binary(max_size=300))
def test_any_bytes_are_values_or_a_named_error(noise):
    with contextlib.suppress(BadAmf):
        amf.decode(noise)


@given(st.lists(values, min_size=1, max_size=3), st.data())
def test_a_body_cut_anywhere_is_shorter_or_a_named_error(written, data):
    whole = amf.encode(*written)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with contextlib.suppress(BadAmf):
        assert len(amf.decode(cut)) < len(written)


def test_long_texts_have_a_marker_of_their_own():
    text = "x" * 70_000
    assert amf.encode(text)[0] == 12
    assert amf.decode(amf.encode(text)) == [text]


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (b"\x08\0\0\0\x01" + b"\0\x01a" + b"\x01\x01" + b"\0\0\x09", {"a": True}),
        (b"\x10\0\x03pkg" + b"\0\x01a" + b"\x05" + b"\0\0\x09", {"a": None}),
        (b"\x0b" + struct.pack(">dh", 1.5, 0), 1.5),
        (b"\x0d", None),
        (b"\x06", None),
        (b"\x0f\0\0\0\x01x", "x"),
        (b"\x03" + b"\0\0\x05" + b"\0\0\x09", {"": None}),
    ],
    ids=["ECMA array", "typed object", "date", "unsupported", "undefined", "XML", "a member without a name"],
)
def test_types_that_only_others_write(body, read):
    assert amf.decode(body) == [read]


@pytest.mark.parametrize(
    "body",
    [
        b"\x0a\0\0\0\x01" * 40 + b"\x05",
        b"\x0a\xff\xff\xff\xff" + b"\x05" * 10_000,
        b"\x11\x01",
        b"\x07\0\0",
        b"\x02\xff\xffshort",
    ],
    ids=["nested deep", "too many", "AMF3", "reference", "text longer than its body"],
)
def test_what_is_not_accepted(body):
    with pytest.raises(BadAmf):
        amf.decode(body)


def test_no_more_is_read_than_asked_for():
    assert amf.decode(amf.encode("onMetaData") + b"\xff", most=1) == ["onMetaData"]
