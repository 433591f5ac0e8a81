"""Clients of the control channel without a WebSocket: an event stream read line by line, and polls."""

from __future__ import annotations

import asyncio
import contextlib
import json


class EventStream:
    """An event stream as a browser reads it: `id` is that of the last event."""

    def __init__(self, response):
        self.response = response
        self.id = ""
        self.comments = 0

    async def next(self, kind=None):
        """Return the next message, of a type where one is named; None at the end."""
        message = await asyncio.wait_for(self._message(), 10)
        while kind is not None and message is not None and message["type"] != kind:
            message = await asyncio.wait_for(self._message(), 10)
        return message

    async def _message(self):
        identity, data = None, None
        while line := await self.response.content.readline():
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "id":
                identity = value
            elif name == "data":
                data = value
            elif name == ":":
                self.comments += 1
            elif not name and data is not None:
                self.id = self.id if identity is None else identity
                return json.loads(data)
        return None


@contextlib.asynccontextmanager
async def streaming(client, *channels, last=None, **asked):
    """Open an event stream; `last` is the id that it goes on from."""
    headers = dict(asked.pop("headers", {}))
    if last is not None:
        headers["Last-Event-ID"] = last
    query = [("channel", channel) for channel in channels] + list(asked.items())
    async with client.get("/control/sse", params=query, headers=headers) as response:
        assert response.status == 200, await response.text()
        yield EventStream(response)


async def poll(client, *channels, cursor=None, **more):
    """Return the answer to one poll, its headers among it."""
    query = [("channel", channel) for channel in channels] + ([("cursor", cursor)] if cursor else [])
    async with client.get("/control/poll", params=query, **more) as response:
        assert response.status == 200, await response.text()
        told = await response.json()
        return {**told, "cache": response.headers["Cache-Control"]}
