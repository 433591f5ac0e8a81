"""Publishing from a browser over a WebSocket: what MediaRecorder makes, for where no UDP gets through."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import WSCloseCode, WSMsgType, web

from packager.process import Spawner
from streamer.allowance import Allowance
from streamer.errors import ServerError
from streamer.ingest.door import Door, Ending
from streamer.ingest.errors import (
    BadHello,
    Crowded,
    Gone,
    IngestError,
    KeyBusy,
    Refused,
    Silent,
    TooLarge,
    TooMuch,
)
from streamer.ingest.places import Places
from streamer.ingest.publishing import Publishing, words
from streamer.ingest.remux import webm
from streamer.listener import Close
from streamer.proxies import peer_of

_log = logging.getLogger(__name__)

PATH: Final = "/live/publish"
_HELLO_MAX = 4096
_CLOSE_SECONDS = 2

_ENDINGS = {
    Ending.TAKEN_OVER: Close.TAKEN_OVER,
    Ending.ENDED: Close.ENDED,
    Ending.FAILED: Close.FAILED,
    Ending.STOPPING: Close.SERVER_STOPS,
}
_ERRORS: tuple[tuple[type[ServerError], Close], ...] = (
    (KeyBusy, Close.BUSY),
    (Crowded, Close.BUSY),
    (Refused, Close.FORBIDDEN),
    (Silent, Close.SILENT),
    (BadHello, Close.BAD_MESSAGE),
    (TooLarge, Close.BAD_MESSAGE),
    (TooMuch, Close.BAD_MESSAGE),
    (IngestError, Close.BAD_MEDIA),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a publisher may send: bytes of a message, and bytes a second with what a held-up network saves up.

    `hello_seconds` run from the connection to the key, `idle_seconds` whenever nothing comes.
    """

    message_bytes: int = 4 << 20
    bytes_a_second: int = 8 << 20
    saved_bytes: int = 64 << 20
    hello_seconds: float = 5
    idle_seconds: float = 10
    ping_seconds: float = 20


class BrowserReceiver:
    """The handler of the WebSocket and the publishers that are connected."""

    def __init__(
        self,
        door: Door,
        spawner: Spawner,
        *,
        limits: Limits | None = None,
        places: Places | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take who decides about keys, and what starts children. The clock counts seconds forward."""
        self._door = door
        self._spawner = spawner
        self._limits = limits or Limits()
        self._places = places or Places()
        self._clock = clock
        self._publishing: set[Publishing] = set()
        self._stopping = False

    def routes(self) -> list[web.RouteDef]:
        """Return the route."""
        return [web.get(PATH, self.connect, name="publish", allow_head=False)]

    async def close(self) -> None:
        """Tell every publisher that the server stops."""
        self._stopping = True
        for one in self._publishing:
            one.close(Ending.STOPPING)

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """Serve one publisher until either side ends it. Where the page comes from was checked before."""
        limits = self._limits
        socket = web.WebSocketResponse(
            max_msg_size=limits.message_bytes,
            compress=False,
            heartbeat=limits.ping_seconds,
            timeout=_CLOSE_SECONDS,
        )
        await socket.prepare(request)
        publishing = Publishing("websocket", peer_of(request) or "an unknown address")
        self._publishing.add(publishing)
        admitted = False
        try:
            with self._places.taking(publishing.address):
                key = await self._hello(socket)
                if self._stopping:
                    publishing.close(Ending.STOPPING)
                take = await self._door.admit(key, publishing)
                await socket.send_json({"type": "admitted"})
                admitted = True
                cause = await publishing.run(take, webm(self._spawner, self._pieces(socket)))
        except ServerError as error:
            _log.info("websocket session %s is refused: %s", publishing.session, error.message)
            cause = error
        except ConnectionResetError:
            return socket
        finally:
            self._publishing.discard(publishing)
        await _farewell(socket, cause, "ended" if admitted else "refused")
        return socket

    async def _hello(self, socket: web.WebSocketResponse) -> str:
        """Return the key that the first message has. Raise BadHello."""
        try:
            async with asyncio.timeout(self._limits.hello_seconds):
                message = await socket.receive()
        except TimeoutError as error:
            raise BadHello("The key did not come in time.") from error
        return _key_of(message.data if message.type is WSMsgType.TEXT else "")

    async def _pieces(self, socket: web.WebSocketResponse) -> AsyncIterator[bytes]:
        """Yield what is recorded until the publisher closes. Raise IngestError."""
        allowance = Allowance(self._limits.bytes_a_second, saved=self._limits.saved_bytes, now=self._clock())
        while True:
            try:
                async with asyncio.timeout(self._limits.idle_seconds):
                    message = await socket.receive()
            except TimeoutError as error:
                seconds = self._limits.idle_seconds
                raise Silent(f"Nothing was received for {seconds:g} seconds.") from error
            if message.type is WSMsgType.BINARY:
                if not allowance.spend(len(message.data), now=self._clock()):
                    raise TooMuch("The publisher sends faster than live.")
                if message.data:
                    yield message.data
            elif message.type is WSMsgType.ERROR:
                if socket.close_code == WSCloseCode.MESSAGE_TOO_BIG:
                    raise TooLarge("A message is larger than allowed.")
                raise Gone("The publisher left without a word.")
            elif message.type in {WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED}:
                return


def _key_of(text: str) -> str:
    """Return the key of a first message. Raise BadHello."""
    try:
        said: Any = json.loads(text) if len(text) <= _HELLO_MAX else None
    except (ValueError, RecursionError):
        said = None
    key = said.get("key") if isinstance(said, dict) and said.get("type") == "publish" else None
    if not isinstance(key, str):
        raise BadHello('The first message is to be {"type": "publish", "key": "…"}.')
    return key


async def _farewell(socket: web.WebSocketResponse, cause: Ending | ServerError | None, kind: str) -> None:
    """Say why it is over, to a person and to a program, and close."""
    code = Close.FAILED
    if isinstance(cause, Ending):
        code = _ENDINGS[cause]
    elif cause is not None:
        code = next((code for error, code in _ERRORS if isinstance(cause, error)), Close.FAILED)
    if socket.closed:
        return
    with suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(2 * _CLOSE_SECONDS):
            if cause is not None:
                await socket.send_json({"type": kind, "reason": words(cause)})
            await socket.close(code=code if cause is not None else 1000, message=words(cause).encode()[:120])
