"""Pictures of broadcasts: a poster on air, renewed now and then; poster and storyboard of what is over."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from packager import keys, live_thumbs
from packager.errors import PackagingError
from packager.life import Life
from packager.process import Spawner
from packager.store import Scoped, Store
from streamer.errors import CatalogAway, NoSuchAsset, WrongState
from streamer.live.broadcasts import Broadcast
from streamer.live.onair import OnAir
from streamer.live.recordings import Recordings
from streamer.live.still_rows import StillRows

_RENEWED_SECONDS = 60
_POSTERS_KEPT = 2
"""Posters of what is on air that stay: a page that was read a moment ago names the one before."""

_log = logging.getLogger(__name__)


class Stills:
    """Takes them. They are ornaments: whatever goes wrong with one, the broadcast goes on without.

    `source` returns a broadcast that can be watched, `recordings` what there is of it. Recordings have their
    turn one after the other, between `start` and `stop`; `wake` says that there may be another one.
    """

    def __init__(
        self,
        rows: StillRows,
        recordings: Recordings,
        store: Store,
        *,
        source: Callable[[str], Awaitable[Broadcast]],
        spawner: Spawner,
        renewed_seconds: float = _RENEWED_SECONDS,
    ) -> None:
        self._rows = rows
        self._recordings = recordings
        self._store = store
        self._source = source
        self._spawner = spawner
        self._renewed_seconds = renewed_seconds
        self._woken = asyncio.Event()
        self._given_up: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin with the recordings that have no pictures."""
        self._woken.set()
        self._task = asyncio.create_task(self._work(), name="pictures of recordings")

    async def stop(self) -> None:
        """Stop; what has no pictures by now gets them after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def wake(self) -> None:
        """Look for recordings without pictures."""
        self._woken.set()

    async def follow(self, air: OnAir, shows: Callable[[], bool]) -> None:
        """Give what is on air a poster, another one after each minute, until cancelled.

        `shows` says whether viewers see its publisher just now, and no slate.
        """
        shown: deque[str] = deque()
        place = ("", 0)
        while True:
            life, number = await _whole(air, shows, behind=place)
            place = (life.generation, number)
            try:
                shown.append(await self._poster(air, life, number))
                if len(shown) > _POSTERS_KEPT:
                    await self._store.delete(f"{air.asset}/{shown.popleft()}")
            except (PackagingError, CatalogAway, NoSuchAsset) as error:
                _log.info("broadcast %s has no other poster: %s", air.asset, error)
            await asyncio.sleep(self._renewed_seconds)

    async def _poster(self, air: OnAir, life: Life, number: int) -> str:
        """Show a segment of what is on air as its poster, and return the key of that."""
        store, rung = Scoped(self._store, air.asset), live_thumbs.poster_rung(life)
        place = (life.generation, rung.name)
        init = air.init(*place) or await store.get(keys.init(*place))
        segment = air.segment(*place, number) or await store.get(keys.segment(*place, number))
        key = keys.passing_poster(life.generation, number)
        await store.put(key, await live_thumbs.poster(rung, init, segment, spawner=self._spawner))
        await self._rows.show(air.asset, poster=key)
        return key

    async def _work(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                for asset in await self._rows.lacking():
                    if asset not in self._given_up:
                        await self._guarded(asset)
            except CatalogAway as error:
                _log.warning("recordings get their pictures later: %s", error)
            except Exception:  # noqa: BLE001 - one that fails must not keep later ones from theirs
                _log.exception("recordings get their pictures later")

    async def _guarded(self, asset: str) -> None:
        """Make the pictures of a recording. Raise CatalogAway."""
        try:
            try:
                await self._make(asset)
            except PackagingError as error:
                self._given_up.add(asset)
                await self._source(asset)
                _log.warning("recording %s has no pictures: %s %s", asset, error.message, error.evidence)
        except WrongState:
            self._given_up.add(asset)
        except NoSuchAsset:
            await self._store.delete(f"{asset}/")  # deleted meanwhile, perhaps before the last of them came

    async def _make(self, asset: str) -> None:
        source = await self._source(asset)
        lives = await self._recordings.lives(source)
        if not lives:
            raise WrongState("There is nothing of the recording.")
        store, spawner = Scoped(self._store, asset), self._spawner
        poster = await live_thumbs.recorded_poster(lives, store=store, spawner=spawner)
        storyboard = await live_thumbs.storyboard(lives, store=store, spawner=spawner)
        await self._rows.show(asset, poster=poster, storyboard=storyboard)
        for life in source.lives:
            await self._store.delete(f"{asset}/{keys.passing_posters(life.generation)}")


async def _whole(air: OnAir, shows: Callable[[], bool], *, behind: tuple[str, int]) -> tuple[Life, int]:
    """Wait for the next segment that is whole and shows the publisher; return its life and number."""
    while True:
        name = ""
        aired = air.lives[-1] if air.lives else None
        if aired is not None and not aired.over:
            name = live_thumbs.poster_rung(aired.life).name
            number = aired.reach[name].segments - 1
            if number >= 0 and shows() and (aired.life.generation, number) != behind:
                return aired.life, number
        await air.turn(name)
