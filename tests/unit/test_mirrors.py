"""What a server publishes: storages that are away, wishes that change, and lives that end in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from cdn.errors import EndpointAway, NoSuchBucket
from cdn.shown import InStore
from streamer.channel import of_asset
from streamer.destinations import Destination
from streamer.errors import NoSuchDestination, NotCompleted, NotForEverybody
from streamer.mirrors import Mirrors
from streamer.outbound import Outbound
from streamer.placements import Placements, Stand
from streamer.purging import Purging
from streamer.rows import PlaybackPolicy, State
from streamer.vocabulary.publishing import PublishProgress
from tests.unit.buckets import Memory, small

CDN = {"cdn": Destination(url="s3://films/vod")}


class Storage:
    """Opens a bucket in memory, after as many failures as are `left`; `held` holds its writes."""

    def __init__(self) -> None:
        self.bucket = Memory()
        self.left: list[Exception] = []
        self.held = asyncio.Event()
        self.held.set()
        self.writing = asyncio.Event()
        put = self.bucket.put

        async def waiting(*arguments, **options):
            self.writing.set()
            await self.held.wait()
            await put(*arguments, **options)

        self.bucket.put = waiting

    @asynccontextmanager
    async def __call__(self, _access, name) -> AsyncIterator[Memory]:
        assert name == "films"
        if self.left:
            raise self.left.pop(0)
        yield self.bucket


@pytest.fixture
def storage():
    return Storage()


@asynccontextmanager
async def working(
    back, storage, *, node="one", automatic=None, destinations=CDN, pauses=(0, 0), follow=None, purging=None
):
    store = await small()
    mirrors = Mirrors(
        Placements(back.database, back.channels, node=node, clock=back.clock),
        destinations,
        automatic=automatic,
        catalog=back.catalog,
        channels=back.channels,
        shown=lambda _: InStore(store),
        refill=back.catalog.set_fill,
        follow=follow,
        purging=purging or Purging(Outbound()),
        opened=storage,
        pauses=pauses,
    )
    await mirrors.start()
    try:
        yield mirrors
    finally:
        await mirrors.stop()


async def complete(back) -> str:
    asset = (await back.planned()).id
    await back.catalog.set_state(asset, State.COMPLETE)
    return asset


async def until(mirrors, asset, state):
    async with asyncio.timeout(20):
        while True:
            found = await mirrors.of(asset)
            if found and found[0].state is state:
                return found[0]
            await asyncio.sleep(0.01)


async def test_an_asset_lies_under_its_id(back, storage):
    asset = await complete(back)
    async with working(back, storage) as mirrors:
        begun = await mirrors.publish(asset, "cdn")
        assert begun.state is Stand.PUBLISHING
        done = await until(mirrors, asset, Stand.PUBLISHED)
    assert (done.objects, done.uploaded) == (14, 14)
    assert {key.startswith(f"vod/{asset}/") for key in storage.bucket.objects} == {True}
    assert back.channels.hints(of_asset(asset)) == []  # how far it is concerns nobody any more


async def test_what_is_signed_goes_only_where_that_is_said(back, storage):
    asset, later = await complete(back), await complete(back)
    await back.catalog.set_policy(asset, PlaybackPolicy.SIGNED)
    async with working(back, storage, automatic="cdn") as mirrors:
        await until(mirrors, later, Stand.PUBLISHED)
        with pytest.raises(NotForEverybody):
            await mirrors.publish(asset, "cdn")
        assert await mirrors.of(asset) == []
    private = {"cdn": CDN["cdn"].model_copy(update={"signed": True})}
    async with working(back, storage, destinations=private) as mirrors:
        await mirrors.publish(asset, "cdn")
        await until(mirrors, asset, Stand.PUBLISHED)


async def test_a_storage_that_is_away_is_tried_again_and_then_no_more(back, storage):
    asset = await complete(back)
    async with working(back, storage) as mirrors:
        storage.left = [EndpointAway("away"), EndpointAway("away")]
        await mirrors.publish(asset, "cdn")
        await until(mirrors, asset, Stand.PUBLISHED)
        storage.left = [EndpointAway("away")] * 3
        await mirrors.publish(asset, "cdn")
        failed = await until(mirrors, asset, Stand.FAILED)
        assert failed.failure.code == "endpoint-away"
        storage.left = [NoSuchBucket("there is none")]
        await mirrors.publish(asset, "cdn")
        await until(mirrors, asset, Stand.FAILED)
    assert storage.left == []


async def test_a_later_wish_takes_the_place_of_one_under_way(back, storage):
    asset = await complete(back)
    async with working(back, storage) as mirrors:
        storage.held.clear()
        await mirrors.publish(asset, "cdn")
        await storage.writing.wait()
        (hint,) = back.channels.hints(of_asset(asset))
        assert (hint.type, hint.data["step"], hint.data["total"]) == (PublishProgress.type, "uploading", 14)
        await mirrors.withdraw(asset, "cdn")
        await until(mirrors, asset, Stand.WITHDRAWN)
    assert storage.bucket.objects == {}


async def test_the_next_life_goes_on(back, storage):
    asset = await complete(back)
    storage.held.clear()
    async with working(back, storage) as mirrors:
        await mirrors.publish(asset, "cdn")
        await storage.writing.wait()
    storage.held.set()
    async with working(back, storage, destinations={}) as mirrors:  # its destination is gone
        failed = await until(mirrors, asset, Stand.FAILED)
        assert "cdn" in failed.failure.message
    async with working(back, storage) as mirrors:
        await mirrors.publish(asset, "cdn")
        await until(mirrors, asset, Stand.PUBLISHED)


async def test_a_rule_publishes_each_asset_once(back, storage):
    before = await complete(back)
    async with working(back, storage, automatic="cdn") as mirrors:
        await until(mirrors, before, Stand.PUBLISHED)
        after = (await back.planned()).id
        await back.catalog.set_state(after, State.COMPLETE)
        done = await until(mirrors, after, Stand.PUBLISHED)
        back.clock.now += 1000
        await back.catalog.rename(after, "Another")
        third = await complete(back)
        await until(mirrors, third, Stand.PUBLISHED)
        assert (await mirrors.of(after))[0].updated == done.updated


async def test_what_never_becomes_complete_is_refused_at_once(back, storage):
    failed = (await back.planned()).id
    await back.catalog.fail(failed, step="encode", message="it is broken")
    async with working(back, storage) as mirrors:
        with pytest.raises(NotCompleted, match="it is broken"):
            await mirrors.publish(failed, "cdn")
        with pytest.raises(NoSuchDestination):
            await mirrors.publish(await complete(back), "another")


async def test_a_broadcast_is_followed_and_its_recording_is_published_then(back, storage):
    asset, followed, held = await complete(back), [], asyncio.Event()

    async def follow(placement, destination):
        followed.append((placement.asset, placement.state, destination.url))
        await held.wait()

    async with working(back, storage, follow=follow) as mirrors:
        mirrors.on_air(asset, "another")  # which only is logged
        mirrors.on_air(asset, "cdn")
        await until(mirrors, asset, Stand.LIVE)
    assert storage.bucket.objects == {}
    async with working(back, storage, follow=follow) as mirrors:  # the next life goes on
        held.set()
        done = await until(mirrors, asset, Stand.PUBLISHED)
        mirrors.on_air(asset, "cdn")  # once is enough
        assert (await mirrors.of(asset))[0].updated == done.updated
    assert followed == [(asset, Stand.LIVE, "s3://films/vod")] * 2


async def test_the_manifests_of_a_broadcast_are_stamped_anew_though_they_are_the_same(back, storage):
    asset = await complete(back)

    async def follow(placement, _destination):
        for key in ("main.m3u8", "v.m3u8"):
            body = await (await small()).get(key)
            await storage.bucket.write(f"vod/{placement.asset}/{key}", body, "as on air")

    async with working(back, storage, follow=follow) as mirrors:
        mirrors.on_air(asset, "cdn")
        await until(mirrors, asset, Stand.PUBLISHED)
    for key in ("main.m3u8", "v.m3u8"):
        assert "stale-if-error" in storage.bucket.objects[f"vod/{asset}/{key}"][1].cache_control


async def test_what_is_withdrawn_on_air_is_followed_no_further(back, storage):
    asset, left = await complete(back), asyncio.Event()

    async def follow(_placement, _destination):
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    async with working(back, storage, follow=follow) as mirrors:
        mirrors.on_air(asset, "cdn")
        await until(mirrors, asset, Stand.LIVE)
        await mirrors.withdraw(asset, "cdn")
        assert left.is_set()
        await until(mirrors, asset, Stand.WITHDRAWN)


async def test_what_another_server_followed_the_one_that_has_it_goes_on_with(back, storage):
    asset, seen, held = await complete(back), [], asyncio.Event()

    def following(name):
        async def follow(_placement, _destination):
            seen.append(name)
            await held.wait()

        return follow

    async with (
        working(back, storage, node="one", follow=following("one")) as first,
        working(back, storage, node="two", follow=following("two")) as second,
    ):
        first.on_air(asset, "cdn")
        await until(first, asset, Stand.LIVE)
        second.on_air(asset, None)
        async with asyncio.timeout(10):
            while seen != ["one", "two"]:
                await asyncio.sleep(0.01)
        held.set()
        await until(second, asset, Stand.PUBLISHED)
    assert len(storage.bucket.written) == 14  # the first one has left it alone
