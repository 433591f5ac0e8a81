"""Keeping what is on air: segments whole and in order, and a broadcast that outlives its disk."""

from __future__ import annotations

import asyncio
from fractions import Fraction

import pytest

from packager.errors import StoreAway
from packager.life import Life, Reach
from packager.parts import Part
from packager.store import MemoryStore
from streamer.live.recorder import Recorder, Reel
from tests.unit.test_life import lived

LIFE = lived(Fraction(25))


def part(name: str, segment: int, number: int) -> Part:
    begin, end = (LIFE.border(name, segment, number + at) for at in (0, 1))
    body = f"{name} {segment}.{number};".encode()
    last = number + 1 == LIFE.parts
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


class Rows:
    def __init__(self) -> None:
        self.lives: list[Life] = []
        self.rows: list[tuple[str, str, int]] = []

    async def begin_life(self, asset, life):
        self.lives.append(life)

    async def noted(self, asset, generation, stored):
        self.rows += [(generation, one.rendition, one.number) for one in stored]


class Air:
    def __init__(self) -> None:
        self.kept: list[tuple[str, str, int]] = []

    def stored(self, generation, rendition, segment):
        self.kept.append((generation, rendition, segment))


def test_a_segment_is_its_parts():
    reel = Reel(LIFE)
    ended = [reel.take(part("360p", n // 6, n % 6)) for n in range(14)]
    whole = [one for one in ended if one]
    assert [number for number, _ in whole] == [0, 1]
    assert whole[1][1] == b"".join(f"360p 1.{n};".encode() for n in range(6))
    assert reel.next == LIFE.first + 3


def test_what_was_growing_ends_where_it_is():
    reel = Reel(LIFE)
    for n in range(8):
        reel.take(part("360p", n // 6, n % 6))
    for n in range(6):
        reel.take(part("audio-0", 0, n))
    assert [(name, number) for name, number, _ in reel.close()] == [("360p", 1)]
    assert reel.aired.over
    assert reel.aired.reach == {
        "360p": Reach(segments=2, end=64_000),
        "audio-0": Reach(segments=1, end=LIFE.border("audio-0", 1)),
    }
    assert reel.next == LIFE.first + 2


async def recorded(recorder: Recorder, segments: int) -> None:
    running = asyncio.create_task(recorder.run())
    recorder.begin(LIFE, {"360p": b"init"})
    for number in range(segments):
        recorder.keep(LIFE, "360p", number, bytes(10))
    recorder.close()
    await running


async def test_everything_is_stored_before_it_is_noted():
    rows, air, store = Rows(), Air(), MemoryStore()
    recorder = Recorder("a", store=store, broadcasts=rows, kept=air)
    await recorded(recorder, 3)
    assert rows.lives == [LIFE]
    assert rows.rows == air.kept == [("l1", "360p", number) for number in range(3)]
    assert await store.list("") == ["l1/360p/0.m4s", "l1/360p/1.m4s", "l1/360p/2.m4s", "l1/360p/init.mp4"]
    assert not recorder.broken


async def test_a_full_disk_ends_the_recording_and_nothing_else():
    rows, air = Rows(), Air()
    recorder = Recorder("a", store=MemoryStore(capacity=25), broadcasts=rows, kept=air)
    await recorded(recorder, 5)
    assert recorder.broken
    assert rows.rows == [("l1", "360p", 0), ("l1", "360p", 1)]


@pytest.mark.parametrize("waiting", [300])
async def test_a_disk_that_falls_behind_is_not_waited_for(waiting):
    recorder = Recorder("a", store=MemoryStore(), broadcasts=Rows(), kept=Air())
    for number in range(waiting):
        recorder.keep(LIFE, "360p", number, b"")
    assert recorder.broken


class Away(MemoryStore):
    """A store that is away for so many writes."""

    def __init__(self, times):
        super().__init__()
        self._times = times

    async def put(self, key, body):
        self._times -= 1
        if self._times >= 0:
            raise StoreAway("away")
        return await super().put(key, body)


@pytest.mark.parametrize(("times", "broken"), [(3, False), (100, True)])
async def test_a_store_that_is_away_is_waited_for_but_not_for_ever(times, broken):
    store, air = Away(times), Air()
    recorder = Recorder("asset", store=store, broadcasts=Rows(), kept=air, again_seconds=0)
    recorder.keep(LIFE, "360p", 0, b"body")
    recorder.close()
    async with asyncio.timeout(10):
        await recorder.run()
    assert recorder.broken == broken
    assert bool(air.kept) != broken
