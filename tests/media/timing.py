"""Say when frames are shown: constant, mixed and jittered rates, exact to the tick."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

TICKS = 90000


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When frames are shown: number n at times[n] seconds; `setpts` is the same table as a filter expression.

    `rate` is the nominal rate in frames a second, and `setpts` empty where times are n / rate.
    """

    rate: Fraction
    times: tuple[Fraction, ...]
    setpts: str = ""


def constant(rate: Fraction | int, seconds: int) -> Timing:
    """Return the timing of whole frames at `rate` for about `seconds`."""
    rate = Fraction(rate)
    return Timing(rate=rate, times=tuple(Fraction(n) / rate for n in range(round(seconds * rate))))


def pieces(rate: int, *runs: tuple[int, int]) -> Timing:
    """Return a variable timing: runs of (frames, ticks of 1/90000 s from each of them to the next)."""
    times, at = [], 0
    for frames, step in runs:
        times += [Fraction(at + n * step, TICKS) for n in range(frames)]
        at += frames * step
    terms, first = [], 0
    for frames, step in runs:
        terms.append(f"clip(N-{first},0,{frames})*{step}")
        first += frames
    return Timing(rate=Fraction(rate), times=tuple(times), setpts="+".join(terms))


def jittered(rate: int, seconds: int) -> Timing:
    """Return a timing whose every frame but the first is up to 10 ms off its place at `rate`."""
    step, count = TICKS // rate, rate * seconds
    offsets = [((n * 37) % 21 - 10) * 90 if n else 0 for n in range(count)]
    times = tuple(Fraction(n * step + offset, TICKS) for n, offset in enumerate(offsets))
    return Timing(rate=Fraction(rate), times=times, setpts=f"N*{step}+if(N,(mod(N*37,21)-10)*90,0)")
