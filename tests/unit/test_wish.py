"""What an owner may wish of a stream."""

from __future__ import annotations

from fractions import Fraction

import pytest

from streamer.errors import InvalidRequest
from streamer.live.streams import Settings, Takeover
from streamer.live.wish import settings_of, title_of

BEFORE = Settings(dvr_seconds=600)


def test_what_is_not_wished_for_stays():
    assert settings_of({}, BEFORE) == BEFORE
    assert settings_of({"title": "x", "reconnect_seconds": 0}, BEFORE) == Settings(
        dvr_seconds=600, reconnect_seconds=0
    )


def test_every_setting_can_be_wished_for():
    wish = {
        "part_seconds": 0.2,
        "dvr_seconds": None,
        "reconnect_seconds": 5,
        "passthrough": True,
        "takeover": "priority",
    }
    assert settings_of(wish, BEFORE) == Settings(
        part_seconds=Fraction(1, 5),
        dvr_seconds=None,
        reconnect_seconds=5,
        passthrough=True,
        takeover=Takeover.PRIORITY,
    )


@pytest.mark.parametrize(
    "wish",
    [
        {"part_seconds": 0.09},
        {"part_seconds": 2.01},
        {"part_seconds": "0.2"},
        {"part_seconds": True},
        {"part_seconds": float("nan")},
        {"part_seconds": float("inf")},
        {"part_seconds": None},
        {"dvr_seconds": 29},
        {"dvr_seconds": 60.5},
        {"dvr_seconds": 86_401},
        {"reconnect_seconds": -1},
        {"reconnect_seconds": False},
        {"passthrough": "yes"},
        {"takeover": "oldest"},
        {"takeover": ["newest"]},
        {"dvr": 60},
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(wish):
    with pytest.raises(InvalidRequest):
        settings_of(wish, BEFORE)


@pytest.mark.parametrize("title", [1, "", " \x00", "x" * 501])
def test_a_title_is_a_line_of_text(title):
    with pytest.raises(InvalidRequest):
        title_of({"title": title})


def test_a_title_is_cleaned():
    assert title_of({"title": " a\n b "}) == "a b"
    assert title_of({}) is None
