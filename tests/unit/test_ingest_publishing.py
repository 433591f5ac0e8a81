"""A publisher's session: who ends it, and what it is told."""

from __future__ import annotations

import asyncio

import pytest

from streamer.ingest.door import Ending
from streamer.ingest.errors import BadMedia, KeyBusy
from streamer.ingest.flv import Kind, Tag
from streamer.ingest.publishing import Publishing, words

SOUND = Tag(kind=Kind.AUDIO, time=0, payload=b"\xaf\x01a")


@pytest.fixture
async def publishing():
    return Publishing("test", "here", settle_seconds=1)


class Source:
    """Yields tags, and goes on until it is closed where it is endless."""

    def __init__(self, count, *, endless=False, error=None):
        self.count, self.endless, self.error, self.closed = count, endless, error, False

    async def tags(self):
        try:
            for _ in range(self.count):
                yield SOUND
            if self.error:
                raise self.error
            if self.endless:
                await asyncio.Event().wait()
        finally:
            self.closed = True


async def test_rule_every_publisher_has_a_session_of_its_own():
    """What is asked and told of two who follow each other at once can be told apart."""
    assert Publishing("test", "here").session != Publishing("test", "here").session


async def test_tags_that_end_end_it(publishing):
    taken, source = [], Source(3)

    async def take(tags):
        taken.extend([tag async for tag in tags])

    assert await publishing.run(take, source.tags()) is None
    assert taken == [SOUND] * 3
    assert source.closed


async def test_a_close_ends_it_behind_what_has_come(publishing):
    taken, source = [], Source(3, endless=True)

    async def take(tags):
        async for tag in tags:
            taken.append(tag)
            if len(taken) == 3:
                publishing.close(Ending.TAKEN_OVER)

    assert await publishing.run(take, source.tags()) is Ending.TAKEN_OVER
    assert taken == [SOUND] * 3
    assert source.closed


async def test_who_wants_no_more_ends_it(publishing):
    async def take(tags):
        await anext(tags)

    assert await publishing.run(take, Source(9, endless=True).tags()) is Ending.ENDED


async def test_why_the_take_fails_is_told(publishing):
    async def take(tags):
        await anext(tags)
        raise KeyBusy("Somebody else is on air.")

    cause = await publishing.run(take, Source(9, endless=True).tags())
    assert words(cause) == "Somebody else is on air."


async def test_why_the_source_fails_is_told(publishing):
    async def take(tags):
        async for _ in tags:
            pass

    cause = await publishing.run(take, Source(1, error=BadMedia("What is sent cannot be read.")).tags())
    assert words(cause) == "What is sent cannot be read."


async def test_what_is_unforeseen_is_logged_and_not_told(publishing, caplog):
    async def take(tags):
        async for _ in tags:
            pass

    assert await publishing.run(take, Source(1, error=ValueError("inner")).tags()) is Ending.FAILED
    assert "inner" in caplog.text


async def test_a_take_that_never_returns_is_cancelled():
    publishing = Publishing("test", "here", settle_seconds=0.01)

    async def take(tags):
        del tags
        await asyncio.Event().wait()

    async with asyncio.timeout(10):
        assert await publishing.run(take, Source(1).tags()) is None
