"""When deliveries that failed are tried again."""

from __future__ import annotations

from itertools import pairwise

import pytest

from streamer.webhooks.schedule import HOLD, due, pause, wished

NOW = 784_111_777_000
"""Sun, 06 Nov 1994 08:49:37 GMT, in milliseconds."""


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


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("120", 120_000),
        ("0", 0),
        ("86400", 3_600_000),
        ("9" * 5000, 3_600_000),
        ("Sun, 06 Nov 1994 08:50:07 GMT", 30_000),
        ("Sun, 06 Nov 1994 08:50:07 -0000", 30_000),
        ("Sun, 06 Nov 1994 08:00:00 GMT", 0),
        ("Sun, 06 Nov 2094 08:00:00 GMT", 3_600_000),
        ("", 0),
        ("-5", 0),
        ("1.5", 0),
        ("soon", 0),
        ("٣", 0),
    ],
)
def test_a_receiver_may_wish_to_be_left_alone_for_an_hour_at_most(header, wait):
    assert wished(header, now=NOW) == wait


def test_such_a_wish_is_kept_until_the_delivery_would_be_parked():
    assert due(0, 0, 1, chance=0, wait=500) == 1000
    assert due(0, 0, 1, chance=0, wait=90_000) == 90_000
    assert due(60_000, 0, 1, chance=0, wait=3_600_000) == HOLD
    assert due(HOLD, 0, 9, chance=0, wait=3_600_000) is None
