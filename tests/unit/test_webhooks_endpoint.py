"""What may be said of a webhook."""

from __future__ import annotations

import pytest

from streamer.errors import InvalidRequest
from streamer.webhooks.endpoint import overlap, wish


def test_what_is_said_is_kept():
    said = {"url": "https://a.example/", "events": ["asset.*", "custom.x"], "channel": None, "enabled": False}
    assert wish(said) == said
    assert wish({"channel": "stream:*"}) == {"channel": "stream:*"}


@pytest.mark.parametrize(
    "said",
    [
        {"secret": "mine"},
        {"url": 7},
        {"url": "https://a.example/" + "a" * 2000},
        {"events": []},
        {"events": "*"},
        {"events": ["*"] * 21},
        {"events": ["asset.progress"]},
        {"events": ["ASSET.*"]},
        {"events": ["a*b"]},
        {"events": [None]},
        {"channel": ""},
        {"channel": 1},
        {"enabled": "yes"},
        {"enabled": None},
    ],
)
def test_what_does_not_do_is_refused(said):
    with pytest.raises(InvalidRequest):
        wish(said)


def test_a_secret_of_before_signs_for_a_day_or_as_long_as_is_said():
    assert [overlap(said) for said in ({}, {"overlap_seconds": 0}, {"overlap_seconds": 604_800})] == [
        86_400_000,
        0,
        604_800_000,
    ]


@pytest.mark.parametrize("seconds", [-1, 604_801, 1.5, "60", None, True])
def test_no_other_time_does(seconds):
    with pytest.raises(InvalidRequest):
        overlap({"overlap_seconds": seconds})
    with pytest.raises(InvalidRequest):
        overlap({"secret": "mine"})
