"""Broadcasts that go to a bucket while they are on air: order, delays that are told, and the end."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import m3u8
import pytest

from cdn.errors import EndpointAway
from packager.store import MemoryStore
from streamer.destinations import Destination
from streamer.live.abroad import Abroad
from streamer.live.onair import OnAir
from streamer.placements import Placements, Stand
from tests.unit.broadcasts import lived
from tests.unit.buckets import Memory
from tests.unit.test_onair import begun, feed
from tests.unit.test_placements import told as events

CDN = Destination(url="s3://films/vod", live_dvr_seconds=30)


class Storage:
    """Opens a bucket in memory; `away` refuses what is written."""

    def __init__(self) -> None:
        self.bucket = Memory()
        self.away = False
        write = self.bucket.write

        async def written(*arguments):
            if self.away:
                raise EndpointAway("away")
            await write(*arguments)

        self.bucket.write = written

    @asynccontextmanager
    async def __call__(self, _access, _name):
        yield self.bucket


class Followed:
    """A broadcast that is followed to a bucket."""

    def __init__(self, back, storage: Storage, asset: str, air: OnAir | None) -> None:
        self.back, self.storage, self.asset, self.air = back, storage, asset, air
        self.placements = Placements(back.database, back.channels, node="one", clock=back.clock)

    async def run(self) -> None:
        placement = await self.placements.begin(self.asset, "cdn", Stand.LIVE)
        abroad = Abroad(
            lambda _: self.air,
            MemoryStore(),
            self.placements,
            clock=self.back.clock,
            opened=self.storage,
            pauses=(0.001,),
        )
        await abroad.follow(placement, CDN)

    def playlist(self, name: str = "720p") -> m3u8.M3U8 | None:
        found = self.storage.bucket.objects.get(f"vod/{self.asset}/{name}.m3u8")
        return None if found is None else m3u8.loads(found[0].decode())

    async def until(self, condition) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.005)

    async def told(self) -> list[str]:
        return [type_ for type_, _ in await events(self.back, self.asset)]


@pytest.fixture
async def followed(back):
    made = Followed(back, Storage(), (await back.planned()).id, begun(lived()))
    task = asyncio.create_task(made.run())
    yield made, task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def shown(made: Followed, segments: int):
    return lambda: (found := made.playlist()) is not None and len(found.segments) == segments


async def test_what_is_named_is_written_before_and_heads_come_last(followed):
    made, task = followed
    feed(made.air, 1)
    await made.until(shown(made, 1))
    await made.until(lambda: "main.m3u8" in made.storage.bucket.written[-1])
    written = [key.removeprefix(f"vod/{made.asset}/") for key in made.storage.bucket.written]
    assert written[-5:] == ["720p.m3u8", "360p.m3u8", "audio-0.m3u8", "main.mpd", "main.m3u8"]
    assert all(key.endswith((".mp4", ".m4s")) for key in written[:-5])
    assert sorted(written[:3]) == ["l1/360p/init.mp4", "l1/720p/init.mp4", "l1/audio-0/init.mp4"]
    _, stamp = made.storage.bucket.objects[f"vod/{made.asset}/720p.m3u8"]
    assert (stamp.cache_control, stamp.metadata["cache-tag"]) == (
        "public, max-age=1, stale-if-error=8",
        f"asset-{made.asset},manifests-{made.asset}",
    )
    feed(made.air, 2, start=1)
    await made.until(shown(made, 2))
    again = [key.removeprefix(f"vod/{made.asset}/") for key in made.storage.bucket.written[len(written) :]]
    assert "main.m3u8" not in again
    made.air.end()
    await task
    assert made.playlist().is_endlist


async def test_a_storage_that_is_away_is_told_of_once_and_again_when_all_is_there(followed):
    made, _ = followed
    feed(made.air, 1)
    await made.until(shown(made, 1))
    made.storage.away = True
    feed(made.air, 2, start=1)
    async with asyncio.timeout(10):
        while "publish.delayed" not in await made.told():
            await asyncio.sleep(0.005)
    feed(made.air, 4, start=2)
    made.storage.away = False
    await made.until(shown(made, 4))
    async with asyncio.timeout(10):
        while (told := await made.told())[-1] != "publish.recovered":
            await asyncio.sleep(0.005)
    assert told == ["publish.started", "publish.delayed", "publish.recovered"]
    assert [one.gap_tag for one in made.playlist().segments] == [None] * 4


async def test_it_comes_back_with_what_is_now_and_gaps_for_what_was_long_ago(followed):
    made, _ = followed
    feed(made.air, 1)
    await made.until(shown(made, 1))
    made.storage.away = True
    feed(made.air, 60, start=1)
    await asyncio.sleep(0)
    made.storage.away = False
    await made.until(lambda: (found := made.playlist()).media_sequence + len(found.segments) == 60)
    listed = made.playlist()
    assert len(listed.segments) == 16
    assert len([key for key in made.storage.bucket.written if "/720p/" in key]) < 40


async def test_once_it_has_ended_a_storage_that_is_away_is_not_waited_for(followed):
    made, task = followed
    made.storage.away = True
    feed(made.air, 1)
    made.air.end()
    async with asyncio.timeout(10):
        await task


async def test_what_another_server_has_by_now_is_left_as_it_is(followed):
    made, task = followed
    feed(made.air, 1, 2)
    await made.until(shown(made, 1))
    made.air.leave()
    async with asyncio.timeout(10):
        await task
    assert len(made.playlist().segments) == 1
    assert not made.playlist().is_endlist


async def test_what_is_not_on_air_here_is_not_followed(back):
    made = Followed(back, Storage(), (await back.planned()).id, None)
    await made.run()
    assert made.storage.bucket.objects == {}
