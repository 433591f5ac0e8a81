"""Answers for broadcasts of other servers: asked for there once, sent on to all who ask here."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from urllib.parse import urlencode

from aiohttp import HttpVersion11, web

from cdn.policy import POLICIES, Kind
from packager.errors import PackagingError
from packager.store import Store
from streamer.answers import absent, judged, pushed_head, refuse
from streamer.conditions import accepts_gzip
from streamer.files import Growing, Reply
from streamer.hot import Entry
from streamer.live.onair import Left
from streamer.live.viewers import ChunkedViewer, SocketViewer
from streamer.live.waiters import Waiting, late
from streamer.problems import Problem
from streamer.relay.inflow import Inflow
from streamer.relay.pushed import Pushed
from streamer.relay.upstream import HEADER, Fetched, PeerGone, Upstream
from streamer.relay.whereabouts import Place

_PATIENCE_SECONDS = 45.0
"""How long a request waits for the other server, which gives up long before."""

_MOVE_SECONDS = 3.0
"""How long a request waits for a broadcast that changes hands."""

_MOVE_LOOK_SECONDS = 0.1
_LOOK_SECONDS = 1.0
_LATE = 503
T = TypeVar("T")
_IN_STORE = frozenset({Kind.SEGMENT, Kind.INIT})


class Finding(Protocol):
    """Where broadcasts are."""

    async def of(self, asset: str) -> Place | None:
        """Return where a broadcast is, None for what is none, or is over for good."""

    def forget(self, asset: str) -> None:
        """Look again when it is asked for next."""


class Refusal(Exception):
    """The other server has answered with an error, which is handed on as it is."""

    def __init__(self, fetched: Fetched) -> None:
        super().__init__(fetched.status)
        self.fetched = fetched


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """An object of a broadcast, and the place where that is."""

    asset: str
    place: Place
    key: str

    @property
    def url(self) -> str:
        """Its address."""
        return f"{self.place.url}/v/{self.asset}/{self.key}"


@dataclass(slots=True, kw_only=True)
class _Kept:
    """An answer that may be given again until a moment, by the loop's clock."""

    fetched: Fetched
    since: float
    until: float


