"""Other WebSocket servers that send one text to everybody; run in an environment that has them."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import sys
import time
from collections.abc import AsyncIterator

ENVELOPE = {
    "channel": "assets",
    "epoch": "k3v9x1c8b2n4",
    "offset": 12345,
    "type": "custom.goal",
    "time": "2026-11-28T12:00:00.000Z",
}
STUFF = base64.b64encode(os.urandom(45 << 10)).decode()
"""60 kB that cannot be made much shorter, for those who do not read."""

DATA = {
    "team": "home",
    "minute": 73,
    "score": [2, 1],
    "scorer": "Number nine",
    "text": "After a corner from the left, the third goal of the evening before 54,812 spectators.",
}


def envelope() -> str:
    """Return an event of about 300 bytes, like ours."""
    return json.dumps({**ENVELOPE, "data": DATA}, separators=(",", ":"))


async def commands() -> AsyncIterator[str]:
    """Yield the lines of standard input."""
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        yield line.decode().strip()


async def websockets(*, deflate: bool) -> None:
    """Serve with the `websockets` library and its broadcast."""
    from websockets.asyncio.server import ServerConnection, broadcast, serve  # noqa: PLC0415

    everybody: set[ServerConnection] = set()
    aside: set[ServerConnection] = set()

    async def connect(socket: ServerConnection) -> None:
        if socket.request is not None and socket.request.path == "/stuck":
            aside.add(socket)
        everybody.add(socket)
        await socket.wait_closed()
        everybody.discard(socket)

    compression = "deflate" if deflate else None
    async with serve(connect, "127.0.0.1", 0, compression=compression, ping_interval=None) as server:
        print("port", next(iter(server.sockets)).getsockname()[1], flush=True)
        async for command in commands():
            began = time.perf_counter_ns()
            if command == "stuff":
                broadcast(aside, STUFF)
            else:
                broadcast(everybody, envelope())
            print("sent", began, flush=True)


async def picows() -> None:
    """Serve with picows, which leaves the set of connections to its user."""
    from picows import WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server  # noqa: PLC0415

    logging.getLogger("picows").setLevel(logging.ERROR)  # it tells of every client that does not read
    everybody: set[WSTransport] = set()
    aside: set[WSTransport] = set()

    class Client(WSListener):
        def __init__(self, request: WSUpgradeRequest) -> None:
            self.stuck = request.path == b"/stuck"

        def on_ws_connected(self, transport: WSTransport) -> None:
            everybody.add(transport)
            if self.stuck:
                aside.add(transport)

        def on_ws_disconnected(self, transport: WSTransport) -> None:
            everybody.discard(transport)

    server = await ws_create_server(Client, "127.0.0.1", 0)
    print("port", server.sockets[0].getsockname()[1], flush=True)
    async for command in commands():
        began = time.perf_counter_ns()
        told, payload = (aside, STUFF.encode()) if command == "stuff" else (everybody, envelope().encode())
        for transport in told:
            transport.send(WSMsgType.TEXT, payload)
        print("sent", began, flush=True)


if __name__ == "__main__":
    asyncio.run(
        picows() if sys.argv[1] == "picows" else websockets(deflate=sys.argv[1] == "websockets-deflate")
    )
