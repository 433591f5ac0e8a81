"""Pictures that are passed through: on the grid of their life, each of them once, whatever is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest

from packager import inits
from packager.errors import Unpassable
from packager.life import Life
from packager.parts import Part
from packager.passed import Passed
from packager.passthrough import Picture
from tests.media.fragments import Sample, read_init, read_segment
from tests.unit.test_avc import sps
from tests.unit.test_life import lived
from tests.unit.test_passthrough import AVCC, avcc, film, sample

RATE = Fraction(30_000, 1001)
LIFE = replace(lived(RATE), passthrough=True)  # segments of 60 frames in six parts
START = 1_234


def begun(life: Life = LIFE) -> tuple[Passed, bytes]:
    passed = Passed(life)
    init = passed.describe(AVCC)
    assert init is not None
    return passed, init


def parts_of(passed: Passed, pictures: Sequence[Picture]) -> list[Part]:
    late = [replace(one, time=one.time + START) for one in pictures]
    return [part for one in late for part in passed.add(one)[1]] + passed.end()


def samples_of(init: bytes, parts: Sequence[Part]) -> list[Sample]:
    facts = read_init(init)
    return [one for part in parts for found in read_segment(part.body, facts) for one in found.samples]


@pytest.mark.parametrize("reordered", [False, True], ids=["plain", "reordered"])
def test_every_picture_comes_out_once_at_its_place_in_parts_of_one_length(reordered):
    passed, init = begun()
    pictures = film(RATE, 30, 180, reordered=reordered)
    found = parts_of(passed, pictures)
    step = LIFE.frame_ticks
    assert [(one.segment, one.number) for one in found] == [(s, p) for s in range(3) for p in range(6)]
    assert {one.end - one.begin for one in found} == {10 * step}
    samples = samples_of(init, found)
    assert [one.decode for one in samples] == [n * step for n in range(180)]
    assert sorted(one.shown for one in samples) == [n * step for n in range(180)]
    assert [n for n, one in enumerate(samples) if one.sync] == [0, 30, 60, 90, 120, 150]
    assert all(picture.data in part.body for picture, part in zip(pictures[::10], found, strict=True))
    assert passed.lead == START + (80 if reordered else 0)


def test_the_init_describes_the_publishers_pictures():
    _, init = begun()
    facts = read_init(init)
    assert (facts.handler, facts.entry, facts.size) == ("vide", "avc1", (1920, 1080))
    assert (facts.timescale, facts.edits) == (LIFE.timescale, 0)
    assert inits.codecs(init) == "avc1.640028"


def test_a_part_is_given_out_with_its_last_picture():
    passed, _ = begun()
    assert [len(passed.add(one)[1]) for one in film(RATE, 30, 10)] == [0] * 9 + [1]


@pytest.mark.parametrize("lost", [range(3, 5), range(8, 12), range(29, 30), range(52, 60), range(15, 24)])
def test_pictures_that_are_missing_leave_no_hole_in_decode_times(lost):
    passed, init = begun()
    found = parts_of(passed, [one for n, one in enumerate(film(RATE, 30, 120)) if n not in lost])
    step = LIFE.frame_ticks
    assert {one.end - one.begin for one in found} == {10 * step}
    samples = samples_of(init, found)
    assert all(one.decode + one.duration == following.decode for one, following in pairwise(samples))
    assert [one.shown for one in samples] == [n * step for n in range(120) if n not in lost]


@pytest.mark.parametrize(
    ("lost", "word"),
    [(range(12, 33), "more than a part"), (range(60, 61), "no keyframe"), (range(58, 63), "no keyframe")],
)
def test_too_many_that_are_missing_end_it(lost, word):
    passed, _ = begun()
    with pytest.raises(Unpassable, match=word):
        parts_of(passed, [one for n, one in enumerate(film(RATE, 30, 120)) if n not in lost])


@pytest.mark.parametrize(
    ("number", "changes", "word"),
    [
        (60, {"data": sample(1)}, "no keyframe"),
        (61, {"offset": -300}, "shown before"),
        (20, {"time": 600}, "constant rate"),
        (30, {"data": sample(5, sps(profile=77))}, "parameter sets"),
    ],
)
def test_pictures_that_are_not_what_was_promised_end_it(number, changes, word):
    passed, _ = begun()
    pictures = film(RATE, 30, 120)
    pictures[number] = replace(pictures[number], **changes)
    with pytest.raises(Unpassable, match=word):
        parts_of(passed, pictures)


def test_another_description_ends_it_and_the_same_one_does_not():
    passed, _ = begun()
    assert passed.describe(AVCC) is None
    with pytest.raises(Unpassable, match="description"):
        passed.describe(avcc(sps(profile=100)))


def test_what_is_left_at_the_end_is_a_last_shorter_part():
    passed, _ = begun()
    *_, left = parts_of(passed, film(RATE, 30, 63))
    assert (left.segment, left.number, left.last) == (1, 0, True)
    assert left.end - left.begin == 3 * LIFE.frame_ticks
