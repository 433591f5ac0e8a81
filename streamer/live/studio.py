"""The broadcasts of this server: publishers come in at its door, and viewers find here what is on air."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from weakref import WeakValueDictionary

from packager.errors import PackagingError
from packager.life import Aired
from packager.store import Scoped, Store
from streamer.errors import CatalogAway, NoSuchAsset, NoSuchStream, TooManyBroadcasts, WrongState
from streamer.ingest.door import Publisher, Take
from streamer.ingest.errors import KeyBusy, KeyUnknown, Refused
from streamer.ingest.flv import Tag
from streamer.live.admission import Admission
from streamer.live.broadcast import Broadcast
from streamer.live.broadcasts import Broadcast as Unfinished
from streamer.live.broadcasts import Broadcasts
from streamer.live.cues import Cues
from streamer.live.encoding import Means
from streamer.live.onair import OnAir
from streamer.live.push import Push
from streamer.live.recorder import Recorder
from streamer.live.recordings import Recordings
from streamer.live.recovery import Recovery
from streamer.live.register import Register
from streamer.live.remains import Remains, remains
from streamer.live.slates import Slates
from streamer.live.stills import Stills
from streamer.live.streams import Stream
from streamer.live.vitals import Vitals
from streamer.markers import Markers
from streamer.rows import StreamState
from streamer.vocabulary.live import StreamHealth

_FAREWELL_SECONDS = 30
"""How long parts of a broadcast that is over stay, for players that have them on a list."""

_STOP_SECONDS = 15
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Standing:
    """Where a broadcast stands, for whoever writes it down."""

    state: StreamState = StreamState.CONNECTING
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, state: StreamState) -> None:
        """Take where it stands now."""
        self.state = state
        self.moved.set()

    def shows(self) -> bool:
        """Say whether viewers see its publisher's pictures."""
        return self.state is StreamState.LIVE


@dataclass(slots=True, kw_only=True)
class _Running:
    """A broadcast being made; `earlier` are its lives from before this server.

    It is `kept_open` where only the server stops.
    """

    stream: str
    earlier: Sequence[Aired]
    broadcast: Broadcast
    air: OnAir
    push: Push
    cues: Cues
    recorder: Recorder
    standing: _Standing
    kept_open: bool = False
    task: asyncio.Task[None] | None = None