class Relay:
    """Relays `/v/{id}/{key}` of broadcasts that are elsewhere. Call `close` at the end.

    `here` says whether this server has a broadcast by now. At most `memory` bytes are kept, each answer for
    as long as its cache rule allows.
    """

    def __init__(
        self,
        whereabouts: Finding,
        store: Store,
        *,
        secret: str,
        here: Callable[[str], object | None],
        memory: int,
    ) -> None:
        self._whereabouts = whereabouts
        self._store = store
        self._here = here
        self._memory = memory
        self._upstream = Upstream(secret)
        self._waiting = Waiting()
        self._held = 0
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._inflows: dict[str, Inflow] = {}
        self._pushed: dict[str, Pushed] = {}

    def leave(self) -> None:
        """End frames, which have no end of their own: whoever watches asks for them again."""
        for pushed in self._pushed.values():
            pushed.task.cancel()

    async def close(self) -> None:
        """Let go of everybody."""
        await self._waiting.close()
        tasks = [one.task for one in self._inflows.values()]
        tasks += [one.task for one in self._pushed.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._upstream.close()

    async def place(self, asset: str, kind: Kind) -> Place | None:
        """Return where a broadcast is that is not here, None where it is here or is none.

        One that changes hands is waited for, for a moment.
        """
        until = asyncio.get_running_loop().time() + _MOVE_SECONDS
        while not self._here(asset):
            place = await self._whereabouts.of(asset)
            if place is None or (place.over and kind is not Kind.PART):
                return None
            if not place.moving or asyncio.get_running_loop().time() >= until:
                return place
            await asyncio.sleep(_MOVE_LOOK_SECONDS)
            self._whereabouts.forget(asset)
        return None

    async def answer(
        self, request: web.Request, place: Place, asset: str, key: str, kind: Kind
    ) -> web.StreamResponse | None:
        """Answer a GET or HEAD with what another server says; None where the store has it.

        Raise Left where the broadcast has moved while that was waited for.
        """
        # What is sent on is not sent on again: it has just moved.
        if place.url is None or HEADER in request.headers:
            return await late(request)
        if kind in _IN_STORE and await self._stored(f"{asset}/{key}"):
            return None
        try:
            return await self._asked(request, _Wanted(asset=asset, place=place, key=key), kind)
        except Refusal as refusal:
            if refusal.fetched.status == _LATE:
                await self._check(asset, place)
            return await _handed_on(request, refusal.fetched)
        except PeerGone:
            await self._check(asset, place)
            return await late(request)

    async def _stored(self, name: str) -> bool:
        """Say whether an object can be had from the store, as far as that can be asked."""
        try:
            return await self._store.stat(name) is not None
        except PackagingError:
            return False

    async def _check(self, asset: str, place: Place) -> None:
        """Raise Left where a broadcast is somewhere else by now."""
        self._whereabouts.forget(asset)
        if self._here(asset) is not None or await self._whereabouts.of(asset) != place:
            raise Left("The broadcast has moved.")

    async def _asked(self, request: web.Request, wanted: _Wanted, kind: Kind) -> web.StreamResponse:
        """Answer with what another server has. Raise Refusal, PeerGone."""
        if kind is Kind.PUSHED:
            return await self._frames(request, wanted)
        if kind is Kind.SEGMENT and request.method == "GET":
            return await self._segment(request, wanted)
        return await self._object(request, wanted, negotiated=POLICIES[kind].negotiated)

    async def _there(self, wanted: _Wanted, work: Coroutine[Any, Any, T]) -> T:
        """Do what waits for another server, for as long as that has the broadcast. Raise PeerGone.

        A server may be silent and its connections open long after others have taken it for gone.
        """
        task = asyncio.create_task(work)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=_LOOK_SECONDS)
                if not task.done() and await self._whereabouts.of(wanted.asset) != wanted.place:
                    raise PeerGone("The broadcast has moved.")
            return await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _object(self, request: web.Request, wanted: _Wanted, *, negotiated: bool) -> web.StreamResponse:
        """Send what is whole when it comes; all who wait for the same get it at once."""
        directives = [(name, value) for name, value in request.query.items() if name.startswith("_HLS_")]
        url = f"{wanted.url}?{urlencode(directives)}" if directives else wanted.url
        gzip = negotiated and accepts_gzip(request.headers)
        name = f"{request.method} {gzip} {url}"
        entry = self._remembered(name)
        if entry is not None:
            return await judged(request, entry)

        async def ready() -> Entry:
            fetched = await self._there(wanted, self._upstream.fetch(url, method=request.method, gzip=gzip))
            if fetched.status != 200:
                raise Refusal(fetched)
            self._remember(name, fetched)
            return fetched.entry()

        return await self._waiting.hold(request, name, ready, seconds=_PATIENCE_SECONDS)

    async def _segment(self, request: web.Request, wanted: _Wanted) -> web.StreamResponse:
        """Send a segment, in pieces while it grows."""
        url = wanted.url
        inflow = self._inflows.get(url)
        if inflow is None or inflow.task.cancelling():
            inflow = _held(self._inflows, url, Inflow(self._upstream, url))
        with inflow.reading():
            head = await self._there(wanted, inflow.head())
            if head.size is None and head.status == 200 and request.version >= HttpVersion11:
                return await Growing(head.lines, inflow.sent()).send(request)
            body = await self._there(wanted, inflow.whole())
        if head.status != 200:
            raise Refusal(_whole(head, body))
        if head.size is None:  # HTTP/1.0 has no chunks: it gets what is whole by now
            return await self._object(request, wanted, negotiated=False)
        return await judged(request, _whole(head, body).entry())

    async def _frames(self, request: web.Request, wanted: _Wanted) -> web.StreamResponse:
        """Send frames on as they come."""
        in_chunks = wanted.key.endswith(".mp4")
        chosen = in_chunks or web.WebSocketResponse().can_prepare(request)
        if request.method == "HEAD" or not chosen:
            return await self._object(request, wanted, negotiated=False)
        pushed = await self._pushing(wanted)
        if pushed is None:
            return await absent(request)
        if not pushed.room:
            crowded = Problem("too-many-viewers", "Too many are pushed frames", 503)
            return await refuse(request, crowded, Kind.FAILED)
        if in_chunks:
            return await ChunkedViewer().serve(request, pushed, "", head=pushed_head())
        return await SocketViewer().serve(request, pushed, "")

    async def _pushing(self, wanted: _Wanted) -> Pushed | None:
        """Return what is pushed there, None where nothing is. Raise PeerGone."""
        url = wanted.url.removesuffix(".mp4")
        pushed = self._pushed.get(url)
        if pushed is None or pushed.task.cancelling():
            pushed = _held(self._pushed, url, Pushed(self._upstream, url))
        return pushed if await self._there(wanted, pushed.ready()) else None

    def _remembered(self, name: str) -> Entry | None:
        """Return an answer that still holds."""
        kept = self._kept.get(name)
        now = asyncio.get_running_loop().time()
        if kept is None:
            return None
        if kept.until <= now:
            self._forget(name)
            return None
        self._kept.move_to_end(name)
        return kept.fetched.entry(age=int(now - kept.since))

    def _remember(self, name: str, fetched: Fetched) -> None:
        if not fetched.seconds:
            return
        self._forget(name)
        now = asyncio.get_running_loop().time()
        self._kept[name] = _Kept(fetched=fetched, since=now, until=now + fetched.seconds)
        self._held += _weight(fetched)
        while self._held > self._memory:
            self._forget(next(iter(self._kept)))

    def _forget(self, name: str) -> None:
        kept = self._kept.pop(name, None)
        if kept is not None:
            self._held -= _weight(kept.fetched)


class _Tasked(Protocol):
    """Something that is there for as long as its task is."""

    @property
    def task(self) -> asyncio.Task[None]:
        """Return the task."""


P = TypeVar("P", bound=_Tasked)


def _held(under: dict[str, P], name: str, one: P) -> P:
    """Keep something under a name until its task is done, or another one is kept there."""
    under[name] = one

    def forget(_: asyncio.Task[None]) -> None:
        if under.get(name) is one:
            del under[name]

    one.task.add_done_callback(forget)
    return one


def _whole(head: Fetched, body: bytes) -> Fetched:
    return Fetched(status=head.status, fields=head.fields, body=body, size=len(body))


def _weight(fetched: Fetched) -> int:
    return 2048 + len(fetched.body)


async def _handed_on(request: web.Request, fetched: Fetched) -> web.StreamResponse:
    """Send an error as it came."""
    entry = None if request.method == "HEAD" else fetched.entry()
    stop = 0 if entry is None else len(fetched.body)
    return await Reply(fetched.status, fetched.lines, entry=entry, stop=stop).send(request)
