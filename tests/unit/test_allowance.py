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


def test_what_was_not_used_is_saved_up_to_a_bound():
    allowance = Allowance(100, saved=1000, now=0)
    assert allowance.spend(1000, now=0)
    assert not allowance.spend(1, now=0)
    later = Allowance(100, saved=1000, now=0)
    assert later.spend(1000, now=0)
    assert later.spend(500, now=5)
    assert later.spend(1000, now=1000)
    assert not later.spend(101, now=1001)
