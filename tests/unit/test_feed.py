"""What is on its way to an encoder: in order, bounded, and with an end."""

from __future__ import annotations

import asyncio

from streamer.ingest import flv
from streamer.live.feed import Feed
from tests.unit.test_splice import picture


def big(time: int) -> flv.Tag:
    return picture(time, who=bytes(1 << 20))


async def test_everything_comes_out_in_order_behind_one_head():
    feed = Feed(audio=True)
    feed.add(picture(n * 40) for n in range(10))
    feed.end()
    body = b"".join([piece async for piece in feed.stream()])
    assert [tag.time for tag in flv.read(body)] == [n * 40 for n in range(10)]
    assert body[4] == 5


async def test_who_sends_faster_than_is_read_is_held_back():
    feed = Feed(audio=True)
    feed.add(big(n) for n in range(5))
    held = asyncio.create_task(feed.room())
    await asyncio.sleep(0)
    assert not held.done()
    reading = feed.stream()
    for _ in range(3):
        await anext(reading)
    await held
    await reading.aclose()


async def test_after_the_end_nobody_is_held_back_and_nothing_is_taken():
    feed = Feed(audio=False)
    feed.add(big(n) for n in range(5))
    feed.end()
    await feed.room()
    feed.add([picture(99)])
    body = b"".join([piece async for piece in feed.stream()])
    assert [tag.time for tag in flv.read(body)] == list(range(5))
