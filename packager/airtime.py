"""Where a moment of the clock lies in a broadcast of one life or several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from packager.life import Aired
from packager.marker import Marker


def begin(aired: Aired) -> Fraction:
    """Return the moment at which what counts of a life begins."""
    return Fraction(aired.life.started, 1000) + aired.started


def shares(
    lives: Sequence[Aired], markers: Sequence[Marker]
) -> Iterator[tuple[Aired, Fraction, list[Marker]]]:
    """Yield each life with the moment of its beginning, and the markers from there to the next one's."""
    begins = [begin(aired) for aired in lives]
    for aired, start, until in zip(lives, begins, [*begins[1:], None], strict=True):
        yield (
            aired,
            start,
            [one for one in markers if start <= one.moment and (until is None or one.moment < until)],
        )


def position(lives: Sequence[Aired], moment: Fraction) -> Fraction:
    """Return where a moment lies, in seconds from the first picture, the lives one behind the other.

    Between two lives, and behind one that is over, nothing is shown: that is where the next one begins.
    """
    passed = Fraction(0)
    for aired, following in zip(lives, [*lives[1:], None], strict=True):
        since = max(Fraction(0), moment - begin(aired))
        if following is None:
            return passed + (min(since, aired.seconds) if aired.over else since)
        if moment < begin(following):
            return passed + min(since, aired.seconds)
        passed += aired.seconds
    return passed


def moment_of(lives: Sequence[Aired], seconds: Fraction) -> Fraction:
    """Return the moment at so many seconds from the first picture; there is a life."""
    for aired in lives[:-1]:
        if seconds < aired.seconds:
            return begin(aired) + seconds
        seconds -= aired.seconds
    return begin(lives[-1]) + seconds
