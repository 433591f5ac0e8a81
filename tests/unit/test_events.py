"""Envelopes and frames."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest

from streamer.events import stamp, text_frame


@pytest.mark.parametrize(("size", "head"), [(0, 2), (125, 2), (126, 4), (65535, 4), (65536, 10)])
def test_the_frame_carries_its_length(size, head):
    frame = text_frame(b"x" * size)
    assert frame[0] == 0x81
    assert len(frame) == head + size
    length = frame[1] if head == 2 else int.from_bytes(frame[2:head])
    assert length == size


def test_a_numbered_event_has_every_member():
    event = stamp(
        "asset:x", "e", 7, type_="t", time=1_800_000_000_123, media=Fraction(1001, 30000), data={"ü": 1}
    )
    assert json.loads(event.text) == {
        "channel": "asset:x",
        "epoch": "e",
        "offset": 7,
        "type": "t",
        "time": "2027-01-15T08:00:00.123Z",
        "media_time": 0.033367,
        "data": {"ü": 1},
    }
    assert event.frame.endswith(event.text)


def test_a_hint_has_neither_offset_nor_media_time():
    told = json.loads(stamp("c", "e", None, type_="t", time=0, media=None, data=1).text)
    assert "offset" not in told
    assert "media_time" not in told
