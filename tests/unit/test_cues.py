"""Markers ahead of a broadcast: in the part that holds their moment, once in every rendition of one life."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import pytest

from packager.parts import Part, fragment
from streamer.live.cues import Cues
from tests.media.messages import messages, without
from tests.unit.broadcasts import STARTED, lived
from tests.unit.marked import marker, spliced
from tests.unit.test_parts import frame

BEGUN = Fraction(STARTED, 1000)
LIFE = lived()


def made(name: str, number: int, life=LIFE) -> Part:
    """Return the part of a rendition with a number that counts on over its segments."""
    segment, part = divmod(number, life.parts)
    return Part(
        rendition=name,
        segment=segment,
        number=part,
        begin=life.border(name, segment, part),
        end=life.border(name, segment, part + 1),
        independent=part == 0,
        last=part + 1 == life.parts,
        body=fragment([frame(0, sync=True)], sequence=1),
    )


def told(cues: Cues, numbers: Iterator[int], life=LIFE) -> dict[str, list[tuple[int, int]]]:
    """Send parts of every rendition; return (part, number of the marker) of what they tell, by rendition."""
    found = {name: [] for name in life.names}
    for number in numbers:
        for name in life.names:
            before = made(name, number, life)
            after = cues.put(before)
            assert without(after.body) == before.body
            found[name] += [(number, one.number) for one in messages(after.body)]
    return found


@pytest.fixture
def cues():
    opened = Cues(since=STARTED)
    opened.begin(LIFE, lambda: 0)
    return opened


def test_the_part_that_holds_the_moment_tells_of_it_in_every_rendition(cues):
    cues.follow([marker(BEGUN + 1)])  # parts are 0.32 s
    assert told(cues, range(8)) == {name: [(3, 7)] for name in LIFE.names}


def test_a_moment_at_a_border_is_told_by_the_part_behind_it(cues):
    cues.follow([marker(BEGUN + 4 * LIFE.part_seconds)])
    assert told(cues, range(8))["720p"] == [(4, 7)]


def test_what_comes_late_is_told_by_the_next_part(cues):
    told(cues, range(5))
    cues.follow([marker(BEGUN + 1)])
    assert told(cues, range(5, 8)) == {name: [(5, 7)] for name in LIFE.names}


def test_parts_without_a_marker_are_the_very_same(cues):
    part = made("720p", 0)
    assert cues.put(part) is part


def test_only_what_is_meant_for_segments_and_not_long_past_is_told(cues):
    cues.follow([marker(BEGUN + 1, inband=False), marker(BEGUN - 1, number=9)])
    assert told(cues, range(8)) == {name: [] for name in LIFE.names}


def test_following_again_tells_nothing_twice_and_drops_what_is_gone(cues):
    first, second = marker(BEGUN, number=1), marker(BEGUN + 1, number=2)
    cues.follow([first, second])
    assert told(cues, range(1))["360p"] == [(0, 1)]
    cues.follow([first])
    assert told(cues, range(1, 8)) == {name: [] for name in LIFE.names}


def test_what_one_life_has_begun_to_tell_no_later_one_does(cues):
    cues.follow([marker(BEGUN, number=1), spliced(BEGUN + 20, number=2)])
    cues.put(made("720p", 0))  # the encoder fails before the other renditions have come so far
    second = replace(LIFE, generation="l2", started=STARTED + 9_600)
    cues.begin(second, lambda: 0)
    assert told(cues, range(40), second) == {name: [(32, 2), (32, 2)] for name in LIFE.names}


def test_a_moment_that_no_life_showed_is_told_by_the_next_one(cues):
    told(cues, range(2))
    cues.follow([marker(BEGUN + 5)])
    second = replace(LIFE, generation="l2", started=STARTED + 9_600)
    cues.begin(second, lambda: 0)
    assert told(cues, range(2), second) == {name: [(0, 7)] for name in LIFE.names}


def test_now_is_the_next_frame_of_the_publisher_and_never_before_the_edge(cues):
    heard = [0]
    cues.begin(LIFE, lambda: heard[0])
    assert (cues.now, cues.edge) == (BEGUN, BEGUN)
    told(cues, range(2))
    assert cues.edge == max(
        BEGUN + Fraction(LIFE.border(name, 0, 2), LIFE.scale(name)) for name in LIFE.names
    )
    assert cues.edge <= cues.now < cues.edge + Fraction(1, 25)
    heard[0] = 1001
    assert cues.now == BEGUN + Fraction(26, 25)


def test_before_the_first_life_there_is_no_now():
    assert (Cues().now, Cues().edge) == (None, None)
