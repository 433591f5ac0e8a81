"""What may be spent."""

from __future__ import annotations

from streamer.allowance import Allowance


def test_what_is_saved_may_be_spent_at_once_and_no_more():
    allowance = Allowance(2, saved=3, now=0)
    assert [allowance.spend(1, now=0) for _ in range(4)] == [True, True, True, False]


def test_it_fills_with_time_and_not_above_its_bound():
    allowance = Allowance(2, saved=3, now=0)
    assert allowance.spend(3, now=0)
    assert allowance.spend(2, now=1)
    assert not allowance.spend(4, now=100)
    assert allowance.spend(3, now=100)
