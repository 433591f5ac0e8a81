"""The whole server behind the edges: a broadcast behind Varnish, and nginx whose server dies behind it."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import m3u8

from tests.browser.site import serving
from tests.edges import varnish
from tests.flow.on_air import FILM, listed, publishing, stream, until
from tests.flow.test_edges import EDGES
from tests.flow.whole_site import Client, running
from tests.media.clip import Clip
from tests.media.sources import constant

VIEWERS = 20
RELOADS = 6
TARGET_SECONDS = 4
SHORT = Clip(name="edge", suffix=".mp4", timing=constant(25, 4))
_MEDIA = re.compile(r'streamer_requests_total\{route="media".*\} (\d+)')


async def asked(origin: Client) -> int:
    """Return how many requests for media have reached the server."""
    return sum(map(int, _MEDIA.findall((await origin.get("/metrics")).decode())))


async def _bodies(edge: Client, paths: list[str]) -> list[bytes]:
    return [await edge.get(path) for path in paths]


async def test_a_broadcast_reaches_its_viewers_for_the_price_of_one(data_dir, clips, tmp_path):
    async with running(data_dir, live_rtmp_port=0) as site, varnish(site.base, tmp_path) as address:
        made = await stream(site)
        async with publishing(made["ingest"]["rtmp"], made["key"], clips.make(FILM)):
            asset = (await until(site, made["id"], "live"))["asset"]
            path = f"/v/{asset}/{(await site.asset(asset))['rungs'][0]['name']}.m3u8"
            edge = Client(site.session, address)
            now = await listed(edge, path, lambda found: len(found.segments) > 1)
            first = (now.media_sequence or 0) + len(now.segments) + 1
            before = await asked(site)
            seen = await asyncio.gather(*(_followed(edge, path, first) for _ in range(VIEWERS)))
            assert all(one == seen[0] for one in seen)
            assert await asked(site) - before == 2 * RELOADS


async def _followed(edge: Client, path: str, first: int) -> list[bytes]:
    """Follow a broadcast part by part from the beginning of a segment on; return all that came."""
    got = []
    for part in range(RELOADS):
        status, headers, body = await edge.ask("GET", f"{path}?_HLS_msn={first}&_HLS_part={part}")
        assert (status, headers["Cache-Control"]) == (200, "public, max-age=12")
        newest = m3u8.loads(body.decode()).segments[-1].parts[-1]
        got += [body, await edge.get(f"{path.rpartition('/')[0]}/{newest.uri}")]
    return got


async def test_viewers_outlive_the_server(data_dir, clips, tmp_path):
    """What they have seen plays on without it, and what they have not is there again when it is."""
    async with aiohttp.ClientSession() as session, serving(data_dir) as site:
        asset = await site.upload(clips.make(SHORT))
        await site.until(asset, "playable", "complete")
        async with _before(site.base, tmp_path) as addresses:
            edges = [Client(session, address) for address in addresses]
            segments = [path for paths in (await edges[0].urls(asset)).values() for path in paths]
            new = segments.pop()
            before = await _bodies(edges[0], segments)
            for edge in edges:
                assert await edge.urls(asset)
                assert await _bodies(edge, segments) == before
            count = await asked(Client(session, site.base))
            for edge in edges * 3:
                assert await _bodies(edge, segments) == before
            assert await asked(Client(session, site.base)) == count
            await site.kill()
            for edge in edges:
                assert await _bodies(edge, segments) == before
                assert await edge.urls(asset)
                assert (await edge.ask("GET", new))[0] == 503
            async with serving(data_dir, port=int(site.base.rpartition(":")[2])):
                back = time.monotonic()
                for edge in edges:
                    while (await edge.ask("GET", new))[0] != 200:
                        await asyncio.sleep(0.05)
                assert time.monotonic() - back < TARGET_SECONDS


@asynccontextmanager
async def _before(server: str, folder: Path) -> AsyncIterator[list[str]]:
    """Run every edge before a server; yield their addresses."""
    async with AsyncExitStack() as stack:
        addresses = []
        for name, edge in EDGES.items():
            (folder / name).mkdir()
            addresses.append(await stack.enter_async_context(edge(server, folder / name)))
        yield addresses
