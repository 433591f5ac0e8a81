"""The control channel: events over a WebSocket, resumed by epoch and offset."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from aiohttp import WSMessage, WSMsgType, web

from streamer.access import Policy
from streamer.channel import Channels
from streamer.errors import Forbidden, NoSuchAsset, NoSuchChannel, NoSuchStream
from streamer.listener import Close, Listener
from streamer.snapshots import Snapshot

MESSAGE_MAX = 64 << 10
_SUBSCRIPTIONS = 64
_NAME_MAX = 128


class _Bad(Exception):
    """A client's message is not one of the protocol."""


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
        """Take the channels and a snapshot maker for each kind of channel ("assets", "asset", "stream")."""
        self._channels = channels
        self._snapshots = snapshots
        self._ping_seconds = ping_seconds
        self._stall_seconds = stall_seconds
        self._clients: set[Listener] = set()
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
        client = Listener(socket, request, stall_seconds=self._stall_seconds, ping_seconds=self._ping_seconds)
        self._clients.add(client)
        client.beat()
        try:
            await self._listen(client)
        finally:
            self._clients.discard(client)
            await client.release()
        return socket

    async def _listen(self, client: Listener) -> None:
        if self._stopping:
            await client.close(Close.SERVER_STOPS)
        async for message in client.socket:
            client.alive()
            try:
                await self._heard(client, message)
            except _Bad as error:
                await client.close(Close.BAD_MESSAGE, str(error))
                return

    async def _heard(self, client: Listener, message: WSMessage) -> None:
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

    async def _subscribe(self, client: Listener, asked: Mapping[str, Any]) -> None:
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
        except (NoSuchChannel, NoSuchAsset, NoSuchStream) as error:
            client.tell(_refused(channel, Close.NOT_FOUND, str(error)))

    async def _open(self, client: Listener, channel: str, *, epoch: str | None, offset: int | None) -> None:
        kind, _, name = channel.partition(":")
        make = self._snapshots.get(kind)
        if make is None:
            raise NoSuchChannel(channel)
        if not name and client.principal.policy < Policy.VIEWER:
            raise Forbidden("This channel is for viewers who have signed in.")
        subscription = await self._channels.subscribe(channel, epoch=epoch, offset=offset, wake=client.wake)
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
        client.wake()


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
