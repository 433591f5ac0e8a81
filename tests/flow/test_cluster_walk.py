"""Three servers, as the compose file has them; one is killed while it does everything: nothing is lost."""

from __future__ import annotations

import asyncio
import os
import random
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import m3u8
import pytest

from tests.flow.cluster_nodes import Nodes, nodes
from tests.flow.composed import compose, edge
from tests.flow.on_air import FILM, LIVE, publishing, stream, until, whole
from tests.flow.test_cluster_live import goes_on
from tests.flow.test_live_crash import Announced, address
from tests.flow.test_server_crash import Remote
from tests.flow.whole_site import Client, faults
from tests.media.clip import Clip
from tests.media.sources import constant
from tests.storage import rclone

VIDEO = Clip(name="walk", suffix=".mp4", timing=constant(25, 24))
"""Six segments of each rendition: long enough to be in the middle of."""

PIECES = 30


@pytest.fixture(scope="module")
def storage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("storage")
    (folder / "streamer").mkdir()
    with rclone(folder) as server:
        yield server


@pytest.fixture
def film(clips) -> Path:
    return clips.make(VIDEO)


@pytest.fixture
def live(clips) -> Path:
    return clips.make(FILM)


@dataclass
class Watched:
    """What a viewer behind the edge was answered."""

    lost: list[str] = field(default_factory=list)
    answers: int = 0

    async def play(self, viewer: Client, paths: list[str]) -> None:
        """Ask for segments one after the other; each is answered, whoever is killed meanwhile."""
        for path in paths:
            status, _, body = await viewer.ask("GET", path)
            self.answers += 1
            if status != 200 or not body:
                self.lost.append(f"{status} {path}")


async def upload(servers: list[Remote], path: str, data: bytes, *, halfway: asyncio.Event) -> None:
    """Send a file in pieces, going on at another server where one does not answer; acknowledged stays so."""
    offset = acknowledged = turn = 0
    size = -(-len(data) // PIECES)
    while offset < len(data):
        server = servers[turn % len(servers)]
        try:
            status, headers, _ = await server.ask("HEAD", path, headers={"Tus-Resumable": "1.0.0"})
            offset = int(headers["Upload-Offset"]) if status == 200 else offset
            assert offset >= acknowledged, (offset, acknowledged)
            if status == 200 and await server.patch(path, offset, data[offset : offset + size]) == 204:
                offset = acknowledged = min(len(data), offset + size)
            else:
                turn += 1
        except aiohttp.ClientError:
            turn += 1
        if offset * 2 >= len(data):
            halfway.set()
        await asyncio.sleep(0.2)  # as fast as a network is


async def listed(client: Client, path: str) -> dict[str, bytes]:
    """Return the segments that a playlist names now."""
    found = m3u8.loads((await client.get(path)).decode())
    root = path.rpartition("/")[0]
    return {one.uri: await client.get(f"{root}/{one.uri}") for one in whole(found)}


async def survive(cluster: Nodes, film: Path, live: Path, folder: Path, *, seed: int) -> None:
    """Kill the first server at the seed's moment; hold the others to everything that it had promised."""
    dice = random.Random(seed)
    a, b, c = await asyncio.gather(*map(cluster.start, list(cluster.own)))
    data, halfway, watched, announced = film.read_bytes(), asyncio.Event(), Watched(), Announced()
    async with edge(cluster, folder) as front:
        viewer = Client(a.session, front)
        made = await stream(a, policy="signed")
        token = (await c.json("POST", f"{LIVE}/{made['id']}/playback-tokens", status=201))["token"]
        encoded = (await a.post(film))["id"]
        await c.until(encoded, "playable")
        paths = [path for each in (await viewer.urls(encoded)).values() for path in each]
        upload_path, arriving = await a.create(len(data))
        async with publishing(made["ingest"]["rtmp"], made["key"], live):
            asset = (await until(b, made["id"], "live"))["asset"]
            root = f"/p/{token}/{asset}/"
            name = m3u8.loads((await b.get(root + "main.m3u8")).decode()).playlists[0].uri
            sending = asyncio.create_task(upload([a, b, c], upload_path, data, halfway=halfway))
            playing = asyncio.create_task(watched.play(viewer, dice.sample(paths, len(paths))))
            cursor = (await b.json("GET", f"/control/poll?channel=stream:{made['id']}"))["cursor"]
            for number in range(5):
                event = {"type": "custom.count", "data": number}
                await a.json("POST", f"/api/v1/channels/stream:{made['id']}/events", status=201, json=event)
            await halfway.wait()
            await asyncio.sleep(dice.uniform(0, 1))  # the moment is the seed's
            kept = await listed(c, root + name)
            await a.kill()
        assert not sending.done()
        away = publishing(await address(b, made), made["key"], live)
        async with announced.reading(c, root + name), away:
            generations = await goes_on(c, root + name)
            assert (await until(c, made["id"], "live"))["asset"] == asset
        assert {generation for generation, _, _ in announced.said.values()} == generations
        await asyncio.gather(sending, playing)
        assert (watched.lost, watched.answers) == ([], len(paths))
        told = await c.json("GET", f"/control/poll?channel=stream:{made['id']}&cursor={cursor}")
        counted = [one["data"] for one in told["messages"] if one["type"] == "custom.count"]
        assert counted == list(range(5))
        await c.json("POST", f"{LIVE}/{made['id']}/end")
        for one in (encoded, arriving):
            await c.until(one, "complete", seconds=60)
            assert await faults(viewer, cluster.database, one) == []
        recorded = await listed(c, root + name)
        assert {uri: recorded[uri] for uri in kept} == kept


@pytest.fixture
async def cluster(spawn, tmp_path, database_url, storage):
    async with nodes(spawn, tmp_path / "data", database_url, STREAMER_ENCODE_COPY="false") as opened:
        assert len(compose(opened, storage, tmp_path)) == 3
        yield opened


async def test_a_server_is_killed_during_upload_encode_live_and_playback(cluster, film, live, tmp_path):
    await survive(cluster, film, live, tmp_path, seed=int(os.environ.get("WALK", "1")))


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(100, 110))
async def test_ten_servers_are_killed(cluster, film, live, tmp_path, seed):
    await survive(cluster, film, live, tmp_path, seed=seed)
