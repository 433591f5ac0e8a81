"""Idempotency keys."""

from __future__ import annotations

import asyncio

import pytest

from streamer.database import Database
from streamer.errors import IdempotencyMismatch, InvalidRequest
from streamer.replays import KEPT_SECONDS, Replays, fingerprint


class Work:
    def __init__(self):
        self.done = 0

    async def __call__(self):
        self.done += 1
        await asyncio.sleep(0)
        return 201, {"n": self.done}


async def test_a_key_does_the_work_once_even_at_the_same_time(back):
    work = Work()
    answers = await asyncio.gather(*(back.replays.once("k", "f", work) for _ in range(5)))
    assert answers == [(201, {"n": 1})] * 5
    assert work.done == 1
    assert await back.replays.once("other", "f", work) == (201, {"n": 2})
    assert await back.replays.once(None, "f", work) == (201, {"n": 3})


@pytest.mark.parametrize("either_url", ["postgresql"], indirect=True)
async def test_a_key_does_the_work_once_at_all_servers(back, catalog_url):
    database = await Database.open(catalog_url)
    there = Replays(database, clock=back.clock)
    work = Work()
    replays = [back.replays, there] * 3
    answers = await asyncio.gather(*(one.once("k", "f", work) for one in replays))
    assert answers == [(201, {"n": 1})] * 6

    async def fail():
        raise ZeroDivisionError

    for one in replays:
        with pytest.raises(ZeroDivisionError):
            await one.once("k2", "f", fail)
    # A server that was killed in the middle holds a key for a minute.
    await there._claim("k3", "f")
    back.clock.now += 61_000
    assert (await back.replays.once("k3", "f", work))[0] == 201
    await database.close()


async def test_what_is_done_within_a_transaction_is_kept_with_its_answer(back):
    failing = iter((True, False))
    done = []

    async def work(transaction):
        offset = await back.channels.stage(transaction, "assets", "t", None)
        if next(failing, False):
            raise ZeroDivisionError
        done.append(offset)
        return 201, {"offset": offset}

    with pytest.raises(ZeroDivisionError):
        await back.replays.once_within("k", "f", work)
    answers = await asyncio.gather(*(back.replays.once_within("k", "f", work) for _ in range(5)))
    assert answers == [(201, {"offset": 1})] * 5
    assert done == [1]
    with pytest.raises(IdempotencyMismatch):
        await back.replays.once_within("k", "g", work)
    with pytest.raises(InvalidRequest):
        await back.replays.once_within("", "f", work)
    assert await back.replays.once_within(None, "f", work) == (201, {"offset": 2})


async def test_a_key_belongs_to_one_request(back):
    await back.replays.once("k", "f", Work())
    with pytest.raises(IdempotencyMismatch):
        await back.replays.once("k", "g", Work())


async def test_a_failure_is_not_kept(back):
    async def fail():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await back.replays.once("k", "f", fail)
    assert await back.replays.once("k", "f", Work()) == (201, {"n": 1})


async def test_keys_are_forgotten_after_a_day(back):
    work = Work()
    await back.replays.once("k", "f", work)
    back.clock.now += KEPT_SECONDS * 1000
    await back.replays.once("k", "f", work)
    assert work.done == 2


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_keys_are_bounded(back, key):
    with pytest.raises(InvalidRequest):
        await back.replays.once(key, "f", Work())


def test_fingerprints_tell_parts_apart():
    assert fingerprint("ab", "c") != fingerprint("a", "bc")
    assert fingerprint("a") == fingerprint(b"a")
