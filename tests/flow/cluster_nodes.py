"""Servers of one cluster as processes, each at an address of its own, on one database and one directory."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from tests.flow.test_server_crash import Remote
from tests.spawn import Child

HERE = Path(__file__).resolve().parents[2]
SECRET = "one secret for all servers"  # noqa: S105


@dataclass
class Nodes:
    """The servers of a cluster by name. Those of a name have the same address in each of their lives.

    `settings` are for all of them, `own` for those of a name.
    """

    session: aiohttp.ClientSession
    spawn: Callable[..., Awaitable[Child]]
    data: Path
    database: str
    settings: dict[str, str] = field(default_factory=dict)
    own: dict[str, dict[str, str]] = field(default_factory=dict)
    ports: dict[str, tuple[str, int]] = field(default_factory=dict)
    children: list[Child] = field(default_factory=list)

    def address(self, name: str) -> tuple[str, int]:
        """Return the host and the port of a server."""
        return self.ports.setdefault(name, _free(f"127.0.0.{len(self.ports) + 2}"))

    async def start(self, name: str, **settings: str) -> Remote:
        """Start a server and return when it answers."""
        host, port = self.address(name)
        env = {
            "STREAMER_HOST": host,
            "STREAMER_PORT": str(port),
            "STREAMER_NODE": name,
            "STREAMER_DATA": str(self.data),
            "STREAMER_DATABASE": self.database,
            "STREAMER_CLUSTER_SECRET": SECRET,
            "STREAMER_ENCODE_SLOTS": "1",
            "STREAMER_ENCODE_PRESET": "ultrafast",
            "STREAMER_DISK_RESERVE_BYTES": "0",
            "STREAMER_LIVE_RTMP_PORT": "0",
            **self.settings,
            **self.own.get(name, {}),
            **settings,
        }
        child = await self.spawn(sys.executable, "-m", "streamer", "serve", env=env, cwd=HERE)
        self.children.append(child)
        line = await child.says("http://", seconds=60)
        return Remote(self.session, line[line.index("http://") :].strip(), child)


class Balancer:
    """Knows which servers are ready, as what stands in front of them does, and hands requests to these."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self.servers: dict[str, Remote] = {}
        self.ready: set[str] = set()
        self._turns = itertools.count()

    async def look(self) -> None:
        """Ask all servers every tenth of a second, until cancelled."""
        while True:
            for name, server in tuple(self.servers.items()):
                with contextlib.suppress(aiohttp.ClientError):
                    status, _, _ = await server.ask("GET", "/ready")
                    (self.ready.add if status == 200 else self.ready.discard)(name)
            await asyncio.sleep(0.1)

    def remove(self, name: str) -> None:
        """Take a server out."""
        self.ready.discard(name)
        del self.servers[name]

    def choose(self) -> Remote:
        """Return the ready servers in turn."""
        names = sorted(self.ready)
        return self.servers[names[next(self._turns) % len(names)]]

    async def ask(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Send a request to one of them."""
        return await self.choose().ask("GET", path)


@contextlib.asynccontextmanager
async def balanced(servers: dict[str, Remote]) -> AsyncIterator[Balancer]:
    """Stand in front of servers."""
    async with aiohttp.ClientSession() as session:
        made = Balancer(session)
        made.servers |= servers
        looking = asyncio.create_task(made.look())
        try:
            async with asyncio.timeout(10):
                while made.ready != set(servers):
                    await asyncio.sleep(0.01)
            yield made
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)


@contextlib.asynccontextmanager
async def nodes(
    spawn: Callable[..., Awaitable[Child]], data: Path, database: str, **settings: str
) -> AsyncIterator[Nodes]:
    """Give a cluster without servers, and one client for all of them."""
    async with aiohttp.ClientSession() as session:
        made = Nodes(session=session, spawn=spawn, data=data, database=database, settings=settings)
        try:
            yield made
        finally:  # while there is a database
            await asyncio.gather(*(child.stop() for child in made.children))


def _free(host: str) -> tuple[str, int]:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return host, int(probe.getsockname()[1])
