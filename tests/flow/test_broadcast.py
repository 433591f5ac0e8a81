"""A broadcast with real encoders: publishers drop and come back, encoders die, viewers see one timeline."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections import defaultdict
from collections.abc import AsyncIterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import imageio_ffmpeg
import pytest

from packager import keys
from packager.ladder import Effort
from packager.life import Life
from packager.parts import Part
from packager.process import Spawner
from packager.store import MemoryStore
from streamer.ingest import flv
from streamer.ingest.door import Ending
from streamer.ingest.errors import KeyBusy
from streamer.ingest.flv import Tag
from streamer.live.broadcast import Broadcast
from streamer.live.cues import Cues
from streamer.live.encoding import Means
from streamer.live.push import Push
from streamer.live.recorder import Recorder
from streamer.live.streams import Settings, Takeover
from streamer.rows import StreamState, wall_clock
from tests.flow.whole_site import processes
from tests.media import reader
from tests.media.clip import X264, Clip
from tests.media.sources import constant

RATE = Fraction(25)
CLIP = Clip(
    name="on-air",
    suffix=".flv",
    timing=constant(25, 12),
    video=(*X264, "-g", "25", "-bf", "0"),
    width=320,
    height=180,
)
LARGER = Clip(
    name="on-air-2",
    suffix=".flv",
    timing=constant(25, 12),
    video=(*X264, "-g", "25", "-bf", "2"),
    width=640,
    height=360,
)


class Air:
    """Keeps what is on air, and wakes a test that waits for it."""

    def __init__(self) -> None:
        self.lives: list[Life] = []
        self.inits: dict[str, dict[str, bytes]] = {}
        self.parts: dict[tuple[str, str], list[Part]] = defaultdict(list)
        self.overs = 0
        self.states: list[StreamState] = []
        self.kept: set[str] = set()
        self._changed = asyncio.Condition()
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task] = set()

    def begin(self, life, inits, codecs):
        assert set(inits) == set(codecs) == set(life.names)
        self.lives.append(life)
        self.inits[life.generation] = dict(inits)
        self._wake()

    def take(self, part):
        self.parts[self.lives[-1].generation, part.rendition].append(part)
        self._wake()

    def over_life(self):
        self.overs += 1
        self._wake()

    def stored(self, generation, rendition, segment):
        self.kept.add(keys.segment(generation, rendition, segment))
        self._wake()

    def stand(self, state):
        self.states.append(state)
        self._wake()

    def _wake(self):
        task = self._loop.create_task(self._notify())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _notify(self):
        async with self._changed:
            self._changed.notify_all()

    async def until(self, condition, seconds: float = 40) -> None:
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(condition)


class Rows:
    async def begin_life(self, asset, life):
        pass

    async def noted(self, asset, generation, stored):
        pass


class Publisher:
    """A publisher that sends at the pace of the clock until the test has it stop."""

    protocol, address = "rtmp", "127.0.0.1"

    def __init__(self, tags: list[Tag], session: str, *, priority: int = 0) -> None:
        self.session = session
        self.priority = priority
        self.ending: Ending | None = None
        self.silent = False
        self._tags = tags
        self._stop = asyncio.Event()

    def close(self, ending):
        self.ending = ending
        self._stop.set()

    def stop(self):
        self._stop.set()

    async def tags(self) -> AsyncIterator[Tag]:
        clock = asyncio.get_running_loop().time
        began = clock()
        for tag in self._tags:
            try:
                async with asyncio.timeout(
                    None if self.silent else max(0, began + tag.time / 1000 - clock())
                ):
                    await self._stop.wait()
            except TimeoutError:
                yield tag
            else:
                return


class Show:
    """A broadcast under test."""

    def __init__(self, broadcast: Broadcast, air: Air, store: MemoryStore) -> None:
        self.broadcast, self.air, self.store = broadcast, air, store
        self.publishing: set[asyncio.Task] = set()

    def publish(self, file: Path, session: str = "a", *, priority: int = 0) -> Publisher:
        publisher = Publisher(flv.read(file.read_bytes()), session, priority=priority)
        task = asyncio.create_task(self.broadcast.publish(publisher, publisher.tags()))
        self.publishing.add(task)
        return publisher

    def segments(self, generation: str, rendition: str) -> list[bytes]:
        found: dict[int, list[bytes]] = defaultdict(list)
        for part in self.air.parts[generation, rendition]:
            found[part.segment].append(part.body)
        return [b"".join(bodies) for bodies in found.values()]

    def numbers(self, life: Life, rendition: str) -> list[tuple[Fraction, int | None]]:
        init = self.air.inits[life.generation][rendition]
        return reader.read_numbers(init, self.segments(life.generation, rendition))

    async def on_air(self, parts: int, life: int = 0) -> None:
        await self.air.until(
            lambda: (
                len(self.air.lives) > life
                and len(self.air.parts[self.air.lives[life].generation, self.air.lives[life].names[0]])
                >= parts
            )
        )


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an FFmpeg under a name of its own, so that its processes can be told from others."""
    return Path(shutil.copy2(imageio_ffmpeg.get_ffmpeg_exe(), tmp_path_factory.mktemp("program") / "ffmpeg"))


@pytest.fixture
async def show(program) -> AsyncIterator[Show]:
    async with showing(program, Settings(reconnect_seconds=6)) as made:
        yield made


@pytest.fixture
async def by_priority(program) -> AsyncIterator[Show]:
    async with showing(program, Settings(reconnect_seconds=6, takeover=Takeover.PRIORITY)) as made:
        yield made


