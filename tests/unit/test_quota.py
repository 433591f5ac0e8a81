"""What makes way when the assets that are filled as watched take too much room."""

from __future__ import annotations

import pytest

from packager import keys
from packager.store import MemoryStore
from streamer.channel import of_asset
from streamer.ledger import Stored
from streamer.quota import Quota
from streamer.rows import Fill
from streamer.watched import Watched

SIZE = 1000


class Room:
    """Assets with ten segments each, a store that holds them, and a quota over both."""

    def __init__(self, back, *, most: int) -> None:
        self.back = back
        self.store = MemoryStore()
        self.gone = []
        watched = Watched(back.database, back.channels)
        self.quota = Quota(watched, self.store, most=most, evicted=self.gone.append, clock=back.clock)

    async def asset(self, fill: Fill) -> str:
        asset = (await self.back.planned(segments=10)).id
        await self.back.catalog.set_fill(asset, fill)
        rows = [Stored(rendition="v360", number=number, size=SIZE) for number in range(10)]
        await self.back.ledger.add_segments(asset, "g1", rows)
        for number in range(10):
            await self.store.put(self.name(asset, number), b"x")
        return asset

    def name(self, asset: str, number: int) -> str:
        return f"{asset}/{keys.segment('g1', 'v360', number)}"

    def ask(self, asset: str, *numbers: int) -> None:
        """Ask for segments, a second apart, then let two minutes pass."""
        for number in numbers:
            self.quota.asked(self.name(asset, number))
            self.back.clock.now += 1000
        self.back.clock.now += 120_000

    async def left(self, asset: str) -> list[int]:
        """Return the segments that the ledger knows; the store has the same."""
        known = (await self.back.ledger.sizes(asset, "g1")).get("v360", {})
        there = {int(key.rpartition("/")[2][:-4]) for key in await self.store.list(f"{asset}/g1/")}
        assert there == set(known)
        return sorted(known)


@pytest.fixture
def room(back):
    return lambda most: Room(back, most=most)


async def test_what_was_asked_for_longest_ago_goes_first(room):
    held = room(8 * SIZE)
    asset = await held.asset(Fill.WATCHED)
    held.ask(asset, *range(10))
    held.ask(asset, 0)
    assert await held.quota.sweep_once() == 3
    assert await held.left(asset) == [0, 4, 5, 6, 7, 8, 9]
    assert [(one.asset, one.rendition, one.number) for one in held.gone] == [
        (asset, "v360", number) for number in (1, 2, 3)
    ]


async def test_within_the_quota_nothing_goes(room):
    held = room(10 * SIZE)
    asset = await held.asset(Fill.WATCHED)
    held.ask(asset, 3)
    assert await held.quota.sweep_once() == 0
    assert len(await held.left(asset)) == 10


async def test_what_is_filled_in_full_counts_for_nothing(room):
    held = room(10 * SIZE)
    full, watched = await held.asset(Fill.FULL), await held.asset(Fill.WATCHED)
    held.back.clock.now += 120_000
    assert await held.quota.sweep_once() == 0
    await held.back.catalog.set_fill(full, Fill.WATCHED)
    held.ask(watched, *range(10))
    assert await held.quota.sweep_once() == 11
    assert await held.left(full) == []
    assert len(await held.left(watched)) == 9


async def test_what_is_being_watched_stays_whatever_it_takes(room):
    held = room(SIZE)
    asset = await held.asset(Fill.WATCHED)
    for number in range(10):
        held.quota.asked(held.name(asset, number))
    assert await held.quota.sweep_once() == 0
    held.back.clock.now += 120_000
    assert await held.quota.sweep_once() == 10


async def test_everybody_is_told(room):
    held = room(8 * SIZE)
    asset = await held.asset(Fill.WATCHED)
    held.ask(asset, *range(10))
    await held.quota.sweep_once()
    epoch = (await held.back.channels.subscribe(of_asset(asset))).epoch
    subscription = await held.back.channels.subscribe(of_asset(asset), epoch=epoch, offset=0)
    told = [event.data["number"] for event in subscription.take(1000) if event.type == "segment.evicted"]
    assert told == [0, 1, 2]
