"""A client that is cut off again and again, on any transport and server, is told each event once, in turn."""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from tests.flow.whole_site import API, Client
from tests.readers import READERS, Message, Place
from tests.spawn import Child

Spawn = Callable[..., Awaitable[Child]]


class Follower:
    """A client of one channel. What it is told must follow on what it was told before."""

    def __init__(self, session: aiohttp.ClientSession, channel: str) -> None:
        self._session = session
        self._channel = channel
        self.place: Place | None = None
        self.titles: list[str] = []
        self.ways: Counter[tuple[str, str]] = Counter()

    async def read(self, server: Client, way: str, *, enough: Callable[[], bool]) -> None:
        """Read over one connection until there is enough, or it ends."""
        messages = READERS[way](self._session, server.base, self._channel, self.place)
        async with aclosing(messages):
            async for message in messages:
                if self._take(message):
                    self.ways[way, server.base] += 1
                if enough():
                    return

    def _take(self, message: Message) -> bool:
        if message["type"] == "subscribed":
            assert message["recovered"] is (self.place is not None)
            self.place = self.place or Place(epoch=message["epoch"], offset=message["offset"])
        offset = message.get("offset") if "data" in message else None
        if offset is None:
            return False
        assert self.place is not None
        assert (message["epoch"], offset) == (self.place.epoch, self.place.offset + 1)
        self.place = Place(epoch=message["epoch"], offset=offset)
        if message["type"] == "asset.changed":
            self.titles.append(message["data"]["title"])
        return True


class Author:
    """Publishes by renaming an asset, through one server."""

    def __init__(self, server: Client, asset: str, name: str) -> None:
        self._server = server
        self._asset = asset
        self._name = name
        self.written: list[str] = []

    async def write(self) -> None:
        """Publish one event."""
        title = f"{self._name}{len(self.written)}"
        await self._server.json("PATCH", f"{API}/{self._asset}", json={"title": title})
        self.written.append(title)


@pytest.fixture
async def servers(data_dir: Path, database_url: str, spawn: Spawn) -> AsyncIterator[list[Client]]:
    """Two servers, as programs of their own, on one database."""
    env = {"STREAMER_DATABASE": database_url, "STREAMER_LIVE_RTMP_PORT": "off"}
    argv = (sys.executable, "-m", "streamer", "serve", "--port", "0", "--data", data_dir)
    async with aiohttp.ClientSession() as session:
        found = []
        for node in ("a", "b"):
            child = await spawn(*argv, env=env | {"STREAMER_NODE": node})
            line = await child.says("http://", seconds=60)
            found.append(Client(session, line[line.index("http://") :].strip().rstrip("/")))
        yield found


@asynccontextmanager
async def writing(authors: list[Author], chance: random.Random) -> AsyncIterator[None]:
    """Publish while the block runs, and until what was begun is done."""
    stop = asyncio.Event()

    async def until_stopped(author: Author) -> None:
        while not stop.is_set():
            await author.write()
            await asyncio.sleep(chance.uniform(0, 0.05))

    async with asyncio.TaskGroup() as group:
        for author in authors:
            group.create_task(until_stopped(author))
        try:
            yield
        finally:
            stop.set()


async def disconnected(servers: list[Client], *, times: int, seed: int) -> None:
    """Follow a channel over so many connections, and check what was told."""
    chance = random.Random(seed)
    _, asset = await servers[0].create(100)
    follower = Follower(servers[0].session, f"asset:{asset}")
    await follower.read(servers[0], "socket", enough=lambda: follower.place is not None)
    authors = [Author(server, asset, name) for server, name in zip(servers, "ab", strict=True)]
    async with writing(authors, chance):
        for _ in range(times):
            most = len(follower.titles) + chance.randrange(8)
            with suppress(TimeoutError):
                async with asyncio.timeout(chance.uniform(0.01, 0.5)):
                    await follower.read(
                        chance.choice(servers),
                        chance.choice(list(READERS)),
                        enough=lambda most=most: len(follower.titles) >= most,
                    )
    written = [title for author in authors for title in author.written]
    async with asyncio.timeout(20):
        await follower.read(servers[1], "stream", enough=lambda: len(follower.titles) >= len(written))
    assert sorted(follower.titles) == sorted(written)
    for author in authors:
        assert [title for title in follower.titles if title in set(author.written)] == author.written
    assert {way for way, _ in follower.ways} == set(READERS)
    assert {base for _, base in follower.ways} == {server.base for server in servers}


async def test_twenty_times(servers):
    await disconnected(servers, times=20, seed=1)


@pytest.mark.soak
async def test_two_hundred_times(servers):
    for seed in range(3):
        await disconnected(servers, times=200, seed=seed)
