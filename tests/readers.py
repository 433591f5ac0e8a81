"""The control channel as plain clients read it: over a WebSocket, an event stream, and polls."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

Message = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far a client has come in a channel."""

    epoch: str
    offset: int


Reader = Callable[..., AsyncIterator[Message]]
"""`reader(session, base, channel, place)` yields the messages of one connection; closing it ends that."""


async def over_socket(
    session: aiohttp.ClientSession, base: str, channel: str, place: Place | None = None
) -> AsyncIterator[Message]:
    """Read over the WebSocket."""
    resume = {"epoch": place.epoch, "offset": place.offset} if place else {}
    async with session.ws_connect(f"{base}/control") as socket:
        await socket.send_json({"type": "subscribe", "channel": channel, **resume})
        async for message in socket:
            yield message.json()


async def over_stream(
    session: aiohttp.ClientSession, base: str, channel: str, place: Place | None = None
) -> AsyncIterator[Message]:
    """Read the event stream, as an EventSource would that has seen an event's id."""
    headers = {"Accept": "text/event-stream"}
    if place:
        headers["Last-Event-ID"] = cursor(channel, place)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
    async with session.get(
        f"{base}/control/sse", params={"channel": channel}, headers=headers, timeout=timeout
    ) as answer:
        answer.raise_for_status()
        async for line in answer.content:
            if line.startswith(b"data:"):
                yield json.loads(line[5:])


async def over_poll(
    session: aiohttp.ClientSession, base: str, channel: str, place: Place | None = None
) -> AsyncIterator[Message]:
    """Poll, each time from the last answer's cursor."""
    query = {"channel": channel}
    if place:
        query["cursor"] = cursor(channel, place)
    while True:
        async with session.get(f"{base}/control/poll", params=query) as answer:
            answer.raise_for_status()
            told = await answer.json()
        query["cursor"] = told["cursor"]
        for message in told["messages"]:
            yield message


READERS: dict[str, Reader] = {"socket": over_socket, "stream": over_stream, "poll": over_poll}


def cursor(channel: str, place: Place) -> str:
    """Return the cursor of one channel."""
    return f"{channel}~{place.epoch}~{place.offset}"


async def first(messages: AsyncIterator[Message], type_: str) -> Message:
    """Return the next message of a type."""
    async for message in messages:
        if message["type"] == type_:
            return message
    raise AssertionError(f"the connection has ended without {type_}")
