"""Pictures that are passed through: bit by bit the publisher's, on one grid with what is encoded beside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from packager.cutter import Cutter
from streamer.ingest import flv
from streamer.ingest.flv import Kind, Tag
from streamer.live.streams import Settings
from streamer.rows import StreamState
from tests.flow.test_broadcast import Show, program, showing  # noqa: F401 - a fixture
from tests.flow.whole_site import processes
from tests.media import reader
from tests.media.clip import X264, Clip
from tests.media.sources import constant

RATE = Fraction(25)
WISH = Settings(reconnect_seconds=6, passthrough=True)
PLAIN = Clip(
    name="passed",
    suffix=".flv",
    timing=constant(25, 10),
    video=(*X264, "-g", "25", "-bf", "0"),
)
REORDERED = replace(PLAIN, name="passed-reordered", video=(*X264, "-g", "25", "-bf", "2", "-b_strategy", "0"))
SPARSE = replace(PLAIN, name="passed-sparse", video=(*X264, "-g", "100", "-bf", "0"))


@pytest.fixture
async def show(program):  # noqa: F811 - it is used
    async with showing(program, WISH) as made:
        yield made


def units(file: Path) -> list[bytes]:
    """Return the access units of a publisher's pictures."""
    tags = flv.read(file.read_bytes())
    return [tag.body for tag in tags if tag.kind is Kind.VIDEO and not tag.configuration]


def altered(file: Path, name: str, change: Callable[[Tag], Tag | None]) -> Path:
    """Return another file with tags of pictures and sound as they are changed, None for those left out."""
    tags = [tag if tag.configuration else change(tag) for tag in flv.read(file.read_bytes())]
    made = file.with_name(f"{file.stem}-{name}{file.suffix}")
    made.write_bytes(flv.head() + b"".join(flv.write(tag) for tag in tags if tag is not None))
    return made


def passed(show: Show, number: int = 0) -> list[bytes]:
    """Return the samples of the top rung of a life."""
    life = show.air.lives[number]
    cut, name = Cutter(), life.names[0]
    list(cut.feed(show.air.inits[life.generation][name]))
    return [sample.data for body in show.segments(life.generation, name) for sample in cut.feed(body)]


@pytest.mark.parametrize("clip", [PLAIN, REORDERED], ids=["plain", "reordered"])
async def test_the_publishers_pictures_are_the_top_rung_bit_by_bit(show, clips, clip):
    file = clips.make(clip)
    publisher = show.publish(file)
    await show.on_air(14)
    publisher.stop()
    await show.air.until(lambda: show.broadcast.aired)
    (life,) = show.air.lives
    assert (life.passthrough, life.names) == (True, ("180p", "144p", "audio-0"))
    found = passed(show)
    assert found == units(file)[: len(found)]
    assert len(found) >= 140
    parts = show.air.parts[life.generation, "180p"]
    assert {part.end - part.begin for part in parts[:-1]} == {life.part_frames * life.frame_ticks}
    assert all(one.end == following.begin for one, following in pairwise(parts))
    assert {part.number for part in parts if part.independent} == {0}
    shown, lower = (show.numbers(life, name) for name in ("180p", "144p"))
    # It is cut off in the middle: of reordered pictures the last ones lack those that they refer to.
    whole = min(len(shown), len(lower)) - 4
    assert shown[:whole] == [(n / RATE, n) for n in range(whole)]
    assert lower[:whole] == shown[:whole]
    tracks = [
        (show.air.inits[life.generation][name], show.segments(life.generation, name))
        for name in ("180p", "audio-0")
    ]
    assert all(abs(offset) < 30 for offset in reader.beeps_and_flashes(*tracks).offsets[1:])


async def test_a_publisher_that_drops_and_comes_back_begins_another_life(show, clips):
    file = clips.make(PLAIN)
    first = show.publish(file)
    await show.on_air(7)
    first.stop()
    await show.air.until(lambda: show.air.states[-1:] == [StreamState.RECONNECTING])
    assert not show.broadcast.over
    show.publish(clips.make(REORDERED), "b")
    await show.on_air(7, life=1)
    before, after = show.air.lives
    assert (after.passthrough, after.first) == (True, show.broadcast.aired[0].segments + before.first)
    assert after.follows(before)
    assert show.air.states[-1] is StreamState.LIVE
    show.broadcast.end()
    await show.air.until(lambda: len(show.broadcast.aired) == 2)
    for number, clip in enumerate((PLAIN, REORDERED)):
        found = passed(show, number)
        assert found == units(clips.make(clip))[: len(found)]


async def test_another_publisher_begins_another_life(show, clips):
    show.publish(clips.make(PLAIN))
    await show.on_air(3)
    show.publish(clips.make(PLAIN), "b")
    await show.on_air(3, life=1)
    assert [life.passthrough for life in show.air.lives] == [True, True]


async def test_keyframes_too_far_apart_are_encoded_and_the_reason_is_told(show, clips):
    show.publish(clips.make(SPARSE))
    await show.on_air(3)
    (life,) = show.air.lives
    assert not life.passthrough
    assert "more than 2 seconds apart" in life.refusal
    assert life.segment_frames == 50  # so that what can be passed through may follow


async def test_pictures_that_turn_out_other_ones_begin_another_life(show, clips):
    # The keyframe after four seconds is lost with some pictures before and behind it.
    file = altered(clips.make(PLAIN), "broken", lambda tag: None if 3_900 <= tag.time < 4_100 else tag)
    show.publish(file)
    await show.on_air(3, life=1)
    before, after = show.air.lives
    assert (before.passthrough, after.passthrough) == (True, True)
    assert len(passed(show)) >= 75
    assert StreamState.RECONNECTING not in show.air.states


async def test_a_publisher_that_falls_silent_begins_another_life_when_it_goes_on(show, clips):
    file = altered(
        clips.make(PLAIN),
        "silent",
        lambda tag: tag if tag.time < 3_000 else replace(tag, time=tag.time + 4_000),
    )
    show.publish(file)
    await show.on_air(3, life=1)
    assert [life.passthrough for life in show.air.lives] == [True, True]
    assert show.air.states[:2] == [StreamState.LIVE, StreamState.RECONNECTING]


async def test_without_sound_and_nothing_that_could_be_encoded_there_is_no_encoder(program, clips):  # noqa: F811
    async with showing(program, WISH, pixels=0) as show:
        file = clips.make(replace(PLAIN, name="passed-mute", sounds=()))
        publisher = show.publish(file)
        await show.on_air(6)
        assert show.air.lives[0].names == ("180p",)
        assert processes(program) == []
        publisher.stop()
        await show.air.until(lambda: show.broadcast.aired)
        found = passed(show)
        assert found == units(file)[: len(found)]
