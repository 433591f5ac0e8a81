"""Name the frame rate of times as containers round them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from packager.rates import nominal

NTSC = Fraction(30000, 1001)


def times(rate: Fraction, base: Fraction, count: int = 300) -> np.ndarray:
    return np.array([round(number / rate / base) for number in range(count)], dtype=np.int64)


@pytest.mark.parametrize(
    "base", [Fraction(1, 1000), Fraction(1, 90000), Fraction(1, 12288), Fraction(1, 600)]
)
@pytest.mark.parametrize(
    "rate", [Fraction(n) for n in (10, 24, 25, 30, 50, 60)] + [Fraction(24000, 1001), NTSC, 2 * NTSC]
)
def test_rounded_times_are_constant(rate: Fraction, base: Fraction):
    assert nominal(times(rate, base), base, (None,)) == (rate, False)


def test_own_rate_that_is_no_standard():
    rate = Fraction(90000, 4321)
    assert nominal(times(rate, Fraction(1, 90000)), Fraction(1, 90000), ()) == (rate, False)


def test_missing_frame_is_variable():
    base = Fraction(1, 90000)
    gapped = np.delete(times(Fraction(25), base), 100)
    assert nominal(gapped, base, (Fraction(25),)) == (Fraction(25), True)


def test_jitter_is_variable():
    base = Fraction(1, 90000)
    dice = np.random.default_rng(1)
    jittered = times(Fraction(24), base, 1000) + dice.integers(-900, 900, 1000)
    assert nominal(jittered, base, ()) == (Fraction(24), True)


def test_single_frame():
    assert nominal(np.array([0]), Fraction(1, 1000), (None, Fraction(24))) == (Fraction(24), False)
    assert nominal(np.array([0]), Fraction(1, 1000), ()) == (Fraction(25), False)


def test_faster_than_any_screen():
    base = Fraction(1, 90000)
    assert nominal(times(Fraction(1000), base), base, ()) == (Fraction(240), True)
