"""The media of what is on air: inits, parts as soon as they come, and segments while they grow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from aiohttp import HttpVersion11, web

from cdn.policy import Kind
from packager import keys
from packager.errors import KeyMissing
from packager.folder import content_etag
from packager.store import Store
from streamer.answers import absent, common, content, empty, judged
from streamer.files import Growing, Reply
from streamer.hot import Entry, Hot, head, render
from streamer.live.onair import OnAir
from streamer.live.waiters import Waiting, late


class Pieces:
    """Answers requests for media of broadcasts; None stands for what is in the store.

    `patience` is how many target durations one waits for what is to come.
    """

    def __init__(self, store: Store, waiting: Waiting, *, patience: int, memory: int) -> None:
        self._store = store
        self._waiting = waiting
        self._patience = patience
        self._hot = Hot(memory=memory, files=0)

    def forget(self, asset_id: str) -> None:
        """Drop all that is held of an asset."""
        self._hot.drop_under(f"{asset_id}/")

    async def init(self, request: web.Request, onair: OnAir, key: str) -> web.StreamResponse | None:
        """Answer a request for an init."""
        named = keys.parse_init(key)
        body = onair.init(*named) if named else None
        return None if body is None else await judged(request, await self._made(onair, key, Kind.INIT, body))

    async def part(self, request: web.Request, onair: OnAir, key: str) -> web.StreamResponse | None:
        """Answer a request for a part; one that comes next is awaited, as a preload hint promises."""
        named = keys.parse_part(key)
        if named is None or not onair.has(*named[:2]):
            return None
        generation, name, segment, part = named

        async def ready() -> Entry | None:
            while aired := onair.aired(generation):
                if aired.has(name, segment, part):
                    return await self._cut(onair, key, named)
                if not aired.expects(name, segment, part):
                    return None
                await onair.turn(name)
            return None

        aired = onair.aired(generation)
        if request.method == "GET" and aired and aired.expects(name, segment, part):
            patience = self._patience * onair.target_duration
            return await self._waiting.hold(request, f"{onair.asset}/{key}", ready, seconds=patience)
        entry = await self._cut(onair, key, named)
        return await (judged(request, entry) if entry else absent(request))

    async def segment(self, request: web.Request, onair: OnAir, key: str) -> web.StreamResponse | None:
        """Answer a request for a segment: whole, or while it grows in chunks of its parts."""
        named = keys.parse_segment(key)
        aired = onair.aired(named[0]) if named else None
        if named is None or aired is None or not onair.has(*named[:2]):
            return None
        _, name, number = named
        if number < aired.reach[name].segments:
            return await self._whole(request, onair, key, named)
        if aired.over and not onair.ended:
            # Players of DASH count on by the clock until they hear that a life is over, and Shaka Player
            # never comes back from a number that is refused; past one with nothing in it, it plays on.
            return await empty(request)
        if not aired.expects(name, number, aired.parts(name, number)):
            return await absent(request)
        if request.method == "HEAD":
            return await (Reply(200, _HEAD).send(request) if aired.has(name, number, 0) else absent(request))
        return await self._unfinished(request, onair, key, named)

    async def _whole(
        self, request: web.Request, onair: OnAir, key: str, named: tuple[str, str, int]
    ) -> web.StreamResponse | None:
        body = onair.segment(*named)
        return (
            None if body is None else await judged(request, await self._made(onair, key, Kind.SEGMENT, body))
        )

    async def _unfinished(
        self, request: web.Request, onair: OnAir, key: str, named: tuple[str, str, int]
    ) -> web.StreamResponse | None:
        """Send a segment as it grows, once it has begun."""
        generation, name, number = named
        # HTTP/1.0 has no chunks, and an end that cannot be told from a failure: it gets the whole.
        chunked = request.version >= HttpVersion11
        try:
            await self._come(onair, named, whole=not chunked)
        except TimeoutError:
            return await late(request)
        aired = onair.aired(generation)
        if aired is None or not aired.has(name, number, 0):
            return await (absent(request) if aired is None or onair.ended else empty(request))
        if chunked:
            return await Growing(_HEAD, self._growing(onair, named)).send(request)
        return await self._whole(request, onair, key, named)

    async def _come(self, onair: OnAir, named: tuple[str, str, int], *, whole: bool) -> None:
        """Wait for a segment's first part, or for all of it, as long as it may come. Raise TimeoutError."""
        generation, name, number = named
        while aired := onair.aired(generation):
            if aired.reach[name].segments > number or (not whole and aired.has(name, number, 0)):
                return
            if not aired.expects(name, number, aired.parts(name, number)):
                return
            async with asyncio.timeout(self._patience * onair.target_duration):
                await onair.turn(name)

    async def _growing(self, onair: OnAir, named: tuple[str, str, int]) -> AsyncGenerator[bytes, None]:
        """Yield a segment's parts as they come. Raise TimeoutError or ConnectionResetError where none do."""
        generation, name, number = named
        sent = 0
        while aired := onair.aired(generation):
            if aired.has(name, number, sent):
                body = onair.part(generation, name, number, sent)
                if body is None:
                    raise ConnectionResetError("The reader is so slow that parts have left the memory.")
                yield body
                sent += 1
            elif aired.reach[name].segments > number:
                return
            else:
                async with asyncio.timeout(self._patience * onair.target_duration):
                    await onair.turn(name)
        raise ConnectionResetError("The broadcast has gone.")

    async def _cut(self, onair: OnAir, key: str, named: tuple[str, str, int, int]) -> Entry | None:
        """Return a part from memory or out of its stored segment, None where it has long been forgotten."""
        generation, name, segment, part = named
        body = onair.part(generation, name, segment, part)
        if body is None:
            span = onair.span(generation, name, segment, part)
            if span is None:
                return None
            try:
                stored = f"{onair.asset}/{keys.segment(generation, name, segment)}"
                body = await self._store.get(stored, *span)
            except KeyMissing:
                return None
        return await self._made(onair, key, Kind.PART, body)

    async def _made(self, onair: OnAir, key: str, kind: Kind, body: bytes) -> Entry:
        """Return the entry of an object, which never changes."""
        name = f"{onair.asset}/{key}"
        entry = self._hot.get(name)
        if entry is None:
            etag = content_etag(body) if len(body) < _AT_ONCE else await asyncio.to_thread(content_etag, body)
            fields = common(kind, etag)
            entry = Entry(size=len(body), etag=etag, common=fields, content=content(kind), body=body)
            self._hot.put(name, entry)
        return entry


_AT_ONCE = 256 * 1024
"""What is larger is hashed by a thread."""

_HEAD = head(
    200,
    render(
        {
            **common(Kind.SEGMENT, ""),
            "Content-Type": content(Kind.SEGMENT)["Content-Type"],
            "Transfer-Encoding": "chunked",
        }
    ),
    length=None,
)
"""The head of a segment that grows: neither its length nor its hash is known."""
