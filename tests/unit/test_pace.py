"""A burst is told from what comes in real time."""

from __future__ import annotations

import pytest

from streamer.live.pace import Pace
from tests.unit.test_splice import picture, sound


@pytest.mark.parametrize(
    ("arrivals", "kept"),
    [
        ([0, 40, 80], [False, True, True]),
        ([0, 1, 2, 3, 43], [False, False, False, False, True]),
        ([0, 25, 200, 201], [False, True, True, False]),
    ],
    ids=["in time", "a burst", "late and made up for"],
)
def test_pictures_keep_time_or_come_in_a_burst(arrivals, kept):
    pace = Pace()
    assert [pace.keeps(picture(n * 40), now) for n, now in enumerate(arrivals)] == kept


def test_the_sound_tells_nothing():
    pace = Pace()
    pace.keeps(picture(0), 0)
    assert not pace.keeps(sound(0), 100)
    assert pace.keeps(picture(40), 40)
