"""Two servers as programs on one database: one is killed while it makes an asset, the other one goes on."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.flow.whole_site import API, Client, faults, noted, rows, stored
from tests.media.clip import Clip
from tests.media.sources import constant

HERE = Path(__file__).resolve().parents[2]
FILM = Clip(name="nodes", suffix=".mp4", timing=constant(25, 12))
SERVE = [sys.executable, "-m", "streamer", "serve", "--port", "0", "--data"]


@pytest.fixture(scope="module")
def film(clips) -> Path:
    return clips.make(FILM)


@pytest.fixture
async def start(spawn):
    """Return what starts a server of a name on a database; its process comes with its client."""
    async with aiohttp.ClientSession() as session:

        async def begin(data, url, node):
            env = {
                "STREAMER_DATABASE": url,
                "STREAMER_NODE": node,
                "STREAMER_ENCODE_SLOTS": "1",
                "STREAMER_ENCODE_PRESET": "fast",
                "STREAMER_ENCODE_COPY": "false",
                "STREAMER_DISK_RESERVE_BYTES": "0",
            }
            child = await spawn(*SERVE, data, env=env, cwd=HERE)
            line = await child.says("http://", seconds=120)
            return Client(session, line[line.index("http://") :].strip()), child

        yield begin


async def survive(start, film, data, url, seed):
    """Kill the maker at the seed's moment, and have the other one complete what it had begun."""
    dice = random.Random(seed)
    (a, maker), (b, other) = await asyncio.gather(*(start(data, url, node) for node in ("a", "b")))
    asset = (await a.post(film))["id"]
    await b.until(asset, "playable")
    wanted = dice.choice([path for name, paths in (await b.urls(asset)).items() for path in paths[-2:]])
    await asyncio.sleep(dice.uniform(0, 2))  # the moment is the seed's
    viewer = asyncio.create_task(b.ask("GET", wanted))
    os.kill(maker.pid, signal.SIGKILL)
    await maker.process.wait()
    kept = {path: path.stat().st_mtime_ns for path in (data / "media").rglob("*.m4s")}

    status, _, body = await viewer  # it is held, whoever makes the segment now
    assert status == 200
    await b.until(asset, "complete", seconds=180)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert (await b.get(wanted)) == body
    assert await faults(b, url, asset) == []
    assert stored(data, asset) == noted(url, asset)
    assert rows(url, "SELECT maker FROM asset WHERE id = ?", asset) in ([("b",)], [(None,)])
    return asset, (b, other)


async def test_when_its_maker_is_killed_another_server_completes_an_asset(
    start, film, data_dir, database_url
):
    _, (_, other) = await survive(start, film, data_dir, database_url, 1)
    assert await other.stop() == 0


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_twenty_makers_are_killed(start, film, tmp_path, postgres):
    for seed in range(100, 120):
        data = tmp_path / str(seed)
        url = postgres.create()
        asset, (b, other) = await survive(start, film, data, url, seed)
        a, again = await start(data, url, "a")  # a server of that name may come back at any time
        assert (await a.json("GET", f"{API}/{asset}"))["state"] == "complete"
        assert await a.bodies(asset) == await b.bodies(asset)
        for child in (again, other):
            assert await child.stop() == 0
        shutil.rmtree(data)
