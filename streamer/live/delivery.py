"""What is on air over HTTP: manifests that are held until there is something new in them, and media."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol
from weakref import WeakKeyDictionary

from aiohttp import web

from cdn.policy import Kind, classify
from packager import keys
from packager.store import Store
from streamer.answers import absent, judged, pushed_head, refuse
from streamer.conditions import accepts_gzip
from streamer.files import Reply
from streamer.hot import Entry
from streamer.live import asked
from streamer.live.asked import Asked, BadDirective
from streamer.live.onair import Left, OnAir
from streamer.live.pieces import Pieces
from streamer.live.playlists import Playlists
from streamer.live.push import Push
from streamer.live.viewers import ChunkedViewer, SocketViewer
from streamer.live.waiters import Waiting, late
from streamer.problems import Problem
from streamer.relay.whereabouts import Place

_PATIENCE = 3
"""Target durations for which what is to come is awaited: players stall on a refusal, and on no wait."""

_TURNS = 3
"""How often a broadcast may change hands while one request waits for it."""

_KINDS = {Kind.MULTIVARIANT: Kind.LIVE_PLAYLIST, Kind.PLAYLIST: Kind.LIVE_PLAYLIST, Kind.MPD: Kind.LIVE_MPD}


class Elsewhere(Protocol):
    """What other servers have on air."""

    async def place(self, asset: str, kind: Kind) -> Place | None:
        """Return where a broadcast is that is not here, None where it is here or is none."""

    async def answer(
        self, request: web.Request, place: Place, asset: str, key: str, kind: Kind
    ) -> web.StreamResponse | None:
        """Answer with what another server says; None where the store has it. Raise Left, having moved."""


class Delivery:
    """Answers for assets that `find` has on air, and leaves to the origin what is in the store.

    `alias` returns the asset that a stream's name stands for with a key: what is on air, or what was last.
    `push` finds what is pushed of an asset. What other servers have comes from `elsewhere`.
    """

    def __init__(
        self,
        find: Callable[[str], OnAir | None],
        store: Store,
        *,
        alias: Callable[[str, str], Awaitable[str]] | None = None,
        push: Callable[[str], Push | None] = lambda _: None,
        elsewhere: Elsewhere | None = None,
        memory: int = 64 << 20,
    ) -> None:
        self._find = find
        self._alias = alias
        self._push = push
        self._elsewhere = elsewhere
        self._waiting = Waiting()
        self._pieces = Pieces(store, self._waiting, patience=_PATIENCE, memory=memory)
        self._playlists: WeakKeyDictionary[OnAir, Playlists] = WeakKeyDictionary()

    async def asset(self, name: str, key: str) -> str:
        """Return which asset a name in a path stands for, with the key behind it."""
        return name if self._alias is None or self._find(name) is not None else await self._alias(name, key)

    async def answer(self, request: web.Request, asset_id: str, key: str) -> web.StreamResponse | None:
        """Answer a GET or HEAD; None where that is the origin's."""
        kind = classify(key)
        if kind is None:
            return None
        for _ in range(_TURNS):
            place = await self._place(asset_id, kind)
            try:
                if place is None or self._elsewhere is None:
                    return await self._answer(request, asset_id, key, kind)
                return await self._elsewhere.answer(request, place, asset_id, key, kind)
            except Left:
                if self._elsewhere is None:
                    break
        return await late(request)

    async def _place(self, asset_id: str, kind: Kind) -> Place | None:
        """Return where a broadcast is that is not here, None where it is here or is none."""
        if self._elsewhere is None or self._find(asset_id) is not None:
            return None
        return await self._elsewhere.place(asset_id, kind)

    async def _answer(
        self, request: web.Request, asset_id: str, key: str, kind: Kind
    ) -> web.StreamResponse | None:
        onair = self._find(asset_id)
        if kind is Kind.PUSHED:
            return await self._pushed(request, asset_id, key)
        if onair is None or (kind in _KINDS and onair.recorded):
            return None
        if kind in _KINDS:
            return await self._manifest(request, onair, key, _KINDS[kind])
        if kind is Kind.PART:
            return await self._pieces.part(request, onair, key)
        if kind is Kind.SEGMENT:
            return await self._pieces.segment(request, onair, key)
        return await self._pieces.init(request, onair, key) if kind is Kind.INIT else None

    async def _pushed(self, request: web.Request, asset_id: str, key: str) -> web.StreamResponse:
        """Send frames as they come, for as long as they do; a HEAD is told that there are some.

        The key says how: as one answer in chunks, or over a WebSocket.
        """
        push, name = self._push(asset_id), key.partition(".")[0]
        if push is None or not push.knows(name):
            return await absent(request)
        if not push.room:
            problem = Problem("too-many-viewers", "Too many are pushed frames", 503, _CROWDED)
            return await refuse(request, problem, Kind.FAILED)
        if not key.endswith(".mp4"):
            if not web.WebSocketResponse().can_prepare(request):
                return await refuse(request, _NO_SOCKET, Kind.FAILED)
            return await SocketViewer().serve(request, push, name)
        lines = pushed_head()
        if request.method == "HEAD":
            return await Reply(200, lines).send(request)
        return await ChunkedViewer().serve(request, push, name, head=lines)

    def forget(self, asset_id: str) -> None:
        """Drop all that is held of an asset."""
        self._pieces.forget(asset_id)

    async def close(self) -> None:
        """Let go of everybody who waits."""
        await self._waiting.close()
        for playlists in list(self._playlists.values()):
            await playlists.close()

    async def _manifest(self, request: web.Request, onair: OnAir, key: str, kind: Kind) -> web.StreamResponse:
        playlists = self._playlists.get(onair)
        if playlists is None:
            playlists = self._playlists[onair] = Playlists(onair)
        if onair.lives and not playlists.known(key):
            return await absent(request)
        try:
            wanted = _wanted(request, onair, key)
            position = playlists.position(key, wanted)
        except BadDirective as error:
            problem = Problem("bad-directive", "There is no such playlist", 400, str(error))
            return await refuse(request, problem, Kind.FAILED)
        kind = Kind.LIVE_BLOCKED if wanted.msn is not None else kind
        coding = "gzip" if accepts_gzip(request.headers) else ""

        async def ready() -> Entry | None:
            if not await playlists.come(key, position):
                return None
            return await playlists.entry(key, kind=kind, coding=coding, skip=wanted.skip)

        if playlists.there(key, position):
            entry = await ready()
            return await (judged(request, entry) if entry else absent(request))
        if request.method == "HEAD":
            return await absent(request)
        name = f"{onair.asset}/{key} {position} {kind} {coding} {wanted.skip}"
        return await self._waiting.hold(request, name, ready, seconds=_PATIENCE * onair.target_duration)


_CROWDED = "Play the playlist, or try again later."
_NO_SOCKET = Problem("upgrade-required", "This is a WebSocket", 426, headers={"Upgrade": "websocket"})


def _wanted(request: web.Request, onair: OnAir, key: str) -> Asked:
    """Return the directives of a request, none where they mean nothing. Raise BadDirective."""
    if key in {keys.MULTIVARIANT, keys.MPD} or not onair.low_latency:
        return Asked()
    return asked.read(request.query)
