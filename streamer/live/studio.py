"""The broadcasts of this server: publishers come in at its door, and viewers find here what is on air."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, Protocol, TypeVar
from weakref import WeakValueDictionary

from packager.errors import PackagingError
from packager.store import Scoped, Store
from streamer.errors import CatalogAway, NoSuchAsset, NoSuchStream, TooManyBroadcasts, WrongState
from streamer.ingest.door import Publisher, Take
from streamer.ingest.errors import KeyBusy, KeyUnknown
from streamer.live.broadcast import Broadcast
from streamer.live.broadcasts import Broadcasts
from streamer.live.encoding import Air, Means
from streamer.live.recorder import Kept, Recorder
from streamer.live.recovery import Render, keep, named
from streamer.live.register import Register
from streamer.live.streams import Settings, Stream
from streamer.rows import StreamState

_FAREWELL_SECONDS = 30
"""How long a broadcast that is over is shown from memory, so that players find its end where they look."""

_STOP_SECONDS = 15
_log = logging.getLogger(__name__)


class OnAir(Air, Kept, Protocol):
    """What is on air of one broadcast, for whoever delivers it."""

    def end(self) -> None:
        """Take it that nothing more comes."""


_OnAir = TypeVar("_OnAir", bound=OnAir)


@dataclass(slots=True)
class _Standing:
    """Where a broadcast stands, for whoever writes it down."""

    state: StreamState = StreamState.CONNECTING
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, state: StreamState) -> None:
        """Take where it stands now."""
        self.state = state
        self.moved.set()


@dataclass(slots=True, kw_only=True)
class _Running(Generic[_OnAir]):
    """A broadcast being made."""

    stream: str
    broadcast: Broadcast
    air: _OnAir
    recorder: Recorder
    standing: _Standing
    task: asyncio.Task[None] | None = None


class Studio(Generic[_OnAir]):
    """A Door for publishers. Call `start` before and `stop` after everything else.

    `air` makes what is on air of a broadcast, `render` the manifests of its recording, `delay` says how many
    seconds a wrong key is answered later, so that guessing is slow and its time tells nothing.
    """

    def __init__(
        self,
        register: Register,
        broadcasts: Broadcasts,
        store: Store,
        *,
        means: Means,
        air: Callable[[str, Settings], _OnAir],
        render: Render,
        delay: Callable[[], float],
    ) -> None:
        self._register = register
        self._broadcasts = broadcasts
        self._store = store
        self._means = means
        self._air = air
        self._render = render
        self._delay = delay
        self._running: dict[str, _Running[_OnAir]] = {}  # by stream
        self._shown: dict[str, _OnAir] = {}  # by asset
        self._assets: dict[str, str] = {}  # by stream: its present or last broadcast
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._farewells: set[asyncio.TimerHandle] = set()

    async def start(self) -> None:
        """Learn which recordings streams show while nothing is on air."""
        cursor: str | None = None
        while True:
            page = await self._register.page(cursor=cursor, limit=100)
            self._assets |= {one.id: one.asset for one in page.items if one.asset is not None}
            cursor = page.next
            if cursor is None:
                return

    async def stop(self) -> None:
        """End all broadcasts and keep what there is of them."""
        for running in self._running.values():
            running.broadcast.end()
        tasks = [one.task for one in self._running.values() if one.task is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for timer in self._farewells:
            timer.cancel()

    def find(self, asset: str) -> _OnAir | None:
        """Return what is on air of a broadcast, None where it is none or has been over for a while."""
        return self._shown.get(asset)

    def asset_of(self, name: str) -> str:
        """Return the asset that an id in an address means: of a stream its broadcast, else the id itself."""
        return self._assets.get(name, name)

    async def end(self, stream: str) -> None:
        """End what is on air, once what has come of it is kept. Raise WrongState where nothing is."""
        running = self._running.get(stream)
        if running is None or running.task is None:
            raise WrongState("The stream is not on air.")
        running.broadcast.end()
        await asyncio.wait({running.task})

    async def admit(self, key: str, publisher: Publisher) -> Take:
        """Let a publisher in by its key. Raise KeyUnknown, KeyBusy."""
        stream = await self._register.by_key(key)
        if stream is None:
            await asyncio.sleep(self._delay())
            raise KeyUnknown("The stream key is not known; make one with `streamer live create`.")
        async with self._turns.setdefault(stream.id, asyncio.Lock()):
            running = self._running.get(stream.id)
            if running is not None and running.broadcast.over:
                if running.task is not None:
                    await asyncio.wait({running.task})
                running = None
            running = running or await self._begin(stream)
        _log.info("%s publishes stream %s over %s", publisher.address, stream.id, publisher.protocol)
        return partial(running.broadcast.publish, publisher)

    async def _begin(self, stream: Stream) -> _Running[_OnAir]:
        try:
            asset = (await self._broadcasts.begin(stream.id)).id
        except (WrongState, TooManyBroadcasts, NoSuchStream) as error:
            raise KeyBusy(str(error)) from error
        air = self._air(asset, stream.settings)
        recorder = Recorder(asset, store=Scoped(self._store, asset), broadcasts=self._broadcasts, kept=air)
        standing = _Standing()
        broadcast = Broadcast(
            asset,
            settings=stream.settings,
            means=self._means,
            air=air,
            recorder=recorder,
            stand=standing.take,
        )
        running = _Running(
            stream=stream.id, broadcast=broadcast, air=air, recorder=recorder, standing=standing
        )
        self._running[stream.id] = running
        self._shown[asset] = air
        self._assets[stream.id] = asset
        running.task = asyncio.create_task(self._run(running), name=f"broadcast {asset}")
        return running

    async def _run(self, running: _Running[_OnAir]) -> None:
        """Run a broadcast and make its recording; whatever goes wrong ends it alone."""
        asset = running.broadcast.asset
        recording = asyncio.create_task(running.recorder.run(), name=f"record {asset}")
        telling = asyncio.create_task(self._tell(running), name=f"tell {asset}")
        try:
            await running.broadcast.run()
        except PackagingError as error:
            _log.error("broadcast %s is given up: %s", asset, error.message)
        except Exception:  # noqa: BLE001 - or others would end with it
            _log.exception("broadcast %s ended unexpectedly", asset)
        try:
            telling.cancel()
            running.recorder.close()
            await asyncio.gather(recording, telling, return_exceptions=True)
            await self._conclude(running)
        finally:
            running.air.end()
            self._running.pop(running.stream, None)
            self._farewell(asset)

    async def _conclude(self, running: _Running[_OnAir]) -> None:
        """Make the recording's manifests and tell that the broadcast is over."""
        asset, aired = running.broadcast.asset, running.broadcast.aired
        store = Scoped(self._store, asset)
        try:
            if aired and not running.recorder.broken:
                await keep(store, self._render(aired, await named(store, aired)))
            await self._broadcasts.end(asset, [] if running.recorder.broken else aired)
        except NoSuchAsset:
            _log.info("broadcast %s was deleted on air", asset)
        except (PackagingError, CatalogAway) as error:
            _log.warning("the recording of %s is made at the next start: %s", asset, error)

    async def _tell(self, running: _Running[_OnAir]) -> None:
        """Write down where a broadcast stands, the latest only, until cancelled."""
        while True:
            await running.standing.moved.wait()
            running.standing.moved.clear()
            try:
                await self._broadcasts.stand(running.stream, running.standing.state)
            except (WrongState, NoSuchStream, CatalogAway) as error:
                _log.info("where stream %s stands cannot be told: %s", running.stream, error)

    def _farewell(self, asset: str) -> None:
        loop = asyncio.get_running_loop()

        def drop() -> None:
            self._shown.pop(asset, None)
            self._farewells.discard(timer)

        timer = loop.call_later(_FAREWELL_SECONDS, drop)
        self._farewells.add(timer)
