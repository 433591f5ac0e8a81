"""When deliveries that failed are tried again."""

from __future__ import annotations

from itertools import pairwise

import pytest

from streamer.webhooks.schedule import HOLD, due, pause


def test_pauses_double_up_to_a_minute_or_an_hour():
    assert [pause(n, 0, parked=False) for n in (1, 2, 3, 6, 7, 500)] == [
        1000,
        2000,
        4000,
        32_000,
        60_000,
        60_000,
    ]
    assert [pause(n, 0, parked=True) for n in (7, 12, 13, 500)] == [64_000, 2048_000, 3600_000, 3600_000]


@pytest.mark.parametrize("attempts", [1, 4, 9])
@pytest.mark.parametrize("parked", [True, False])
def test_chance_takes_up_to_a_half_away(attempts, parked):
    whole = pause(attempts, 0, parked=parked)
    assert pause(attempts, 1, parked=parked) == whole - whole // 2
    assert whole // 2 < pause(attempts, 0.5, parked=parked) < whole


def test_a_delivery_is_tried_for_ten_minutes_and_at_their_end_for_the_last_time():
    tried, now, attempts = [0], 0, 1
    while (following := due(now, 0, attempts, chance=0)) is not None:
        tried.append(following)
        now, attempts = following, attempts + 1
    assert tried[:4] == [0, 1000, 3000, 7000]
    assert tried[-1] == HOLD
    assert max(after - before for before, after in pairwise(tried)) == 60_000
