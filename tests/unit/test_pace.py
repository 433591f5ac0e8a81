"""A burst is told from what comes in real time."""

from __future__ import annotations

import pytest

from streamer.live.pace import Pace
from tests.unit.test_splice import picture, sound


@pytest.mark.parametrize(
    ("arrivals", "kept"),
    [
        ([0, 40, 80, 120, 160], [3, 4]),
        ([0, 1, 2, 3, 43, 83, 123], [6]),
        ([0, 1, 40, 41, 42, 43, 83, 123, 163], [8]),
        ([0, 20, 40, 60, 80, 100, 140, 180, 220], [7, 8]),
        ([0, 45, 75, 120, 155], [3, 4]),
        ([0, 40, 80, 400, 401, 402, 403], [3, 4, 5]),
    ],
    ids=["in time", "a burst", "a burst with a gap", "twice as fast", "a little uneven", "held up once"],
)
def test_pictures_keep_time_or_come_in_a_burst(arrivals, kept):
    pace = Pace()
    assert [n for n, now in enumerate(arrivals) if pace.keeps(picture(n * 40), now)] == kept


def test_the_sound_tells_nothing():
    pace = Pace()
    assert [pace.keeps(tag, tag.time) for tag in (picture(0), sound(200), picture(200))] == [
        False,
        False,
        True,
    ]


def test_a_clock_that_goes_back_begins_anew_and_few_pictures_are_kept_in_mind():
    pace = Pace()
    for _ in range(1000):
        pace.keeps(picture(10_000), 0)
    assert len(pace._seen) <= 64
    assert [pace.keeps(picture(time), time) for time in (0, 500)] == [False, True]
