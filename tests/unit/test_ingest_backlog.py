"""The backlog between one writer and one reader is bounded, in order, and ends."""

from __future__ import annotations

import asyncio

from streamer.ingest.backlog import Backlog
from streamer.ingest.flv import Kind, Tag


def tag(number, size=10):
    return Tag(kind=Kind.AUDIO, time=number, payload=bytes(size))


async def filled(backlog, tags):
    """Put until the backlog takes no more; return the task that goes on once it does."""

    async def put():
        for one in tags:
            await backlog.put(one)
        backlog.end()

    task = asyncio.create_task(put())
    for _ in range(3):
        await asyncio.sleep(0)
    return task


async def test_nothing_is_lost_and_no_bound_is_passed():
    backlog = Backlog(tags_max=5, bytes_max=100)
    sent = [tag(number, size=1 + number * 7 % 60) for number in range(200)]
    writing = await filled(backlog, sent)
    taken = []
    async for one in backlog:
        taken.append(one)
        assert backlog.tags <= 5
        assert backlog.bytes <= 100
    await writing
    assert taken == sent


async def test_a_reader_that_does_not_read_holds_the_writer_back():
    by_count, by_bytes = Backlog(tags_max=5, bytes_max=10_000), Backlog(tags_max=100, bytes_max=35)
    for backlog, held in ((by_count, 5), (by_bytes, 3)):
        writing = await filled(backlog, [tag(number) for number in range(50)])
        assert not writing.done()
        assert backlog.tags == held
        writing.cancel()
        await asyncio.wait([writing])


async def test_one_tag_larger_than_the_bound_passes_alone():
    backlog = Backlog(tags_max=5, bytes_max=10)
    writing = await filled(backlog, [tag(1, size=50), tag(2)])
    assert backlog.tags == 1
    assert [one.time async for one in backlog] == [1, 2]
    await writing


async def test_the_end_comes_behind_what_is_held_and_frees_both_sides():
    backlog = Backlog(tags_max=2, bytes_max=100)
    writing = await filled(backlog, [tag(number) for number in range(5)])
    backlog.end()
    await writing
    assert [one.time async for one in backlog] == [0, 1]
    waiting = Backlog(tags_max=2, bytes_max=100)
    reading = asyncio.create_task(_all(waiting))
    await asyncio.sleep(0)
    waiting.end()
    assert await reading == []


async def _all(backlog):
    return [one async for one in backlog]
