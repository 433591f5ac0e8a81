"""The lives of a recording as the store has them, and its manifests with the markers of the moment."""

from __future__ import annotations

from fractions import Fraction

import pytest

from packager import keys
from packager.store import MemoryStore
from streamer.live.broadcasts import Broadcast
from streamer.live.recordings import Recordings
from streamer.markers import Markers, Placed, Wish
from tests import lives

LIFE = lives.life()


class Kept:
    """The store of a recording, and what is rendered of it."""

    def __init__(self, back) -> None:
        self.back = back
        self.store = MemoryStore()
        self.rendered: list[list[str]] = []
        self.markers = Markers(back.database, back.channels, clock=back.clock)
        self.recordings = Recordings(self.markers, self.store, asset=back.catalog.get, render=self._render)

    async def put(self, counts) -> None:
        self.asset = await self.back.planned()
        for name, count in zip(LIFE.names, counts, strict=True):
            root = f"{self.asset.id}/"
            await self.store.put(root + keys.init(LIFE.generation, name), lives.init(LIFE, name))
            for number in range(count):
                key = root + keys.segment(LIFE.generation, name, number)
                await self.store.put(key, lives.segment(LIFE, name, number))

    def source(self, **counts) -> Broadcast:
        return Broadcast(asset=self.asset, stream="s", lives=(LIFE,), counts=counts)

    async def mark(self) -> str:
        placed = Placed(moment=Fraction(LIFE.started, 1000), media_time=Fraction(0))
        return (await self.markers.add(self.asset.id, Wish(kind="goal"), placed)).marker.id

    def _render(self, aired, codecs, markers, text):
        self.rendered.append([one.id for one in markers])
        return {"main.m3u8": " ".join(one.id for one in markers)}


@pytest.fixture
def kept(back):
    return Kept(back)


async def test_what_lies_behind_the_segments_that_count_stays_out(kept):
    await kept.put((3, 3, 2))
    (all_of_it,) = await kept.recordings.lives(kept.source())
    assert [one.segments for one in all_of_it.reach.values()] == [3, 3, 2]
    (settled,) = await kept.recordings.lives(kept.source(l1=2))
    assert [one.segments for one in settled.reach.values()] == [2, 2, 2]
    assert settled.reach["audio-0"].end == LIFE.border("audio-0", 2)


async def test_a_life_that_lacks_a_rendition_is_left_out(kept):
    await kept.put((3, 3, 0))
    assert await kept.recordings.lives(kept.source()) == []


async def test_manifests_are_rendered_again_only_for_other_markers(kept):
    await kept.put((1, 1, 1))
    aired = await kept.recordings.lives(kept.source())
    before = await kept.recordings.keep(kept.asset.id, aired)
    assert await kept.recordings.keep(kept.asset.id, aired, known=before) == before
    first = await kept.mark()
    await kept.recordings.keep(kept.asset.id, aired, known=before)
    assert kept.rendered == [[], [first]]
    assert await kept.store.get(f"{kept.asset.id}/main.m3u8") == first.encode()
