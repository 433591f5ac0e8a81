"""Where a moment of the clock lies in a broadcast, and back."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from packager import airtime
from tests.unit.broadcasts import STARTED, aired, lived, over, succession
from tests.unit.marked import marker

BEGUN = Fraction(STARTED, 1000)
LENGTH = Fraction(8320, 1000)  # of the first life of a succession; the second begins after 14.5 s


def test_lives_lie_one_behind_the_other_whatever_time_was_between_them():
    lives = succession()
    assert airtime.position(lives, BEGUN) == 0
    assert airtime.position(lives, BEGUN + 5) == 5
    assert airtime.position(lives, BEGUN + 10) == LENGTH
    assert airtime.position(lives, BEGUN + Fraction(29, 2) + 3) == LENGTH + 3


@given(seconds=st.fractions(0, 100))
def test_a_position_is_found_again(seconds):
    lives = succession()
    assert airtime.position(lives, airtime.moment_of(lives, seconds)) == seconds


def test_a_clip_begins_with_its_first_segment():
    clip = (replace(over(lived(), 5), begin=2),)
    begin = BEGUN + Fraction(384, 100)
    assert airtime.begin(clip[0]) == airtime.moment_of(clip, Fraction(0)) == begin
    assert airtime.position(clip, begin + 1) == 1


def test_behind_a_life_that_is_over_nothing_goes_on_yet():
    first, _ = succession()
    assert airtime.position((first,), BEGUN + 60) == LENGTH
    assert airtime.position((aired(lived(), 2),), BEGUN + 60) == 60


def test_every_marker_belongs_to_one_life_and_none_from_before_to_any():
    lives = succession()
    at = [BEGUN - 1, BEGUN, BEGUN + 9, BEGUN + 14, BEGUN + Fraction(29, 2), BEGUN + 99]
    shares = airtime.shares(lives, [marker(one, number=n) for n, one in enumerate(at)])
    assert [[one.number for one in own] for _, _, own in shares] == [[1, 2, 3], [4, 5]]


def test_a_life_that_has_no_whole_segment_yet_counts_from_its_beginning():
    assert airtime.position((aired(lived(), 0, 1),), BEGUN + Fraction(1, 25)) == Fraction(1, 25)
