"""What a crash leaves of a broadcast becomes its recording."""

from __future__ import annotations

from fractions import Fraction

import pytest

from packager import keys
from packager.errors import StoreFull
from packager.store import MemoryStore
from streamer.live.broadcasts import Broadcasts
from streamer.live.recordings import Recordings
from streamer.live.recovery import Recovery
from streamer.live.register import Register
from streamer.live.streams import Settings
from streamer.markers import Markers
from streamer.rows import State, StreamState
from tests import lives


class Kept:
    """The store, and a broadcast whose encoder is gone."""

    def __init__(self, back, render) -> None:
        self.store = MemoryStore()
        self.back = back
        self.register = Register(back.database, back.channels, clock=back.clock)
        self.broadcasts = Broadcasts(back.database, back.channels, clock=back.clock)
        self.markers = Markers(back.database, back.channels)
        self.recordings = Recordings(self.markers, self.store, asset=back.catalog.get, render=render)
        self.ended = 0
        self.recovery = Recovery(
            self.broadcasts, back.ledger, self.store, recordings=self.recordings, ended=self._end
        )

    def _end(self):
        self.ended += 1

    async def begin(self):
        self.stream = (await self.register.create(title="a", settings=Settings()))[0].id
        self.asset = (await self.broadcasts.begin(self.stream)).id

    async def live(self, life, counts, *, last=5):
        """Store a life's inits and so many segments of each rendition, the last one of `last` parts."""
        for name in life.names:
            await self.store.put(f"{self.asset}/{keys.init(life.generation, name)}", lives.init(life, name))
        await self.broadcasts.begin_life(self.asset, life)
        for name, count in zip(life.names, counts, strict=True):
            for number in range(count):
                key = f"{self.asset}/{keys.segment(life.generation, name, number)}"
                parts = last if number == count - 1 else 5
                await self.store.put(key, lives.segment(life, name, number, parts=parts))


@pytest.fixture
def rendered():
    return []


@pytest.fixture
async def kept(back, rendered):
    def render(aired, codecs, markers, text):
        rendered.append((tuple(aired), dict(codecs)))
        return {"360p.m3u8": "a playlist", "main.m3u8": "all of them"}

    made = Kept(back, render)
    await made.begin()
    return made


async def test_two_lives_are_kept_as_far_as_all_renditions_go(kept, rendered, back):
    first, second = lives.life("l1"), lives.life("l2", first=3)
    await kept.live(first, (3, 3, 2))  # the sound's last segment was not stored before the crash
    await kept.live(second, (2, 2, 2))
    await kept.recovery.start()
    ((aired, codecs),) = rendered
    assert [(one.life, {r.segments for r in one.reach.values()}, one.over) for one in aired] == [
        (first, {2}, True),
        (second, {2}, True),
    ]
    assert aired[0].reach["audio-0"].end == first.border("audio-0", 2)
    assert codecs == {"360p": "avc1.64001e", "180p": "avc1.64001e", "audio-0": "mp4a.40.2"}
    asset = await back.catalog.get(kept.asset)
    assert (asset.state, asset.duration, asset.generation) == (State.COMPLETE, 8, "l2")
    assert await kept.store.get(f"{kept.asset}/main.m3u8") == b"all of them"
    assert (await kept.register.get(kept.stream)).state is StreamState.ENDED
    assert await kept.broadcasts.unfinished() == ()
    assert kept.ended == 1


async def test_rows_that_the_crash_kept_from_being_written_are_written(kept, back):
    life = lives.life()
    await kept.live(life, (2, 2, 2))
    await kept.recovery.start()
    sizes = await back.ledger.sizes(kept.asset, life.generation)
    assert {name: sorted(numbers) for name, numbers in sizes.items()} == {name: [0, 1] for name in life.names}
    assert (await back.catalog.get(kept.asset)).size == sum(sum(one.values()) for one in sizes.values())


async def test_a_life_that_ended_short_keeps_its_last_segment(kept, back):
    await kept.live(lives.life(), (2, 2, 2), last=3)
    await kept.recovery.start()
    assert (await back.catalog.get(kept.asset)).duration == 2 + Fraction(6, 5)


async def test_a_hole_ends_what_is_kept(kept, rendered):
    life = lives.life()
    await kept.live(life, (3, 3, 3))
    await kept.store.delete(f"{kept.asset}/{keys.segment('l1', '180p', 1)}")
    await kept.recovery.start()
    assert {reach.segments for reach in rendered[0][0][0].reach.values()} == {1}


async def test_a_life_without_a_whole_segment_is_left_out(kept, rendered):
    await kept.live(lives.life("l1"), (1, 1, 1))
    await kept.live(lives.life("l2", first=1), (1, 1, 0))
    await kept.recovery.start()
    assert [one.life.generation for one in rendered[0][0]] == ["l1"]


async def test_nothing_to_keep_is_a_failure_without_manifests(kept, rendered, back):
    await kept.live(lives.life(), (1, 1, 0))
    await kept.recovery.start()
    assert (await back.catalog.get(kept.asset)).state is State.FAILED
    assert rendered == []


async def test_one_that_cannot_be_ended_does_not_keep_the_others(back):
    refused = []

    def render(aired, codecs, markers, text):
        if not refused:
            refused.append(aired)
            raise StoreFull("no room")
        return {"main.m3u8": "x"}

    kept = Kept(back, render)
    await kept.begin()
    await kept.live(lives.life(), (1, 1, 1))
    first = kept.asset
    await kept.begin()
    await kept.live(lives.life(), (1, 1, 1))
    await kept.recovery.start()
    assert len(refused) == 1
    states = {asset.id: asset.state for asset in (await back.catalog.page()).items}
    assert sorted(states.values()) == [State.COMPLETE, State.PLAYABLE]
    await kept.recovery.start()
    assert (await back.catalog.get(first)).state is State.COMPLETE


async def test_what_somebody_takes_up_goes_on_and_is_not_ended(kept, rendered, back):
    await kept.live(lives.life("l1"), (3, 2, 2))
    taken = []

    async def resume(broadcast, aired):
        taken.append((broadcast.stream, broadcast.asset.id, list(aired)))
        return True

    await kept.recovery.start(resume)
    ((stream, asset, (life,)),) = taken
    assert (stream, asset) == (kept.stream, kept.asset)
    assert ({reach.segments for reach in life.reach.values()}, life.over) == ({2}, True)
    # One rendition had a third segment stored, the fourth one grew, and a whole one may have been on its way.
    assert life.following == 3 + 2
    assert rendered == []
    assert (await back.catalog.get(kept.asset)).state is State.PLAYABLE
    assert sum(map(len, (await back.ledger.sizes(kept.asset, "l1")).values())) == 3 + 2 + 2


async def test_what_nobody_takes_up_is_ended(kept, rendered, back):
    await kept.live(lives.life(), (1, 1, 1))

    async def resume(_broadcast, _aired):
        return False

    await kept.recovery.start(resume)
    assert len(rendered) == 1
    assert (await back.catalog.get(kept.asset)).state is State.COMPLETE


async def test_what_has_no_whole_segment_cannot_go_on(kept, back):
    await kept.live(lives.life(), (1, 1, 0))

    async def resume(_broadcast, _aired):
        raise AssertionError("there is nothing to go on from")

    await kept.recovery.start(resume)
    assert (await back.catalog.get(kept.asset)).state is State.FAILED
