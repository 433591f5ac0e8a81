"""What servers on one database hear of each other: wake-ups, and through them every channel's events."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random

import pytest

from streamer.channel import Channels, of_asset
from streamer.database import Database
from streamer.errors import NoSuchChannel
from streamer.notify import open_bus, payloads
from streamer.vocabulary.assets import AssetDeleted
from tests.postgres import running_postgres


@contextlib.asynccontextmanager
async def _node(url, *, deaf=False):
    """Open what a server has of channels; a deaf one misses every wake-up."""
    database = await Database.open(url)
    async with open_bus(url) as bus:
        channels = Channels(database, bus=bus)
        if deaf:
            bus._heard.clear()
        following = asyncio.create_task(channels.follow())
        try:
            yield channels
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await database.close()


async def _until(subscription, offset):
    seen = []
    async with asyncio.timeout(20):
        async for event in subscription:
            seen.append(event)
            if event.offset == offset:
                return seen
    raise AssertionError


@pytest.mark.parametrize("deaf", [False, True])
async def test_what_one_server_tells_every_server_hears_once_and_in_order(catalog_url, deaf):
    async with _node(catalog_url, deaf=deaf) as one, _node(catalog_url, deaf=deaf) as two:
        await one.publish("c", "t", 0)
        readers = [await channels.subscribe("c") for channels in (one, two)]
        reading = [asyncio.create_task(_until(reader, 61)) for reader in readers]
        await asyncio.gather(*(channels.publish("c", "t", n) for n in range(30) for channels in (one, two)))
        heard = [[event.text for event in seen] for seen in await asyncio.gather(*reading)]
        assert heard[0] == heard[1]
        assert [json.loads(text)["offset"] for text in heard[0]] == list(range(2, 62))


async def test_a_wake_up_comes_long_before_a_look(catalog_url, monkeypatch):
    monkeypatch.setattr("streamer.following.POLL_SECONDS", 1000)
    async with _node(catalog_url) as one, _node(catalog_url) as two:
        await one.publish("c", "t", 0)
        reader = await two.subscribe("c")
        await one.publish("c", "t", 1)
        assert [event.data for event in await _until(reader, 2)] == [1]
        one.hint("c", "run.progress", {"frames": 7}, key="r")
        async with asyncio.timeout(20):
            async for event in reader:
                assert (event.offset, event.data) == (None, {"frames": 7})
                break
        assert [hint.data for hint in two.hints("c")] == [{"frames": 7}]


async def test_a_reader_may_go_on_at_another_server(catalog_url):
    dice = random.Random(7)
    async with _node(catalog_url) as one, _node(catalog_url) as two:
        nodes = (one, two)
        await one.publish("c", "t", 0)
        writing = asyncio.create_task(_write(nodes, 200))
        reader = await two.subscribe("c")
        seen, offset = [], reader.offset
        while offset < 201:
            reader = await dice.choice(nodes).subscribe("c", epoch=reader.epoch, offset=offset)
            assert reader.recovered
            taken = [event.offset for event in reader.take(dice.randint(1, 9)) if event.offset]
            reader.close()
            seen += taken
            offset = taken[-1] if taken else offset
            await asyncio.sleep(0)
        assert seen == list(range(seen[0], 202))
        await writing


async def test_many_who_come_from_another_server_at_once_look_once(catalog_url):
    async with _node(catalog_url) as one, _node(catalog_url) as two:
        await one.publish("c", "t", 0)
        place = await two.subscribe("c")
        reads = 0
        read = two._database.read

        def counted():
            nonlocal reads
            reads += 1
            return read()

        two._database.read = counted
        await one.publish("c", "t", 1)
        come = await asyncio.gather(
            *(two.subscribe("c", epoch=place.epoch, offset=place.offset) for _ in range(200))
        )
        assert [[event.data for event in reader.take()] for reader in come] == [[1]] * 200
        assert reads <= 3  # one for all of them, and one or two for the wake-up


async def _write(nodes, count):
    for number in range(count):
        await nodes[number % 2].publish("c", "t", number)


async def test_the_end_of_a_channel_is_heard_everywhere(catalog_url):
    name = of_asset("x")
    async with _node(catalog_url) as one, _node(catalog_url) as two:
        await one.publish(name, "t", 0)
        reader = await two.subscribe(name)

        async def end(transaction):
            await one.stage(transaction, name, AssetDeleted.type, {"id": "x"})
            await one.stage_end(transaction, name)

        await one._database.write(end)
        (event,) = await _until(reader, 2)
        assert (event.type, event.data) == (AssetDeleted.type, {"id": "x"})
        with pytest.raises(NoSuchChannel):
            await two.subscribe(name)


async def test_while_the_database_is_away_writers_wait_and_nothing_is_done_twice():
    with running_postgres() as server:
        url = server.create()
        async with _node(url) as one, _node(url) as two:
            await one.publish("c", "t", 0)
            reader = await two.subscribe("c")
            writing = [asyncio.create_task(_write((one, two), 100)) for _ in range(4)]
            reading = asyncio.create_task(_until(reader, 401))
            await _until(await two.subscribe("c"), 50)
            server.stop_immediate()
            server.start()
            await asyncio.gather(*writing)
            assert [event.offset for event in await reading] == list(range(2, 402))


def test_a_batch_is_cut_into_notifications_that_fit():
    wakeups = [("channel", f"c{n}", n) for n in range(2000)]
    cut = payloads("me", [("hint", "k", "x" * 9000), *wakeups])
    assert all(len(payload.encode()) < 8000 for payload in cut)
    assert [tuple(one) for payload in cut for one in json.loads(payload)[1]] == wakeups
    assert payloads("me", []) == []