@contextlib.asynccontextmanager
async def showing(program: Path, settings: Settings, *, pixels: int = 10**9) -> AsyncIterator[Show]:
    """Run a broadcast until the block ends."""
    async with Spawner(program) as spawner:
        air, store = Air(), MemoryStore()
        recorder = Recorder("a", store=store, broadcasts=Rows(), kept=air)
        broadcast = Broadcast(
            "a",
            settings=settings,
            means=Means(spawner=spawner, effort=Effort(preset="ultrafast"), pixels=pixels, wall=wall_clock),
            air=air,
            push=Push(),
            recorder=recorder,
            stand=air.stand,
            cues=Cues(),
        )
        recording = asyncio.create_task(recorder.run())
        running = asyncio.create_task(broadcast.run())
        made = Show(broadcast, air, store)
        try:
            yield made
        finally:
            broadcast.end()
            await asyncio.wait_for(running, 30)
            recorder.close()
            await recording
            await asyncio.gather(*made.publishing, return_exceptions=True)


def steady(shown: list[tuple[Fraction, int | None]]) -> bool:
    """Say whether pictures follow each other at the rate, from 0 on."""
    return [round(time * RATE) for time, _ in shown] == list(range(len(shown)))


async def test_what_is_published_is_on_air_frame_by_frame_and_is_what_is_stored(show, clips):
    publisher = show.publish(clips.make(CLIP))
    await show.on_air(9)
    publisher.stop()
    show.broadcast.end()
    await show.air.until(lambda: show.broadcast.aired)
    (life,) = show.air.lives
    for rung in life.video:
        shown = show.numbers(life, rung.name)
        assert steady(shown)
        found = [number for _, number in shown]
        first = found.index(1)
        assert found[first : first + 60] == list(range(1, 61))
        segments = show.segments(life.generation, rung.name)
        names = [keys.segment(life.generation, rung.name, number) for number in range(len(segments))]
        await show.air.until(lambda names=names: set(names) <= show.air.kept)
        assert [await show.store.get(name) for name in names] == segments
    assert show.broadcast.aired[0].reach[life.video[0].name].segments == len(segments)


async def test_rule_a_publisher_that_drops_and_comes_back_breaks_nothing(show, clips):
    first = show.publish(clips.make(CLIP))
    await show.on_air(7)
    first.stop()
    await show.air.until(lambda: StreamState.RECONNECTING in show.air.states)
    await show.on_air(12)
    show.publish(clips.make(LARGER), "b")
    await show.air.until(lambda: show.air.states[-1] is StreamState.LIVE)
    await show.on_air(22)
    show.broadcast.end()
    await show.air.until(lambda: show.air.overs)
    (life,) = show.air.lives
    shown = show.numbers(life, life.video[0].name)
    assert steady(shown)
    parts = show.air.parts[life.generation, life.video[0].name]
    assert {part.end - part.begin for part in parts[:-1]} == {life.part_frames * life.frame_ticks}
    found = [number for _, number in shown]
    gone = found.index(None)
    back = gone + next(at for at, number in enumerate(found[gone:]) if number is not None)
    assert back - gone >= 25
    assert None not in found[:gone]
    after = found[
        back + 10 : -4
    ]  # it is cut off in the middle: of reordered pictures the last ones are missing
    assert after == list(range(after[0], after[0] + len(after)))
    sound = show.air.parts[life.generation, "audio-0"]
    assert all(one.end == following.begin for one, following in pairwise(sound))
    assert abs(Fraction(sound[-1].end, 48_000) - shown[-1][0]) < 1


async def test_rule_a_publisher_that_stays_and_sends_nothing_is_filled_in_for(show, clips):
    publisher = show.publish(clips.make(CLIP))
    await show.on_air(4)
    publisher.silent = True
    await show.air.until(lambda: show.air.states[-1] is StreamState.SLATE)
    await show.on_air(12)
    assert publisher.ending is None
    (life,) = show.air.lives
    shown = show.numbers(life, life.video[0].name)
    assert steady(shown)
    assert [number for _, number in shown[-25:]] == [None] * 25


async def test_rule_the_newest_publisher_takes_the_place_of_the_one_before(show, clips):
    first = show.publish(clips.make(CLIP))
    await show.on_air(4)
    show.publish(clips.make(CLIP), "b")
    await show.air.until(lambda: first.ending is Ending.TAKEN_OVER)
    await show.on_air(12)
    assert steady(show.numbers(show.air.lives[0], show.air.lives[0].names[0]))
    assert len(show.air.lives) == 1


async def test_rule_an_encoder_that_dies_is_followed_by_another_life(show, clips, program):
    show.publish(clips.make(CLIP))
    await show.on_air(6)
    (pid,) = processes(program)
    os.kill(pid, signal.SIGKILL)
    await show.on_air(6, life=1)
    before, after = show.air.lives
    assert before.generation != after.generation
    (over,) = show.broadcast.aired
    assert after.first == before.first + max(reach.segments for reach in over.reach.values())
    assert steady(show.numbers(after, after.names[0]))


async def test_who_stays_away_too_long_has_ended_it(show, clips):
    publisher = show.publish(clips.make(CLIP))
    await show.on_air(2)
    publisher.stop()
    await show.air.until(lambda: show.air.overs)
    assert show.broadcast.over
    assert len(show.broadcast.aired) == 1


async def test_a_lower_priority_has_no_place_even_where_two_come_in_at_once(clips, by_priority):
    show = by_priority
    high, low = show.publish(clips.make(CLIP), "a", priority=2), show.publish(clips.make(CLIP), "b")
    await show.on_air(2)
    (refused,) = [task for task in show.publishing if task.done()]
    assert isinstance(refused.exception(), KeyBusy)
    assert (high.ending, low.ending) == (None, None)
    show.publish(clips.make(CLIP), "c", priority=3)
    await show.air.until(lambda: high.ending is Ending.TAKEN_OVER)
