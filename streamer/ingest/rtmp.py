"""The RTMP receiver: one port, any number of publishers, each in a task of its own."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import Counter
from types import TracebackType
from typing import Self

from streamer.ingest.connection import READ_BYTES, Connection, Limits
from streamer.ingest.door import Door, Ending

_log = logging.getLogger(__name__)


class RtmpReceiver:
    """Listens while it is entered; RTMPS where it is given a TLS context.

    Publishers address `rtmp://host:port/APP/KEY`. Leaving tells every publisher that the server stops, waits
    for their connections, and cancels those that do not end in time.
    """

    def __init__(
        self,
        door: Door,
        *,
        host: str,
        port: int,
        app: str = "live",
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Take who decides about keys, and where to listen; port 0 is any that is free."""
        self._door = door
        self._host = host
        self._port = port
        self._app = app
        self._limits = limits or Limits()
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], Connection] = {}
        self._addresses: Counter[str] = Counter()
        self._stopping = False

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.sockets[0].getsockname()[1]) if self._server is not None else self._port

    @property
    def connections(self) -> int:
        """How many connections are open, publishing or not."""
        return len(self._connections)

    async def __aenter__(self) -> Self:
        """Begin to listen. Raise OSError where the port is taken."""
        seconds = self._limits.begin_seconds
        handshake = {"ssl_handshake_timeout": seconds, "ssl_shutdown_timeout": seconds} if self._tls else {}
        self._server = await asyncio.start_server(
            self._accept, self._host, self._port, limit=READ_BYTES, ssl=self._tls, **handshake
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping = True
        if self._server is not None:
            self._server.close()
        for connection in self._connections.values():
            connection.close(Ending.STOPPING)
        if self._connections:
            seconds = self._limits.settle_seconds + self._limits.farewell_seconds
            _, late = await asyncio.wait(self._connections, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")
        address = str(peer[0]) if peer else "an unknown address"
        if self._stopping or self._crowded(address):
            _log.info("a connection from %s is refused: there are too many", address)
            writer.transport.abort()
            return
        connection = Connection(
            reader, writer, door=self._door, app=self._app, limits=self._limits, address=address
        )
        task = asyncio.create_task(connection.serve(), name=f"rtmp connection {connection.session}")
        self._connections[task] = connection
        self._addresses[address] += 1
        task.add_done_callback(self._release)

    def _crowded(self, address: str) -> bool:
        limits = self._limits
        many = len(self._connections) >= limits.connections
        return many or self._addresses[address] >= limits.connections_per_address

    def _release(self, task: asyncio.Task[None]) -> None:
        address = self._connections.pop(task).address
        self._addresses[address] -= 1
        if not self._addresses[address]:
            del self._addresses[address]
