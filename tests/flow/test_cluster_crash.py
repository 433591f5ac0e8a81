"""Servers, workers, the reconcilers' leader and the database are killed: every video is still made whole."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from tests.flow.whole_site import FILM, Client, faults, noted, rows, stored
from tests.postgres import Postgres, running_postgres
from tests.spawn import Child

HERE = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "streamer")
SECONDS = 120
TOLD = "SELECT data FROM event WHERE channel = ? AND type = 'segment.stored'"


@dataclass
class Fleet:
    """Two servers and two workers on one database and one directory, as programs of their own."""

    url: str
    data: Path
    postgres: Postgres
    session: aiohttp.ClientSession
    spawn: Callable
    servers: dict[str, tuple[Child, Client]] = field(default_factory=dict)
    workers: list[Child] = field(default_factory=list)

    @property
    def _env(self) -> dict[str, str]:
        return {
            "STREAMER_DATABASE": self.url,
            "STREAMER_DATA": str(self.data),
            "STREAMER_FARM": "workers",
            "STREAMER_ENCODE_SLOTS": "1",
            "STREAMER_ENCODE_PRESET": "medium",
            "STREAMER_ENCODE_COPY": "false",
            "STREAMER_DISK_RESERVE_BYTES": "0",
        }

    async def start_server(self, name: str) -> None:
        child = await self.spawn(
            *COMMAND, "serve", "--port", "0", env=self._env | {"STREAMER_NODE": name}, cwd=HERE
        )
        line = await child.says("http://", seconds=SECONDS)
        self.servers[name] = child, Client(self.session, line[line.index("http://") :].strip())

    async def start_worker(self) -> None:
        child = await self.spawn(*COMMAND, "worker", env=self._env, cwd=HERE)
        await child.says("worker.ready", seconds=SECONDS)
        self.workers.append(child)

    def client(self) -> Client:
        return next(iter(self.servers.values()))[1]

    async def kill_server(self) -> None:
        """Kill the server that was started first, with what it makes, and start it again."""
        name = next(iter(self.servers))
        await _kill(self.servers.pop(name)[0])
        await self.start_server(name)

    async def kill_worker(self) -> None:
        await _kill(self.workers.pop(0))
        await self.start_worker()

    async def kill_leader(self) -> None:
        """Kill whoever has taken the lead last."""
        leaders = {
            max((line for line in child.lines if " leads" in line), default=""): child
            for child in (*self.workers, *(child for child, _ in self.servers.values()))
        }
        child = leaders[max(leaders)]
        if child in self.workers:
            self.workers.remove(child)
            await _kill(child)
            await self.start_worker()
        else:
            name = next(name for name, (one, _) in self.servers.items() if one is child)
            await _kill(self.servers.pop(name)[0])
            await self.start_server(name)

    async def crash_database(self) -> None:
        self.postgres.stop_immediate()
        await asyncio.sleep(1)  # so that everybody has noticed
        self.postgres.start()

    async def check(self, assets: list[str]) -> None:
        """See that every video is whole, noted as it is stored, and told of once."""
        client = self.client()
        for asset in assets:
            await client.until(asset, "complete", seconds=SECONDS)
            assert await faults(client, self.url, asset) == []
            assert set((await client.bodies(asset)).values())
            assert stored(self.data, asset) == noted(self.url, asset)
            told = [json.loads(text) for (text,) in rows(self.url, TOLD, f"asset:{asset}")]
            counts = Counter((one["generation"], one["rendition"], one["number"]) for one in told)
            assert set(counts.values()) == {1}
        assert rows(self.url, "SELECT id FROM run WHERE state IN ('queued', 'running')") == []
        assert rows(self.url, "SELECT id FROM run WHERE lost > 3") == []


async def _kill(child: Child) -> None:
    os.kill(child.pid, signal.SIGKILL)
    await child.process.wait()


@contextlib.asynccontextmanager
async def fleet(spawn: Callable, data: Path) -> AsyncIterator[Fleet]:
    with running_postgres() as server:
        async with aiohttp.ClientSession() as session:
            made = Fleet(url=server.create(), data=data, postgres=server, session=session, spawn=spawn)
            await made.start_server("a")
            await asyncio.gather(made.start_server("b"), made.start_worker(), made.start_worker())
            children = lambda: (*made.workers, *(child for child, _ in made.servers.values()))  # noqa: E731
            try:
                yield made
                for child in children():
                    assert await child.stop(seconds=60) == 0
            finally:
                for child in children():  # before their database ends
                    child.signal(signal.SIGKILL)


@pytest.mark.timeout(600)
async def test_whoever_is_killed_the_work_goes_on(spawn, clips, data_dir):
    film = clips.make(FILM)
    async with fleet(spawn, data_dir) as cluster:
        assets = [(await cluster.client().post(film))["id"]]
        await cluster.client().until(assets[0], "playable", "complete", seconds=SECONDS)
        await cluster.kill_worker()
        assets.append((await cluster.client().post(film))["id"])
        await cluster.crash_database()
        assets.append((await cluster.client().post(film))["id"])
        await cluster.kill_server()
        await cluster.kill_leader()
        await cluster.check(assets)


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_fifty_kills(spawn, clips, data_dir):
    film, dice = clips.make(FILM), random.Random(7)
    async with fleet(spawn, data_dir) as cluster:
        assets: list[str] = []
        for number in range(50):
            if number % 3 == 0:
                assets.append((await cluster.client().post(film))["id"])
            await asyncio.sleep(dice.uniform(0, 3))  # the moment is the seed's
            deeds = (cluster.kill_worker, cluster.kill_server, cluster.kill_leader, cluster.crash_database)
            await dice.choice(deeds)()
        await cluster.check(assets)
