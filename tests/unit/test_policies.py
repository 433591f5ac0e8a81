"""The playback policies that the origin holds in memory."""

from __future__ import annotations

import asyncio

import pytest

from streamer.live.streams import Settings
from streamer.policies import FRESH_SECONDS, PlaybackPolicies, Standing
from streamer.rows import PlaybackPolicy

SIGNED = PlaybackPolicy.SIGNED


class Pace:
    """Seconds that only grow, moved by the test."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def pace():
    return Pace()


@pytest.fixture
async def policies(back, pace):
    made = PlaybackPolicies(back.database, clock=pace)
    yield made
    await made.close()


async def test_an_asset_stands_as_its_row_says(back, policies):
    asset = (await back.catalog.create_asset(title="Film", policy=SIGNED)).id
    assert policies.known(asset) is None
    assert await policies.of(asset) == policies.known(asset) == Standing(signed=True)
    assert await policies.of("nothing00000") == Standing(signed=False)


async def test_a_change_holds_at_once_where_it_is_told(back, policies):
    asset = (await back.catalog.create_asset(title="Film")).id
    assert not (await policies.of(asset)).signed
    await back.catalog.set_policy(asset, SIGNED)
    policies.forget(asset)
    assert policies.known(asset) is None
    assert (await policies.of(asset)).signed


async def test_a_change_that_is_not_told_is_seen_after_a_while(back, policies, pace):
    asset = (await back.catalog.create_asset(title="Film")).id
    await policies.of(asset)
    await back.catalog.set_policy(asset, SIGNED)
    pace.now += FRESH_SECONDS
    assert not policies.known(asset).signed  # once more, and read meanwhile
    while not policies.known(asset).signed:
        await back.catalog.get(asset)
    assert (await policies.of(asset)).signed


async def test_what_was_being_read_when_it_changed_is_not_kept(back, policies):
    asset = (await back.catalog.create_asset(title="Film")).id
    reading = asyncio.create_task(policies.of(asset))
    await asyncio.sleep(0)  # begun
    policies.forget(asset)
    await reading
    assert policies.known(asset) is None


async def test_a_broadcast_stands_as_its_stream_did_and_belongs_to_it(back, policies):
    stream, _ = await back.register.create(title="Evening", settings=Settings(policy=SIGNED))
    assert await policies.of(stream.id) == Standing(signed=True)
    asset = (await back.broadcasts.begin(stream.id)).id
    assert await policies.of(asset) == Standing(signed=True, stream=stream.id)
    await back.register.change(stream.id, settings=Settings())
    policies.forget(stream.id)
    assert await policies.of(stream.id) == Standing(signed=False)
