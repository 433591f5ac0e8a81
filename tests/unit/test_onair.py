"""What a broadcast on air remembers, what it lets go of, and whom it wakes."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from packager.life import Life, Reach
from packager.parts import Part
from streamer.live.onair import Left, OnAir
from streamer.live.remains import Remains
from tests.unit.broadcasts import CODECS, lived, restarted


def part(
    life: Life, name: str, segment: int, number: int, *, frames: int | None = None, size: int = 10
) -> Part:
    """Return a part, whole unless it is the last of so many frames."""
    begin = life.border(name, segment, number)
    end = life.border(name, segment, number + 1) if frames is None else begin + frames * life.frame_ticks
    body = f"{segment}.{number};".encode().ljust(size, b".")
    last = frames is not None or number + 1 == life.parts
    return Part(
        rendition=name,
        segment=segment,
        number=number,
        begin=begin,
        end=end,
        independent=number == 0,
        last=last,
        body=body,
    )


def begun(life: Life, **options) -> OnAir:
    onair = OnAir("asset", **options)
    onair.begin(life, dict.fromkeys(life.names, b"init"), CODECS)
    return onair


def feed(
    onair: OnAir, segments: int, parts: int = 0, *, start: int = 0, size: int = 10, store: bool = False
) -> None:
    """Take all parts of all renditions from segment `start` up to a position."""
    life = onair.lives[-1].life
    for segment in range(start, segments + bool(parts)):
        for number in range(parts if segment == segments else life.parts):
            for name in life.names:
                onair.take(part(life, name, segment, number, size=size))
                if store and number + 1 == life.parts:
                    onair.stored(life.generation, name, segment)


def test_reach_follows_the_parts():
    life = lived()
    onair = begun(life)
    onair.take(part(life, "360p", 0, 0))
    assert onair.lives[0].reach == {"720p": Reach(), "360p": Reach(parts=1), "audio-0": Reach()}
    for number in range(1, 6):
        onair.take(part(life, "360p", 0, number))
    assert onair.lives[0].reach["360p"] == Reach(segments=1)


@pytest.mark.parametrize(("segment", "number"), [(0, 0), (0, 2), (1, 0)])
def test_only_the_next_part_is_taken(segment, number):
    life = lived()
    onair = begun(life)
    onair.take(part(life, "360p", 0, 0))
    with pytest.raises(ValueError, match="not the next one"):
        onair.take(part(life, "360p", segment, number))


def test_nothing_comes_behind_a_segment_that_was_cut_short():
    life = lived()
    onair = begun(life)
    onair.take(part(life, "360p", 0, 0, frames=5))
    assert onair.lives[0].reach["360p"] == Reach(segments=1, end=5000)
    with pytest.raises(ValueError, match="not the next one"):
        onair.take(part(life, "360p", 1, 0))


def test_a_life_that_ends_makes_whole_what_was_growing():
    life = lived()
    onair = begun(life)
    feed(onair, 1, 2)
    assert onair.over_life() == [(name, 1) for name in life.names]
    ended = onair.lives[0]
    assert ended.over
    assert {reach.segments for reach in ended.reach.values()} == {2}
    assert ended.reach["360p"].end == life.border("360p", 1, 2)
    assert onair.segment("l1", "360p", 1) == b"".join(part(life, "360p", 1, n).body for n in range(2))
    assert onair.following == 2
    assert onair.over_life() == []


def test_rule_numbers_go_on_and_must():
    onair = begun(lived())
    feed(onair, 3, 1)
    later = lived(name="l2", first=4)
    with pytest.raises(ValueError, match="begins with segment 4"):
        onair.begin(replace(later, first=3), {}, {})
    onair.begin(later, {}, {})
    assert [aired.life.generation for aired in onair.lives] == ["l1", "l2"]


def test_rule_a_life_that_would_change_what_playlists_have_said_is_refused():
    onair = begun(lived())
    feed(onair, 1)
    with pytest.raises(ValueError, match="cannot follow"):
        onair.begin(lived(name="l2", first=1, sound=False), {}, {})


def test_a_life_without_a_part_was_none():
    onair = begun(lived())
    onair.over_life()
    assert not onair.lives
    onair.begin(lived(name="l2", first=7), {}, {})
    assert [aired.life.generation for aired in onair.lives] == ["l2"]


def test_stored_segments_leave_the_memory_but_not_those_that_are_listed_with_parts():
    onair = begun(lived())
    feed(onair, 20, store=True)
    # Three target durations are 6 s: four segments of 1.92 s, and one more for whoever is late.
    there = [segment for segment in range(20) if onair.part("l1", "360p", segment, 0)]
    assert there == [15, 16, 17, 18, 19]
    # Where parts lie is known for longer: caches still list them.
    assert onair.span("l1", "360p", 7, 1) == (10, 20)
    assert onair.span("l1", "360p", 2, 1) is None


def test_what_is_not_stored_stays_and_is_sent_from_memory():
    onair = begun(lived())
    feed(onair, 20)
    assert onair.segment("l1", "360p", 0) is not None
    onair.stored("l1", "360p", 0)
    assert onair.segment("l1", "360p", 0) is None
    assert onair.part("l1", "360p", 0, 0) is None
    assert onair.segment("l1", "360p", 1) is not None


def test_memory_is_bounded_even_if_the_store_never_has_anything():
    life = lived()
    onair = begun(life, memory=40_000)
    feed(onair, 40, size=100)
    held = [
        onair.part("l1", name, segment, number)
        for name in life.names
        for segment in range(40)
        for number in range(6)
    ]
    assert sum(len(body) for body in held if body) <= 40_000
    assert onair.part("l1", "360p", 39, 0) is not None
    assert onair.part("l1", "360p", 0, 0) is None


def test_a_life_that_is_over_leaves_the_memory_too():
    onair = begun(lived())
    feed(onair, 5, store=True)
    onair.over_life()
    onair.begin(lived(name="l2", first=5), {}, {})
    feed(onair, 2, store=True)
    assert onair.part("l1", "360p", 4, 0) is not None
    feed(onair, 8, start=2, store=True)
    assert onair.part("l1", "360p", 4, 0) is None


async def test_who_waits_for_a_rendition_is_woken_by_its_parts_alone():
    life = lived()
    onair = begun(life)
    picture, sound = (asyncio.create_task(onair.turn(name)) for name in ("360p", "audio-0"))
    await asyncio.sleep(0)
    onair.take(part(life, "audio-0", 0, 0))
    await sound
    assert not picture.done()
    onair.over_life()
    await picture


async def test_the_end_wakes_everybody_and_nothing_follows():
    life = lived()
    onair = begun(life)
    waiting = [asyncio.create_task(onair.turn(name)) for name in ("", *life.names)]
    await asyncio.sleep(0)
    onair.end()
    await asyncio.gather(*waiting)
    with pytest.raises(ValueError, match="cannot follow"):
        onair.begin(lived(name="l2"), {}, {})


def test_it_goes_on_behind_what_remains_of_it_and_what_was_announced():
    gone = restarted()[0]
    remains = Remains(lives=(gone,), codecs=CODECS, sizes={("l1", "360p"): {3: [10, 20]}})
    onair = OnAir("asset", remains=remains)
    assert onair.lives == (gone,)
    assert (onair.codecs, onair.target_duration) == (CODECS, gone.life.target_duration)
    # The store sends inits and segments; of the latest ones it is known where their parts lie.
    assert onair.init("l1", "360p") is None
    assert onair.segment("l1", "360p", 3) is None
    assert onair.span("l1", "360p", 3, 1) == (10, 30)
    assert onair.span("l1", "360p", 4, 0) is None
    with pytest.raises(ValueError, match="begins with segment 6, not 4"):
        onair.begin(lived(name="l2", first=4), {}, {})
    onair.begin(lived(name="l2", first=6), {}, {})
    feed(onair, 1, 2)
    assert [(one.life.generation, one.over, one.lost) for one in onair.lives] == [
        ("l1", True, 2),
        ("l2", False, 0),
    ]


async def test_who_waits_is_told_where_the_server_leaves_the_broadcast():
    onair = begun(lived())
    waiting = asyncio.create_task(onair.turn("360p"))
    await asyncio.sleep(0)
    onair.leave()
    with pytest.raises(Left):
        await waiting
    assert not onair.ended
