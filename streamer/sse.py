"""The control channel as server-sent events (HTML standard, section 9.2)."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Iterable
from contextlib import suppress

from aiohttp import hdrs, web

from streamer.errors import FellBehind
from streamer.events import Event
from streamer.listener import Close
from streamer.places import Cursor, Place
from streamer.problems import Problem
from streamer.subscribing import Refused, Subscribing, Wish, closing, encoded
from streamer.subscription import Subscription
from streamer.vigil import Held, Vigil, Watch
from streamer.vocabulary.connections import message
from streamer.vocabulary.kind import Kind

_HELPING = 32  # events of one subscription before the next has its turn
_AT_ONCE = 64 << 10  # bytes of one write: no more than this and one event is held for a client
_RETRY_MS = range(500, 3000)
_BEAT = b":\n\n"
_HEADERS = {
    hdrs.CONTENT_TYPE: "text/event-stream",
    hdrs.CACHE_CONTROL: "no-cache, no-transform",
    "X-Accel-Buffering": "no",  # nginx would gather events before it sends them on
    "X-Content-Type-Options": "nosniff",
}
log = logging.getLogger(__name__)


class Streaming:
    """The event streams that are open."""

    def __init__(
        self,
        subscribing: Subscribing,
        *,
        beat_seconds: float = 15,
        stall_seconds: float = 10,
        drain_seconds: float = 5,
        most: int = 10_000,
        vigil: Vigil,
    ) -> None:
        """Take what opens channels, how often a silent stream gives a sign, and how long one may be stuck.

        When the server stops, clients are to come back within `drain_seconds`. Only `most` may be open.
        """
        self._drain_seconds = drain_seconds
        self._most = most
        self._vigil = vigil
        self._subscribing = subscribing
        self._beat_seconds = beat_seconds
        self._stall_seconds = stall_seconds
        self._streams: set[Stream] = set()
        self._stopping = False

    @property
    def clients(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    async def close(self) -> None:
        """Ask every client to come back later, and wait until each has heard of it or is cut off."""
        self._stopping = True
        streams = tuple(self._streams)
        for stream in streams:
            stream.end(Close.SERVER_STOPS, "the server stops", within=self._drain_seconds)
        for stream in streams:
            await stream.over.wait()

    async def serve(self, request: web.Request, wish: Wish) -> web.StreamResponse:
        """Send events until either side ends it. Raise Problem where there are too many."""
        if len(self._streams) >= self._most:
            raise Problem("too-many-clients", "Too many clients", 503, headers={hdrs.RETRY_AFTER: "5"})
        response = web.StreamResponse(headers=_HEADERS)
        response.force_close()
        await response.prepare(request)
        stream = Stream(response, wish, stall_seconds=self._stall_seconds)
        self._streams.add(stream)
        if self._stopping:
            stream.end(Close.SERVER_STOPS, "the server stops", within=self._drain_seconds)
        watch = self._watch(wish.principal.held, stream)
        try:
            await stream.run(self._subscribing, beat_seconds=self._beat_seconds)
        except (ConnectionError, TimeoutError):
            # Whoever has gone hears nothing more; whoever takes nothing is not to wait for the end of it.
            if request.transport is not None:
                request.transport.abort()
        finally:
            if watch is not None:
                watch.cancel()
            self._streams.discard(stream)
            stream.release()
        return response

    def _watch(self, token: Held | None, stream: Stream) -> Watch | None:
        if token is None:
            return None
        over = "the token does not hold any more"
        return self._vigil.watch(token, warn=stream.tell, end=lambda: stream.end(Close.FORBIDDEN, over))


class Stream:
    """One client's stream. It holds no events, only places in logs: what it does not take waits there."""

    def __init__(self, response: web.StreamResponse, wish: Wish, *, stall_seconds: float) -> None:
        """Take the response, whose head has left, and how long a write may take."""
        self.over = asyncio.Event()
        self._response = response
        self._wish = wish
        self._stall_seconds = stall_seconds
        self._news = asyncio.Event()
        self._ended: bytes | None = None
        self._said: list[bytes] = []
        self._subscriptions: list[Subscription] = []
        self._places = {
            channel: place for channel, place in wish.cursor.places.items() if channel in wish.channels
        }

    def end(self, code: Close, reason: str, *, within: float = 5) -> None:
        """Have the stream end with a message that says why; who comes back does so `within` some seconds."""
        self._ended = _data(encoded(closing(code, reason, within=within)))
        self._news.set()

    def tell(self, told: Kind) -> None:
        """Send a message that belongs to no channel."""
        self._said.append(_data(encoded(message(told))))
        self._news.set()

    def release(self) -> None:
        """Give up the subscriptions."""
        for subscription in self._subscriptions:
            subscription.close()
        self.over.set()

    async def run(self, subscribing: Subscribing, *, beat_seconds: float) -> None:
        """Open the channels and send what they have, until `end`. Raise ConnectionError, TimeoutError."""
        await self._write(b"retry: %d\n\n" % secrets.choice(_RETRY_MS))
        try:
            for channel in self._wish.channels:
                await self._open(subscribing, channel)
            while self._ended is None:
                self._news.clear()
                while self._said:
                    await self._write(self._said.pop(0))
                if not await self._take():
                    await self._wait(beat_seconds)
        except FellBehind:
            self.end(Close.FELL_BEHIND, "too far behind")
        await self._write(self._ended or b"")

    async def _open(self, subscribing: Subscribing, channel: str) -> None:
        place = self._wish.cursor.places.get(channel)
        try:
            opened = await subscribing.open(channel, self._wish.principal, place=place, wake=self._news.set)
        except Refused as refused:
            self._places.pop(channel, None)
            await self._write(_data(encoded(refused.message)))
            return
        subscription = opened.subscription
        self._subscriptions.append(subscription)
        # What was missed still follows: until then the place stays where the client has come to.
        self._places[channel] = Place(epoch=subscription.epoch, offset=subscription.offset)
        await self._write(self._identified(encoded(opened.message)))

    async def _take(self) -> bool:
        """Send a helping of every subscription; say whether there was any."""
        some = False
        for subscription in self._subscriptions:
            taken = subscription.take(limit=_HELPING)
            some = some or bool(taken)
            await self._send(taken)
        return some

    async def _send(self, events: Iterable[Event]) -> None:
        held = bytearray()
        for event in events:
            if event.offset is None:
                held += _data(event.text)
            else:
                self._places[event.channel] = Place(epoch=event.epoch, offset=event.offset)
                held += self._identified(event.text)
            if len(held) >= _AT_ONCE:
                await self._write(bytes(held))
                held.clear()
        await self._write(bytes(held))

    async def _wait(self, beat_seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(beat_seconds):
                await self._news.wait()
            return
        await self._write(_BEAT)

    def _identified(self, text: bytes) -> bytes:
        return b"id: %s\n%s" % (Cursor(places=self._places).text().encode(), _data(text))

    async def _write(self, lines: bytes) -> None:
        if lines:
            async with asyncio.timeout(self._stall_seconds):
                await self._response.write(lines)


def _data(text: bytes) -> bytes:
    return b"data: %s\n\n" % text
