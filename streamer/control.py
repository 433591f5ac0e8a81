"""The control channel: events over a WebSocket, resumed by epoch and offset."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from aiohttp import WSMessage, WSMsgType, web

from streamer.access import Policy, Principal, principal_key
from streamer.channel import Channels, Subscription
from streamer.errors import FellBehind, Forbidden, NoSuchAsset, NoSuchChannel
from streamer.events import text_frame
from streamer.snapshots import Snapshot

log = logging.getLogger(__name__)

MESSAGE_MAX = 64 << 10
BUFFER_MAX = 256 << 10
_SUBSCRIPTIONS = 64
_NAME_MAX = 128
_POLL_SECONDS = 0.05  # how often a full buffer is looked at
_CLOSE_SECONDS = 2
_PING = b"\x89\x00"  # RFC 6455 section 5.5.2, without a payload


class Close(IntEnum):
    """Why the server closes: 40xx means come back, 44xx go away."""

    FELL_BEHIND = 4000
    SERVER_STOPS = 4001
    SILENT = 4002
    BAD_MESSAGE = 4400
    FORBIDDEN = 4403
    NOT_FOUND = 4404


class _Bad(Exception):
    """A client's message is not one of the protocol."""


class _Client:
    """One socket: its subscriptions, and a pump that writes while the socket takes."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        request: web.Request,
        *,
        stall_seconds: float,
        ping_seconds: float,
    ) -> None:
        self.socket = socket
        self.principal: Principal = request[principal_key]
        self.subscriptions: dict[str, Subscription] = {}
        self.misses = 0
        self.news = asyncio.Event()
        self.closed_with: Close | None = None
        self._transport = request.transport
        self._stall_seconds = stall_seconds
        self._ping_seconds = ping_seconds
        self._silent = False
        self._timer: asyncio.TimerHandle | None = None

    def beat(self) -> None:
        """Ping, and again and again; whoever leaves two pings unanswered is taken for gone."""
        if self.misses >= 2:
            self._silent = True
            self.news.set()
            return
        self.misses += 1
        self.write(_PING)
        self._timer = asyncio.get_running_loop().call_later(self._ping_seconds, self.beat)

    def write(self, frame: bytes) -> None:
        """Write a whole frame; what the kernel does not take is buffered."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame)

    def tell(self, message: Mapping[str, Any]) -> None:
        self.write(text_frame(json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()))

    async def pump(self) -> None:
        """Write what the subscriptions have, in turn, until one falls out of its log or the socket stalls."""
        try:
            while True:
                await self.news.wait()
                self.news.clear()
                if self._silent:
                    await self.close(Close.SILENT, "no sign of life")
                    return
                while self._take():
                    await self._drain()
                await self._drain()
        except (FellBehind, TimeoutError):
            await self.close(Close.FELL_BEHIND, "too far behind")
        except Exception:
            log.exception("the pump of a control socket broke")
            await self.close(Close.SERVER_STOPS)

    def _take(self) -> bool:
        """Write one helping of every subscription; say whether there was any."""
        any_at_all = False
        for subscription in list(self.subscriptions.values()):
            for event in subscription.take(limit=32):
                self.write(event.frame)
                any_at_all = True
        return any_at_all

    async def _drain(self) -> None:
        transport = self._transport
        if transport is None or transport.get_write_buffer_size() <= BUFFER_MAX:
            return
        async with asyncio.timeout(self._stall_seconds):
            # Only a transport's protocol is told when it drains, and that is aiohttp's.
            while not transport.is_closing() and transport.get_write_buffer_size() > BUFFER_MAX // 2:  # noqa: ASYNC110
                await asyncio.sleep(_POLL_SECONDS)

    async def close(self, code: Close, reason: str = "") -> None:
        """Say why and close; a peer that does not listen any more is cut off."""
        if self.closed_with is not None:
            return
        self.closed_with = code
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self.socket.close(code=code, message=reason.encode()[:120], drain=False)
        except TimeoutError:
            pass
        if self._transport is not None and self._transport.get_write_buffer_size() > 0:
            self._transport.abort()

    def release(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for subscription in self.subscriptions.values():
            subscription.close()
        self.subscriptions.clear()


class Control:
    """The handler of /control and the clients that are connected."""

    def __init__(
        self,
        channels: Channels,
        snapshots: Mapping[str, Snapshot],
        *,
        ping_seconds: float = 20,
        stall_seconds: float = 10,
    ) -> None:
        """Take the channels and a snapshot maker for each kind of channel ("assets", "asset")."""
        self._channels = channels
        self._snapshots = snapshots
        self._ping_seconds = ping_seconds
        self._stall_seconds = stall_seconds
        self._clients: set[_Client] = set()
        self._stopping = False

    def routes(self) -> list[web.RouteDef]:
        """Return the route."""
        return [web.get("/control", self.connect, name="control", allow_head=False)]

    @property
    def clients(self) -> int:
        """How many sockets are open."""
        return len(self._clients)

    async def close(self) -> None:
        """Ask every client to come back later, for when the server stops."""
        self._stopping = True
        async with asyncio.TaskGroup() as group:
            for client in self._clients:
                group.create_task(client.close(Close.SERVER_STOPS, "the server stops"))

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """Serve one socket until either side closes. Origin and role were checked before."""
        socket = web.WebSocketResponse(max_msg_size=MESSAGE_MAX, compress=False, autoping=False, timeout=1)
        await socket.prepare(request)
        client = _Client(socket, request, stall_seconds=self._stall_seconds, ping_seconds=self._ping_seconds)
        self._clients.add(client)
        pump = asyncio.create_task(client.pump())
        client.beat()
        try:
            await self._listen(client)
        finally:
            self._clients.discard(client)
            client.release()
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)
        return socket

    async def _listen(self, client: _Client) -> None:
        if self._stopping:
            await client.close(Close.SERVER_STOPS)
        async for message in client.socket:
            client.misses = 0
            try:
                await self._heard(client, message)
            except _Bad as error:
                await client.close(Close.BAD_MESSAGE, str(error))
                return

    async def _heard(self, client: _Client, message: WSMessage) -> None:
        if message.type is WSMsgType.PING:
            await client.socket.pong(message.data)
            return
        if message.type is WSMsgType.PONG:
            return
        if message.type is not WSMsgType.TEXT:
            raise _Bad("only text messages are understood")
        asked = _parse(message.data)
        kind = asked.get("type")
        if kind == "ping":
            client.tell({"type": "pong"})
        elif kind == "subscribe":
            await self._subscribe(client, asked)
        elif kind == "unsubscribe":
            channel = _channel(asked)
            subscription = client.subscriptions.pop(channel, None)
            if subscription is not None:
                subscription.close()
            client.tell({"type": "unsubscribed", "channel": channel})
        else:
            raise _Bad("unknown type")

    async def _subscribe(self, client: _Client, asked: Mapping[str, Any]) -> None:
        channel, epoch, offset = _channel(asked), asked.get("epoch"), asked.get("offset")
        if epoch is not None and not isinstance(epoch, str):
            raise _Bad("epoch is not a string")
        if offset is not None and (not isinstance(offset, int) or isinstance(offset, bool)):
            raise _Bad("offset is not an integer")
        before = client.subscriptions.pop(channel, None)
        if before is not None:
            before.close()
        if len(client.subscriptions) >= _SUBSCRIPTIONS:
            raise _Bad(f"more than {_SUBSCRIPTIONS} subscriptions")
        try:
            await self._open(client, channel, epoch=epoch, offset=offset)
        except Forbidden as error:
            client.tell(_refused(channel, Close.FORBIDDEN, str(error)))
        except (NoSuchChannel, NoSuchAsset) as error:
            client.tell(_refused(channel, Close.NOT_FOUND, str(error)))

    async def _open(self, client: _Client, channel: str, *, epoch: str | None, offset: int | None) -> None:
        kind, _, name = channel.partition(":")
        make = self._snapshots.get(kind)
        if make is None:
            raise NoSuchChannel(channel)
        if not name and client.principal.policy < Policy.VIEWER:
            raise Forbidden("This channel is for viewers who have signed in.")
        subscription = await self._channels.subscribe(
            channel, epoch=epoch, offset=offset, wake=client.news.set
        )
        try:
            told: dict[str, Any] = {
                "type": "subscribed",
                "channel": channel,
                "epoch": subscription.epoch,
                "offset": subscription.offset,
                "recovered": subscription.recovered,
            }
            if not subscription.recovered:
                told["snapshot"] = await make(name)
        except BaseException:
            subscription.close()
            raise
        client.tell(told)
        client.subscriptions[channel] = subscription
        client.news.set()


def _parse(text: str) -> dict[str, Any]:
    try:
        asked = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _Bad("not JSON") from error
    if not isinstance(asked, dict):
        raise _Bad("not a JSON object")
    return asked


def _channel(asked: Mapping[str, Any]) -> str:
    channel = asked.get("channel")
    if not isinstance(channel, str) or not 0 < len(channel) <= _NAME_MAX:
        raise _Bad("channel is missing")
    return channel


def _refused(channel: str, code: Close, reason: str) -> dict[str, Any]:
    return {"type": "refused", "channel": channel, "code": int(code), "reason": reason}
