"""The control channel: events over a WebSocket, resumed by epoch and offset."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import hdrs, web

from streamer.access import Principal, principal_key
from streamer.audience import Audience
from streamer.channel import Channels
from streamer.errors import Forbidden, InvalidRequest, Unauthenticated
from streamer.frames import Message, Opcode
from streamer.listener import Close, Listener
from streamer.places import Place
from streamer.problems import Problem
from streamer.proxies import peer_of
from streamer.snapshots import Snapshot
from streamer.subscribing import CHANNELS_MAX, NAME_MAX, Guard, Refused, Subscribing
from streamer.vigil import Vigil
from streamer.vocabulary.connections import ServerDrain, message
from streamer.websocket import Limits, upgraded

Identified = Callable[[str, str], Awaitable[Principal]]
"""A token and the address it comes from → who that is. Raises Unauthenticated, and Problem for too many."""


async def nobody(_secret: str, _peer: str) -> Principal:
    """Take no tokens."""
    raise Unauthenticated("No tokens are taken here.")


class _Bad(Exception):
    """A client's message is not one of the protocol."""


class Control:
    """The handler of /control and the clients that are connected."""

    def __init__(
        self,
        channels: Channels,
        snapshots: Mapping[str, Snapshot],
        audience: Audience,
        *,
        ping_seconds: float = 20,
        stall_seconds: float = 10,
        drain_seconds: float = 5,
        most: int = 10_000,
        limits: Limits | None = None,
        identified: Identified = nobody,
        vigil: Vigil | None = None,
        guard: Guard | None = None,
    ) -> None:
        """Take the channels, a snapshot maker for each kind of them ("assets", "asset", …), and who counts.

        Sockets are pinged every `ping_seconds` and may take nothing for `stall_seconds`. When the server
        stops, clients are to come back within `drain_seconds`. `most` may be connected at one time.
        `identified` tells whose a token is that comes in a message, `vigil` when one does not hold any more,
        `guard` what is signed.
        """
        self._audience = audience
        self._subscribing = Subscribing(channels, snapshots, guard=guard)
        self._ping_seconds = ping_seconds
        self._stall_seconds = stall_seconds
        self._drain_seconds = drain_seconds
        self._most = most
        self._limits = limits or Limits()
        self._identified = identified
        self._vigil = vigil
        self._clients: set[Listener] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self._stopping = False

    def routes(self) -> list[web.RouteDef]:
        """Return the route."""
        return [web.get("/control", self.connect, name="control", allow_head=False)]

    @property
    def clients(self) -> int:
        """How many sockets are open."""
        return len(self._clients)

    async def close(self) -> None:
        """Ask every client to come back, each at a time of its own, and wait until all have gone."""
        self._stopping = True
        for client in self._clients:
            self._dismiss(client)
        while self._clients:
            self._empty.clear()
            await self._empty.wait()
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """Open a socket, which then lives without its request. Origin and role were checked before."""
        if len(self._clients) >= self._most:
            raise Problem("too-many-clients", "Too many clients", 503, headers={hdrs.RETRY_AFTER: "5"})
        client = Listener(
            request[principal_key],
            self._heard,
            self._gone,
            peer=peer_of(request),
            stall_seconds=self._stall_seconds,
            ping_seconds=self._ping_seconds,
        )
        client.open(upgraded(request, client, self._limits))
        self._clients.add(client)
        self._watch(client)
        if self._stopping:
            self._dismiss(client)
        return web.StreamResponse(status=101)

    def _dismiss(self, client: Listener) -> None:
        delay = int(self._drain_seconds * 1000 * random.random())  # noqa: S311 - so that not all come at once
        client.tell(message(ServerDrain(delay_ms=delay)))
        client.close(Close.SERVER_STOPS, "the server stops")

    def _gone(self, client: Listener) -> None:
        self._audience.left(client)
        self._clients.discard(client)
        if client.hearing is not None:
            self._ending.add(client.hearing)
            client.hearing.add_done_callback(self._ending.discard)
        if not self._clients:
            self._empty.set()

    async def _heard(self, client: Listener, message: Message) -> None:
        try:
            await self._obey(client, message)
        except (_Bad, InvalidRequest) as error:
            client.close(Close.BAD_MESSAGE, str(error))

    async def _obey(self, client: Listener, message: Message) -> None:
        if message.opcode is not Opcode.TEXT:
            raise _Bad("only text messages are understood")
        asked = _parse(message.payload.decode())
        kind = asked.get("type")
        if kind == "ping":
            client.tell({"type": "pong"})
        elif kind == "auth":
            await self._identify(client, asked)
        elif kind == "subscribe":
            await self._subscribe(client, asked)
        elif kind == "unsubscribe":
            channel = _channel(asked)
            subscription = client.subscriptions.pop(channel, None)
            if subscription is not None:
                subscription.close()
            self._audience.left(client, channel)
            client.tell({"type": "unsubscribed", "channel": channel})
        elif kind == "presence":
            if (channel := _channel(asked)) in client.subscriptions:
                self._audience.watching(channel, client)
        elif kind == "beacon":
            self._audience.played(asked.get("cmcd"))
        else:
            raise _Bad("unknown type")

    async def _identify(self, client: Listener, asked: Mapping[str, Any]) -> None:
        """Take a token: what is subscribed to from now on is by its right."""
        secret = asked.get("token")
        if not isinstance(secret, str):
            raise _Bad("token is missing")
        try:
            client.principal = await self._identified(secret.strip(), client.peer)
        except Unauthenticated as error:
            client.close(Close.FORBIDDEN, str(error))
        except Problem as problem:  # too many wrong ones have come from there
            client.close(Close.BUSY, str(problem))
        else:
            client.tell({"type": "authenticated", "role": client.principal.policy.name.lower()})
            self._watch(client)
            await self._review(client)

    async def _review(self, client: Listener) -> None:
        """End the subscriptions that were by the right of another token, and are not by this one's."""
        for channel in tuple(client.subscriptions):
            try:
                await self._subscribing.check(channel, client.principal)
            except Forbidden as error:
                subscription = client.subscriptions.pop(channel, None)
                if subscription is not None:
                    subscription.close()
                client.tell(Refused(channel, Close.FORBIDDEN, str(error)).message)

    def _watch(self, client: Listener) -> None:
        """Have the socket end with the token that it is open by."""
        if client.watch is not None:
            client.watch.cancel()
            client.watch = None
        token = client.principal.held
        if token is not None and self._vigil is not None:
            client.watch = self._vigil.watch(
                token,
                warn=lambda told: client.tell(message(told)),
                end=lambda: client.close(Close.FORBIDDEN, "the token does not hold any more"),
            )

    async def _subscribe(self, client: Listener, asked: Mapping[str, Any]) -> None:
        channel, epoch, offset = _channel(asked), asked.get("epoch"), asked.get("offset")
        if epoch is not None and not isinstance(epoch, str):
            raise _Bad("epoch is not a string")
        if offset is not None and (not isinstance(offset, int) or isinstance(offset, bool)):
            raise _Bad("offset is not an integer")
        before = client.subscriptions.pop(channel, None)
        if before is not None:
            before.close()
        if len(client.subscriptions) >= CHANNELS_MAX:
            raise _Bad(f"more than {CHANNELS_MAX} subscriptions")
        place = None if epoch is None or offset is None else Place(epoch=epoch, offset=offset)
        try:
            opened = await self._subscribing.open(channel, client.principal, place=place, wake=client.wake)
        except Refused as refused:
            client.tell(refused.message)
            return
        client.tell(opened.message)
        client.subscriptions[channel] = opened.subscription
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
    if not isinstance(channel, str) or not 0 < len(channel) <= NAME_MAX:
        raise _Bad("channel is missing")
    return channel
