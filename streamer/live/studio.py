"""The broadcasts of this server: publishers come in at its door, and viewers find here what is on air."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from weakref import WeakValueDictionary

from packager.errors import PackagingError
from packager.life import Aired
from packager.store import Scoped, Store
from streamer.errors import CatalogAway, NoSuchStream, TooManyBroadcasts, WrongState
from streamer.ingest.door import Ending, Publisher, Take
from streamer.ingest.errors import KeyBusy, KeyUnknown, Refused
from streamer.ingest.flv import Tag
from streamer.live.admission import Admission
from streamer.live.broadcast import Broadcast
from streamer.live.broadcasts import Broadcast as Unfinished
from streamer.live.broadcasts import Broadcasts
from streamer.live.cues import Cues
from streamer.live.encoding import Means
from streamer.live.onair import OnAir
from streamer.live.parting import Parting
from streamer.live.push import Push
from streamer.live.recorder import Recorder
from streamer.live.recordings import Recordings
from streamer.live.recovery import Recovery
from streamer.live.register import Register
from streamer.live.remains import Remains, remains
from streamer.live.running import Running, Standing
from streamer.live.slates import Slates
from streamer.live.stills import Stills
from streamer.live.streams import Stream, Takeover
from streamer.live.succession import END, Succession, heir_of
from streamer.live.tenancy import Held, TakenOver
from streamer.live.vitals import Vitals
from streamer.markers import Markers
from streamer.rows import StreamState
from streamer.vocabulary.live import StreamHealth

_FAREWELL_SECONDS = 30
"""How long parts of a broadcast that is over stay, for players that have them on a list."""

_STOP_SECONDS = 15
_log = logging.getLogger(__name__)


class Studio:
    """A Door for publishers. Call `start` before any of them comes, and `stop` when the server ends.

    `recordings` makes their manifests, `stills` their pictures, `recovery` ends what nobody encodes any more,
    `succession` comes into what other servers have, `admission` has a say beside the key. `vitals` is told of
    a stream and its broadcast how the signal is, and None at its end. `delay` says how many seconds later a
    refusal is answered, so that guessing keys is slow and its time tells nothing. `began` hears of the asset
    of one whose stream names a destination. A broadcast outlasts the server: it goes on when that is started
    again, or at another one.
    """

    def __init__(
        self,
        register: Register,
        broadcasts: Broadcasts,
        store: Store,
        *,
        means: Means,
        recovery: Recovery,
        succession: Succession,
        recordings: Recordings,
        markers: Markers,
        slates: Slates,
        stills: Stills,
        admission: Admission,
        vitals: Callable[[str, str, StreamHealth | None], None],
        delay: Callable[[], float],
        began: Callable[[str, str | None], None] = lambda _asset, _destination: None,
    ) -> None:
        self._register = register
        self._broadcasts = broadcasts
        self._store = store
        self._means = means
        self._recovery = recovery
        self._succession = succession
        self._markers = markers
        self._slates = slates
        self._stills = stills
        self._part = Parting(broadcasts, recordings, stills=stills, succession=succession)
        self._admission = admission
        self._vitals = vitals
        self._delay = delay
        self._began = began
        self._running: dict[str, Running] = {}  # by stream
        self._shown: dict[str, Running] = {}  # by asset
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._farewells: set[asyncio.TimerHandle] = set()
        self._leaving = False

    async def start(self) -> None:
        """Go on with what an earlier life of this server has left on air, where publishers may come back."""
        await self._recovery.start(self._resume)
        self._stills.start()

    async def stop(self) -> None:
        """Leave all broadcasts and end what is behind those that are over."""
        await self.leave()
        for timer in self._farewells:
            timer.cancel()
        await self._stills.stop()

    async def leave(self) -> None:
        """End all encoders and keep what there is of broadcasts: they go on when somebody takes them up."""
        self._leaving = True
        for running in self._running.values():
            running.kept_open = not running.broadcast.over
            running.broadcast.end(Ending.STOPPING)
        tasks = [one.task for one in self._running.values() if one.task is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def take_up(self) -> None:
        """Go on with what servers that are gone have left on air."""
        if not self._leaving:
            await self._recovery.sweep(self._resume)

    async def follow(self, held: Held) -> None:
        """Do as others wish with the broadcasts that are still held; drop those that are not any more."""
        for running in tuple(self._running.values()):
            wish = held.wishes.get(running.broadcast.asset)
            if running.broadcast.asset in held.lost:
                await self._drop(running)
            elif wish is not None:
                await self._obey(running, wish)

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
            found = await self._register.get(stream)
            if found.asset is None or not await self._succession.end(found.asset):
                await self._recovery.end(stream)
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
            running = running or await self._begin(stream, publisher)
            running.broadcast.give_way(publisher)
        _log.info("%s publishes stream %s over %s", publisher.address, stream.id, publisher.protocol)
        return partial(self._publish, running, publisher)

    async def _publish(self, running: Running, publisher: Publisher, tags: AsyncIterator[Tag]) -> None:
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

    async def _begin(self, stream: Stream, publisher: Publisher) -> Running:
        if self._leaving:
            raise KeyBusy("The server stops; come back in a moment.")
        try:
            return await self._begun(stream)
        except WrongState as error:
            if stream.asset is None or not await self._claimed(stream.asset, publisher):
                raise KeyBusy(str(error)) from error
        if stream.asset is not None and await self._recovery.take_up(stream.asset, self._resume):
            return self._running[stream.id]
        try:
            return await self._begun(stream)
        except WrongState as error:
            raise KeyBusy(str(error)) from error

    async def _claimed(self, asset: str, publisher: Publisher) -> bool:
        """Say whether a broadcast of another server is this one's by now. Raise KeyBusy."""
        try:
            await self._broadcasts.room()
        except TooManyBroadcasts as error:
            raise KeyBusy(str(error)) from error
        return await self._succession.claim(asset, publisher)

    async def _begun(self, stream: Stream) -> Running:
        """Begin a broadcast. Raise KeyBusy, and WrongState where the stream is on air."""
        try:
            asset = (await self._broadcasts.begin(stream.id)).id
        except (TooManyBroadcasts, NoSuchStream) as error:
            raise KeyBusy(str(error)) from error
        running = self._start(stream, asset, left=Remains())
        self._began(asset, stream.settings.destination)
        return running

    async def _drop(self, running: Running) -> None:
        """Stop at once with a broadcast that another server has by now, or that was deleted."""
        running.lost = True
        running.broadcast.end(Ending.TAKEN_OVER)
        if running.task is not None:
            await asyncio.wait({running.task})

    async def _obey(self, running: Running, wish: str) -> None:
        """End a broadcast, or leave it to another server, whose publisher may not have to wait."""
        broadcast = running.broadcast
        heir = heir_of(wish)
        if wish == END:
            broadcast.end()
        elif heir is not None and _gives_way(running, heir.priority):
            running.kept_open, running.heir = not broadcast.over, heir.node
            broadcast.end(Ending.TAKEN_OVER)
        else:
            await self._broadcasts.tenancy.ask(broadcast.asset, None)
            return
        if running.task is not None:
            await asyncio.wait({running.task})

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
        running = self._running.get(stream.id)
        if running is not None and running.broadcast.asset == asset:
            return True  # its publisher came while it was being taken up
        running = self._start(replace(stream, settings=settings), asset, left=there)
        running.standing.take(StreamState.RECONNECTING)
        self._began(asset, stream.settings.destination)
        _log.info("broadcast %s goes on if its publisher comes back", asset)
        return True

    def _start(self, stream: Stream, asset: str, *, left: Remains) -> Running:
        air, push = OnAir(asset, window=stream.settings.dvr_seconds, remains=left), Push()
        cues = Cues(since=self._means.wall())
        recorder = Recorder(asset, store=Scoped(self._store, asset), broadcasts=self._broadcasts, kept=air)
        standing = Standing()
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
        running = Running(
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

    async def _run(self, running: Running) -> None:
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
            await self._part(running)
        finally:
            self._running.pop(running.stream, None)
            if running.lost or running.left:
                running.air.leave()
                self._shown.pop(asset, None)
            else:
                running.air.end()
                self._farewell(asset)

    async def _mark(self, running: Running) -> None:
        """Show the markers that a broadcast has from before this server."""
        try:
            markers = await self._markers.of(running.broadcast.asset)
        except CatalogAway as error:
            _log.warning("markers of %s are shown with the next one: %s", running.broadcast.asset, error)
            return
        running.air.mark(markers)
        running.cues.follow(markers)

    async def _tell(self, running: Running) -> None:
        """Write down where a broadcast stands, the latest only, until cancelled."""
        while True:
            await running.standing.moved.wait()
            running.standing.moved.clear()
            try:
                await self._broadcasts.stand(running.stream, running.standing.state)
            except (WrongState, NoSuchStream, CatalogAway, TakenOver) as error:
                _log.info("where stream %s stands cannot be told: %s", running.stream, error)

    def _farewell(self, asset: str) -> None:
        loop = asyncio.get_running_loop()

        def drop() -> None:
            self._shown.pop(asset, None)
            self._farewells.discard(timer)

        timer = loop.call_later(_FAREWELL_SECONDS, drop)
        self._farewells.add(timer)


def _gives_way(running: Running, priority: int) -> bool:
    """Say whether a publisher at another server has the place of the one that sends here."""
    sending = running.broadcast.priority
    return (
        running.broadcast.settings.takeover is not Takeover.PRIORITY or sending is None or priority >= sending
    )
