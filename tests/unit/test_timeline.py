"""The timeline's two grids, and what follows from them."""

from fractions import Fraction
from itertools import accumulate, pairwise

from hypothesis import given
from hypothesis import strategies as st

from packager import timeline

SCALE = 12_800


@given(st.lists(st.integers(1, 6 * SCALE), min_size=1, max_size=200))
def test_keyframe_borders_lie_on_keyframes_and_never_exceed_six_seconds(gaps):
    marks = [0, *accumulate(gaps)]
    borders = timeline.keyframe_borders(marks[:-1], end=marks[-1], timescale=SCALE)
    assert borders is not None
    assert set(borders) <= set(marks)
    assert (borders[0], borders[-1]) == (0, marks[-1])
    assert all(0 < b - a <= 6 * SCALE for a, b in pairwise(borders))


@given(st.lists(st.integers(1, 5 * SCALE), min_size=1, max_size=60), st.integers(1, 60))
def test_a_settled_border_never_moves_when_the_table_grows(gaps, kept):
    marks = [0, *accumulate(gaps)]
    whole = timeline.keyframe_borders(marks[:-1], end=marks[-1], timescale=SCALE)
    part = marks[: max(2, min(kept, len(marks)))]
    early = timeline.keyframe_borders(part[:-1], end=part[-1], timescale=SCALE)
    assert whole is not None
    assert early is not None
    # a border is settled once the source is known six seconds beyond the one before it
    settled = [b for a, b in pairwise(early) if part[-1] - a >= 6 * SCALE]
    assert list(whole[1 : len(settled) + 1]) == settled


@given(st.lists(st.integers(1, 6 * SCALE), min_size=2, max_size=60), st.integers(1, 60))
def test_what_is_settled_while_the_end_is_unknown_is_what_the_whole_table_gives(gaps, kept):
    marks = [0, *accumulate(gaps)]
    whole = timeline.keyframe_borders(marks[:-1], end=marks[-1], timescale=SCALE)
    part = marks[: min(kept, len(marks) - 1)]
    settled = timeline.settled_borders(part, known=part[-1], timescale=SCALE)
    assert whole is not None
    assert settled is not None
    assert whole[: len(settled)] == settled
    if any(2 * SCALE <= mark <= 6 * SCALE for mark in part):
        assert len(settled) > 1, "the first border is known as soon as it has come"


def test_the_first_segment_is_the_shortest_that_may_be():
    marks = [second * SCALE for second in range(11)]
    borders = timeline.keyframe_borders(marks, end=11 * SCALE, timescale=SCALE)
    assert borders == tuple(second * SCALE for second in (0, 2, 6, 10, 11))


def test_the_keyframe_nearest_to_four_seconds_is_chosen():
    marks = [second * SCALE for second in (0, 1, 3, 5, 6)]
    assert timeline.keyframe_borders(marks, end=7 * SCALE, timescale=SCALE) == (0, 3 * SCALE, 7 * SCALE)


def test_a_gap_above_six_seconds_refuses_the_grid():
    assert timeline.keyframe_borders([0, 6 * SCALE + 1], end=7 * SCALE, timescale=SCALE) is None
    assert timeline.keyframe_borders([0], end=6 * SCALE + 1, timescale=SCALE) is None


def test_frame_borders_are_exact_at_ntsc_rates():
    rate = Fraction(30000, 1001)
    assert timeline.frame_ticks(rate) == (30000, 1001)
    assert timeline.frame_borders(250, rate) == (0, 120 * 1001, 240 * 1001, 250 * 1001)
    assert timeline.frame_ticks(Fraction(24)) == (24_000, 1000)


@given(st.integers(1, 20), st.fractions(min_value=0, max_value=40))
def test_audio_borders_are_within_half_a_unit_of_the_picture(count, overhang):
    borders = timeline.frame_borders(96 * count + 7, Fraction(24))
    whole = timeline.extended(borders, end=Fraction(borders[-1], 24_000) + overhang, timescale=24_000)
    audio = timeline.audio_borders(whole, timescale=24_000, rate=48_000)
    assert len(audio) == len(whole)
    assert all(border % 1024 == 0 for border in audio)
    assert all(abs(2 * a - b * 4) <= 1024 * 2 for a, b in zip(audio[:-1], whole[:-1], strict=True))
    assert 0 <= audio[-1] - whole[-1] * 2 < 1024 * 2
    assert all(b > a for a, b in pairwise(audio))


@given(st.fractions(min_value=Fraction(1, 100), max_value=100))
def test_a_track_that_outlasts_the_picture_goes_on_in_segments_of_the_same_length(overhang):
    borders = (0, 4000, 8000)
    end = 8 + overhang
    whole = timeline.extended(borders, end=end, timescale=1000)
    assert whole[-1] == -(-end.numerator * 1000 // end.denominator)
    assert timeline.target_duration([whole], [1000]) == 4
    assert whole[:2] == borders[:2]


def test_target_duration_rounds_to_the_nearest_second():
    assert timeline.target_duration([(0, 4_499)], [1000]) == 4
    assert timeline.target_duration([(0, 4_500)], [1000]) == 5
    assert timeline.target_duration([(0, 10)], [1000]) == 1
