"""Which pictures can be passed through, and why others cannot."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from packager import passthrough
from packager.errors import Unpassable
from packager.passthrough import Passage, Picture
from tests.unit.test_avc import sps

PICTURES = b"\x68\xee\x3c\x80"
DELAY = 80
RATES = (Fraction(24), Fraction(24_000, 1001), Fraction(25), Fraction(30_000, 1001), Fraction(60))


def avcc(sequence: bytes) -> bytes:
    return b"".join((b"\1\x64\0\x28\xff\xe1", len(sequence).to_bytes(2), sequence, b"\1\0\4", PICTURES))


AVCC = avcc(sps(profile=100, crop=True))


def sample(kind: int, *sets: bytes, size: int = 20) -> bytes:
    """Return an access unit: parameter sets, then a slice of a kind."""
    units = (*sets, bytes([kind]) + bytes(size - 1))
    return b"".join(len(unit).to_bytes(4) + unit for unit in units)


def film(rate: Fraction, keyframes: int, count: int, *, reordered: bool = False) -> list[Picture]:
    """Return pictures in milliseconds, as FLV has them; `reordered` ones are decoded as I P b b P b b."""
    order = [0]
    for anchor in range(3, keyframes, 3) if reordered else ():
        order += [anchor, anchor - 2, anchor - 1]
    order += range(len(order), keyframes)
    made = []
    for number in range(count):
        group, within = divmod(number, keyframes)
        time, shown = (round(n * 1000 / rate) for n in (number, group * keyframes + order[within]))
        key = within == 0
        made.append(
            Picture(
                time=time,
                offset=shown - time + DELAY * reordered,
                keyframe=key,
                data=sample(5 if key else 1),
            )
        )
    return made


@pytest.mark.parametrize("stated", [True, False], ids=["stated", "measured"])
@pytest.mark.parametrize("reordered", [False, True], ids=["plain", "reordered"])
@pytest.mark.parametrize("seconds", [1, 2])
@pytest.mark.parametrize(
    "rate",
    [Fraction(24), Fraction(24_000, 1001), Fraction(25), Fraction(30_000, 1001), Fraction(60)],
    ids=str,
)
def test_an_even_rate_and_keyframes_of_up_to_two_seconds_are_found(rate, seconds, reordered, stated):
    keyframes = round(seconds * rate)
    pictures = film(rate, keyframes, keyframes + 1, reordered=reordered)
    assert passthrough.judge(AVCC, pictures[:-1], stated=None) is None
    found = passthrough.judge(AVCC, pictures, stated=rate if stated else None)
    assert found == Passage(rate=rate, keyframes=keyframes, bits=found.bits)
    assert abs(found.bits - 24 * 8 * rate) < 10


def test_a_rate_that_is_stated_wrongly_is_put_right():
    pictures = film(Fraction(30_000, 1001), 60, 61)
    found = passthrough.judge(AVCC, pictures, stated=Fraction(30))
    assert found.rate == Fraction(30_000, 1001)


@pytest.mark.parametrize(
    ("pictures", "word"),
    [
        (film(Fraction(25), 100, 60), "more than 2 seconds"),
        (film(Fraction(100), 50, 51), "constant rate"),
        ([*film(Fraction(25), 25, 10), *film(Fraction(25), 25, 27)[12:]], "constant rate"),
        ([replace(film(Fraction(25), 25, 1)[0], data=sample(1))], "decoding can begin"),
        ([replace(film(Fraction(25), 25, 1)[0], data=sample(5, sps(profile=77)))], "parameter sets"),
        ([*film(Fraction(25), 25, 3), replace(film(Fraction(25), 25, 4)[3], offset=-200),
          *film(Fraction(25), 25, 26)[4:]], "shown before"),
    ],
)  # fmt: skip
def test_what_is_wanted_is_said_where_pictures_are_otherwise(pictures, word):
    with pytest.raises(Unpassable, match=word):
        passthrough.judge(AVCC, pictures, stated=Fraction(25))


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ({"profile": 110, "deeper": 2}, "8-bit"),
        ({"profile": 100, "level": 52}, "level"),
        ({"profile": 100, "frames_only": False}, "interlaced"),
        ({"profile": 100, "aspect": 255}, "square"),
        ({"profile": 100, "aspect": 1, "full_range": True}, "full range"),
    ],
)
def test_pictures_that_many_devices_cannot_show_are_refused(said, word):
    with pytest.raises(Unpassable, match=word):
        passthrough.judge(avcc(sps(**said)), film(Fraction(25), 25, 26), stated=None)


def test_parameter_sets_may_be_repeated():
    first = replace(film(Fraction(25), 25, 1)[0], data=sample(5, sps(profile=100, crop=True), PICTURES))
    assert passthrough.judge(AVCC, [first, *film(Fraction(25), 25, 26)[1:]], stated=None)


def test_a_broadcast_that_has_begun_keeps_its_segments():
    passage = Passage(rate=Fraction(25), keyframes=25, bits=1)
    grid = passthrough.usual(Fraction(1, 3), Fraction(25))
    assert grid == (10, 5)
    wish = {"part_seconds": Fraction(1, 3), "rate": Fraction(25)}
    assert passthrough.grid(passage, **wish, given=None) == grid
    assert passthrough.grid(passage, **wish, given=grid) == grid
    for other, word in [
        (replace(passage, keyframes=48), "segments"),
        (replace(passage, rate=Fraction(30)), "frames a second"),
    ]:
        with pytest.raises(Unpassable, match=word):
            passthrough.grid(other, **wish, given=grid)
    with pytest.raises(Unpassable, match="parts"):
        passthrough.grid(replace(passage, keyframes=47), **wish, given=None)
