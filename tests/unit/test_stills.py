"""Pictures of recordings that cannot be made: they are left out, and nothing stays of what was deleted."""

from __future__ import annotations

import asyncio

import pytest

from packager.store import MemoryStore
from streamer.errors import NoSuchAsset
from streamer.live.stills import Stills
from tests import lives

ASSET = "abcdefghjkmn"
MADE = f"{ASSET}/l1/poster.jpg"


class Recording:
    """A recording whose media are not there; so is it itself, once it is `deleted`."""

    def __init__(self, *, deleted: bool) -> None:
        self.asked: list[str] = []
        self.looked = asyncio.Semaphore(0)
        self._deleted = deleted

    async def lacking(self) -> tuple[str, ...]:
        self.looked.release()
        return (ASSET,)

    async def source(self, asset: str) -> None:
        self.asked.append(asset)
        if self._deleted and len(self.asked) > 1:
            raise NoSuchAsset(asset)

    async def lives(self, _source: None) -> list:
        return [lives.over(lives.life("l1"), 3)]


@pytest.mark.parametrize(("deleted", "left"), [(True, []), (False, [MADE])])
async def test_it_is_tried_once_and_nothing_is_left_of_what_was_deleted_meanwhile(deleted, left):
    recording, store = Recording(deleted=deleted), MemoryStore()
    await store.put(MADE, b"made before the media went")
    stills = Stills(recording, recording, store, source=recording.source, spawner=None)
    stills.start()
    try:
        async with asyncio.timeout(5):
            for _ in range(3):
                await recording.looked.acquire()
                stills.wake()
    finally:
        await stills.stop()
    assert await store.list("") == left
    assert recording.asked == [ASSET] * 2
