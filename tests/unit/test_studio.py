"""What a server takes up of the broadcasts that an earlier life of it has left on air."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from packager import recording
from streamer.bus import Alone
from streamer.live.encoding import Means
from streamer.live.studio import Studio
from streamer.live.succession import Succession
from streamer.rows import State, StreamState
from tests import lives
from tests.unit.test_recovery import Kept


class Slates:
    async def of(self, stream):
        raise AssertionError(f"nobody shows the slate of {stream}")


class Stills:
    """Pictures that nobody takes."""

    def start(self):
        pass

    async def stop(self):
        pass

    def wake(self):
        pass

    async def follow(self, air, shows):
        pass


@pytest.fixture
async def kept(back):
    made = Kept(back, recording.manifests)
    await made.begin()
    await made.live(lives.life("l1"), (3, 3, 3))
    return made


@pytest.fixture
async def studio(kept, back):
    made = Studio(
        kept.register,
        kept.broadcasts,
        kept.store,
        means=Means(spawner=None, effort=None, pixels=0, wall=back.clock),
        recovery=kept.recovery,
        succession=Succession(kept.broadcasts.tenancy, Alone()),
        recordings=kept.recordings,
        markers=kept.markers,
        slates=Slates(),
        stills=Stills(),
        admission=None,
        vitals=lambda _stream, _asset, _health: None,
        delay=lambda: 0,
    )
    yield made
    await made.stop()


async def stands(kept, state: StreamState) -> None:
    async with asyncio.timeout(5):
        while (await kept.register.get(kept.stream)).state is not state:
            await asyncio.sleep(0)


async def test_it_waits_for_the_publisher_and_shows_what_is_stored(kept, studio, back):
    await studio.start()
    await stands(kept, StreamState.RECONNECTING)
    air = studio.find(kept.asset)
    assert [(one.segments, one.lost, one.over) for one in air.lives] == [(3, 2, True)]
    assert air.following == 5
    assert (await back.catalog.get(kept.asset)).state is State.PLAYABLE
    await studio.end(kept.stream)
    assert (await back.catalog.get(kept.asset)).state is State.COMPLETE
    assert air.recorded
    assert b"EXT-X-GAP" not in await kept.store.get(f"{kept.asset}/360p.m3u8")


async def test_stopped_again_it_still_waits_at_the_next_start(kept, studio, back):
    await studio.start()
    await stands(kept, StreamState.RECONNECTING)
    await studio.stop()
    assert (await back.catalog.get(kept.asset)).state is State.PLAYABLE
    assert [one.asset.id for one in await kept.broadcasts.unfinished()] == [kept.asset]


async def test_what_nobody_may_come_back_to_ends_at_once(kept, studio, back):
    found = await kept.register.get(kept.stream)
    settings = replace(found.settings, reconnect_seconds=0)
    await kept.register.change(kept.stream, title=None, settings=settings)
    await studio.start()
    assert studio.find(kept.asset) is None
    assert (await back.catalog.get(kept.asset)).state is State.COMPLETE
    assert (await kept.register.get(kept.stream)).state is StreamState.ENDED


async def test_taken_up_twice_at_once_it_is_one_broadcast(kept, studio, back):
    await asyncio.gather(studio.start(), studio.start())
    await stands(kept, StreamState.RECONNECTING)
    assert len(studio._running) == 1
    await studio.end(kept.stream)
    assert (await back.catalog.get(kept.asset)).state is State.COMPLETE