class Studio:
    """A Door for publishers. Call `start` before any of them comes, and `stop` when the server ends.

    `recordings` makes their manifests, `stills` their pictures, `recovery` ends what nobody encodes any more,
    `admission` has a say beside the key. `vitals` is told of a stream and its broadcast how the signal is,
    and None at its end. `delay` says how many seconds later a refusal is answered, so that guessing keys is
    slow and its time tells nothing. With `outlasts` a broadcast goes on when the server is started again.
    `began` hears of the asset of one whose stream names a destination.
    """

    def __init__(
        self,
        register: Register,
        broadcasts: Broadcasts,
        store: Store,
        *,
        means: Means,
        recovery: Recovery,
        recordings: Recordings,
        markers: Markers,
        slates: Slates,
        stills: Stills,
        admission: Admission,
        vitals: Callable[[str, str, StreamHealth | None], None],
        delay: Callable[[], float],
        outlasts: bool,
        began: Callable[[str, str], None] = lambda _asset, _destination: None,
    ) -> None:
        self._register = register
        self._broadcasts = broadcasts
        self._store = store
        self._means = means
        self._recovery = recovery
        self._recordings = recordings
        self._markers = markers
        self._slates = slates
        self._stills = stills
        self._admission = admission
        self._vitals = vitals
        self._delay = delay
        self._outlasts = outlasts
        self._began = began
        self._running: dict[str, _Running] = {}  # by stream
        self._shown: dict[str, _Running] = {}  # by asset
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._farewells: set[asyncio.TimerHandle] = set()

    async def start(self) -> None:
        """Go on with what an earlier life of this server has left on air, where publishers may come back."""
        await self._recovery.start(self._resume)
        self._stills.start()

    async def stop(self) -> None:
        """End all encoders and keep what there is of broadcasts: those that outlast this go on after it."""
        for running in self._running.values():
            running.kept_open = self._outlasts and not running.broadcast.over
            running.broadcast.end()
        tasks = [one.task for one in self._running.values() if one.task is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for timer in self._farewells:
            timer.cancel()
        await self._stills.stop()

    def find(self, asset: str) -> OnAir | None:
        """Return what is on air of a broadcast, None where it is none or has been over for a while."""
        running = self._shown.get(asset)
        return running.air if running is not None else None

    def pushed(self, asset: str) -> Push | None:
        """Return what is pushed of a broadcast, None where it is none."""
        running = self._shown.get(asset)
        return running.push if running is not None else None

    def cues(self, asset: str) -> Cues | None:
        """Return the markers ahead of a broadcast, None where it is none."""
        running = self._shown.get(asset)
        return running.cues if running is not None else None

    async def end(self, stream: str) -> None:
        """End what is on air, once what has come of it is kept. Raise WrongState where nothing is."""
        running = self._running.get(stream)
        if running is None or running.task is None:
            await self._recovery.end(stream)
            self._stills.wake()
            return
        running.broadcast.end()
        await asyncio.wait({running.task})

    async def admit(self, key: str, publisher: Publisher) -> Take:
        """Let a publisher in by its key. Raise KeyUnknown, NotAdmitted, Undecided, KeyBusy."""
        try:
            stream = await self._known(key)
            await self._admission.admit(stream, publisher)
        except Refused:
            await asyncio.sleep(self._delay())
            raise
        return await self._take(stream, publisher)

    async def admit_to(self, stream: str, publisher: Publisher) -> Take:
        """Let a publisher in that has shown its right otherwise. Raise NotAdmitted, Undecided, KeyBusy."""
        found = await self._register.get(stream)
        await self._admission.admit(found, publisher)
        return await self._take(found, publisher)

    async def _take(self, stream: Stream, publisher: Publisher) -> Take:
        async with self._turns.setdefault(stream.id, asyncio.Lock()):
            running = self._running.get(stream.id)
            if running is not None and running.broadcast.over:
                if running.task is not None:
                    await asyncio.wait({running.task})
                running = None
            running = running or await self._begin(stream)
            running.broadcast.give_way(publisher)
        _log.info("%s publishes stream %s over %s", publisher.address, stream.id, publisher.protocol)
        return partial(self._publish, running, publisher)

    async def _publish(self, running: _Running, publisher: Publisher, tags: AsyncIterator[Tag]) -> None:
        """Put a publisher on the air, and tell how its signal is for as long as it sends."""
        stream, asset = running.stream, running.broadcast.asset
        vitals = Vitals(
            lambda health: self._vitals(stream, asset, health),
            stream=stream,
            asset=asset,
            clock=asyncio.get_running_loop().time,
        )
        try:
            async with aclosing(vitals.read(tags)) as read:
                await running.broadcast.publish(publisher, read)
        finally:
            self._vitals(stream, asset, None)

    async def _known(self, key: str) -> Stream:
        stream = await self._register.by_key(key)
        if stream is None:
            raise KeyUnknown("The stream key is not known; make one with `streamer live create`.")
        return stream

    async def _begin(self, stream: Stream) -> _Running:
        try:
            asset = (await self._broadcasts.begin(stream.id)).id
        except (WrongState, TooManyBroadcasts, NoSuchStream) as error:
            raise KeyBusy(str(error)) from error
        running = self._start(stream, asset, left=Remains())
        if stream.settings.destination is not None:
            self._began(asset, stream.settings.destination)
        return running

    async def _resume(self, left: Unfinished, lives: Sequence[Aired]) -> bool:
        """Go on with a broadcast, for whose publisher the reconnect window begins; say whether it has one."""
        asset = left.asset.id
        try:
            stream = await self._register.get(left.stream)
        except NoSuchStream:
            return False
        if stream.asset != asset or not stream.settings.reconnect_seconds:
            return False
        # What playlists have said of parts holds, whatever has been set since.
        settings = replace(stream.settings, part_seconds=lives[0].life.part_seconds)
        there = await remains(Scoped(self._store, asset), lives)
        running = self._start(replace(stream, settings=settings), asset, left=there)
        running.standing.take(StreamState.RECONNECTING)
        _log.info("broadcast %s goes on if its publisher comes back", asset)
        return True

    def _start(self, stream: Stream, asset: str, *, left: Remains) -> _Running:
        air, push = OnAir(asset, window=stream.settings.dvr_seconds, remains=left), Push()
        cues = Cues(since=self._means.wall())
        recorder = Recorder(asset, store=Scoped(self._store, asset), broadcasts=self._broadcasts, kept=air)
        standing = _Standing()
        broadcast = Broadcast(
            asset,
            settings=stream.settings,
            means=replace(self._means, picture=partial(self._slates.of, stream.id)),
            air=air,
            push=push,
            recorder=recorder,
            stand=standing.take,
            cues=cues,
            aired=left.lives,
        )
        running = _Running(
            stream=stream.id,
            earlier=left.lives,
            broadcast=broadcast,
            air=air,
            push=push,
            cues=cues,
            recorder=recorder,
            standing=standing,
        )
        self._running[stream.id] = running
        self._shown[asset] = running
        running.task = asyncio.create_task(self._run(running), name=f"broadcast {asset}")
        return running

    async def _run(self, running: _Running) -> None:
        """Run a broadcast and make its recording; whatever goes wrong ends it alone."""
        asset = running.broadcast.asset
        recording = asyncio.create_task(running.recorder.run(), name=f"record {asset}")
        beside = (
            asyncio.create_task(self._tell(running), name=f"tell {asset}"),
            asyncio.create_task(
                self._stills.follow(running.air, running.standing.shows), name=f"poster of {asset}"
            ),
        )
        try:
            await self._mark(running)
            await running.broadcast.run()
        except PackagingError as error:
            _log.error("broadcast %s is given up: %s", asset, error.message)
        except Exception:  # noqa: BLE001 - or others would end with it
            _log.exception("broadcast %s ended unexpectedly", asset)
        try:
            for task in beside:
                task.cancel()
            running.recorder.close()
            await asyncio.gather(recording, *beside, return_exceptions=True)
            if not (running.kept_open and _can_go_on(running)):
                await self._conclude(running)
        finally:
            running.air.end()
            self._running.pop(running.stream, None)
            self._farewell(asset)

    async def _mark(self, running: _Running) -> None:
        """Show the markers that a broadcast has from before this server."""
        try:
            markers = await self._markers.of(running.broadcast.asset)
        except CatalogAway as error:
            _log.warning("markers of %s are shown with the next one: %s", running.broadcast.asset, error)
            return
        running.air.mark(markers)
        running.cues.follow(markers)

    async def _conclude(self, running: _Running) -> None:
        """Make the recording's manifests and tell that the broadcast is over."""
        asset = running.broadcast.asset
        lasting = running.earlier if running.recorder.broken else running.broadcast.aired
        try:
            told = await self._recordings.keep(asset, lasting) if lasting else None
            # Whoever is told that it is over finds manifests that say so too.
            running.air.recorded = bool(lasting) and not running.recorder.broken
            await self._broadcasts.end(asset, lasting)
            if lasting:
                await self._recordings.keep(asset, lasting, known=told)
            self._stills.wake()
        except NoSuchAsset:
            _log.info("broadcast %s was deleted on air", asset)
        except (PackagingError, CatalogAway) as error:
            _log.warning("the recording of %s is made at the next start: %s", asset, error)

    async def _tell(self, running: _Running) -> None:
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


def _can_go_on(running: _Running) -> bool:
    """Say whether there is something to go on from, and a publisher may come back."""
    broadcast = running.broadcast
    return bool(broadcast.aired and broadcast.settings.reconnect_seconds) and not running.recorder.broken
