"""Envelopes and frames."""

from __future__ import annotations

import json
import secrets
from fractions import Fraction

import pytest

from streamer.deflate import inflate
from streamer.events import DEFLATED_FROM, stamp, text_frame


def hint(data):
    return stamp("c", "e", None, type_="t", time=0, media=None, data=data)


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
    assert event.frames.get(deflated=False).endswith(event.text)


def test_everybody_who_inflates_gets_the_same_frame():
    event = hint("stream " * 50)
    packed = event.frames.get(deflated=True)
    assert packed is event.frames.get(deflated=True)
    assert packed[0] == 0xC1
    assert len(packed) < len(event.text) // 2
    assert inflate(packed[2:], most=1000) == event.text


@pytest.mark.parametrize("data", ["", secrets.token_hex(2000)], ids=["short", "half of it is noise"])
def test_who_does_not_inflate_gets_the_text_itself(data):
    event = hint(data)
    assert event.frames.get(deflated=False)[0] == 0x81


def test_a_short_text_is_not_deflated():
    event = hint("")
    assert len(event.text) < DEFLATED_FROM
    assert event.frames.get(deflated=True) == event.frames.get(deflated=False)


def test_what_deflating_makes_longer_goes_as_it_is():
    text = secrets.token_bytes(DEFLATED_FROM)
    assert text_frame(text, deflated=True) == text_frame(text, deflated=False)


def test_a_hint_has_neither_offset_nor_media_time():
    told = json.loads(stamp("c", "e", None, type_="t", time=0, media=None, data=1).text)
    assert "offset" not in told
    assert "media_time" not in told
