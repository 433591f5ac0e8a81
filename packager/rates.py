"""The nominal frame rate of a table of frame times, and whether the times follow it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from packager.index import Ticks

STANDARD = (
    *(Fraction(n) for n in (1, 2, 5, 6, 8, 10, 12, 15, 20, 24, 25, 30, 48, 50, 60, 72, 90, 100, 120, 240)),
    *(Fraction(n * 1000, 1001) for n in (15, 24, 30, 48, 60, 120, 240)),
    Fraction(25, 2),
)
FASTEST = Fraction(240)

_SNAP = Fraction(1, 2000)
_NEAR = Fraction(1, 50)
# Containers round twice on the way (capture clock, then file clock); 0.2 ms is no change of rate.
_SLACK = Fraction(1, 5000)


def nominal(times: Ticks, time_base: Fraction, hints: tuple[Fraction | None, ...]) -> tuple[Fraction, bool]:
    """Return (frames a second, whether times leave that grid by more than their rounding).

    `hints` are the container's own claims, tried first where they are standard rates; with a single frame the
    first of them counts, else 25.
    """
    claims = [hint for hint in hints if hint is not None and 0 < hint <= FASTEST]
    if len(times) < 2:
        return (claims[0] if claims else Fraction(25)), False
    steps = np.diff(times)
    typical = 1 / (max(1, int(np.median(steps))) * time_base)
    span = int(times[-1] - times[0])
    mean = Fraction(len(times) - 1) / (span * time_base)
    tolerance = max(_SNAP, Fraction(2, span))
    candidates = [claim for claim in claims if claim in STANDARD and abs(claim / mean - 1) <= tolerance]
    near = _nearest(mean)
    if abs(near / mean - 1) <= tolerance:
        candidates.append(near)
    candidates += [typical, mean]
    for rate in candidates:
        # One tick for the rounding of the file's times, one for the floor of the grid.
        if rate <= FASTEST and _stray(times, time_base, rate) <= max(2, int(_SLACK / time_base)):
            return rate, False
    # Jitter around a steady clock: no frame leaves the place of its number by a whole frame.
    step = 1 / (near * time_base)
    if abs(near / mean - 1) <= Fraction(1, len(times) - 1) and _stray(times, time_base, near) < step:
        return near, True
    typical = 1 / (_common(steps) * time_base)
    near = _nearest(typical)
    rate = near if abs(near / typical - 1) <= _NEAR else typical.limit_denominator(1001)
    return min(rate, FASTEST), True


def _nearest(rate: Fraction) -> Fraction:
    """Return the standard rate nearest in ratio."""
    return min(STANDARD, key=lambda standard: max(standard / rate, rate / standard))


def _common(steps: Ticks) -> Fraction:
    """Return the median step, made finer than a tick by its neighbours: 33 and 34 ms are one rate."""
    median = max(1, int(np.median(steps)))
    alike = steps[np.abs(steps - median) <= 1]
    return Fraction(int(alike.sum()), len(alike)) if len(alike) else Fraction(median)


def _stray(times: Ticks, time_base: Fraction, rate: Fraction) -> int:
    """Return how many ticks apart the times' distances from a grid of `rate` are."""
    step = 1 / (rate * time_base)
    numbers = np.arange(len(times), dtype=np.int64)
    if len(times) * step.numerator >= 1 << 62:
        return int(np.iinfo(np.int64).max)
    grid = numbers * step.numerator // step.denominator
    off = times - times[0] - grid
    return int(off.max() - off.min())
