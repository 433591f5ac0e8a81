"""What a crowd behind an edge costs the server: python -m bench.edge [VIEWERS].

A server, a broadcast that ffmpeg publishes to it, and a video; before them Varnish and nginx with the
configurations of cdn/edges and nothing kept yet, and nothing at all. The viewers of the broadcast ask for the
playlist with the next part and then for the part, those of the video for all of its lowest rung. Requests are
counted by the server itself; for the signed video every viewer has a token, and the edge's questions
about them are counted apart. The spread is the time from the first viewer who has an answer that all have
waited for to the last one. It writes bench/results/edge.json.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import imageio_ffmpeg
import m3u8

from bench._crowd import Seen, crowd
from tests.browser.site import Site, serving
from tests.edges import nginx, varnish
from tests.flow.on_air import listed
from tests.flow.whole_site import Client
from tests.tokens import signed

RESULTS = Path(__file__).parent / "results" / "edge.json"
SAMPLE = Path(__file__).parents[1] / "samples" / "bbb-480p-30s.mp4"
_SECRET = "between the edges and the server"  # noqa: S105
EDGES = {
    "none": lambda server, _: nullcontext(server),
    "Varnish": lambda server, folder: varnish(server, folder, secret=_SECRET),
    "nginx": lambda server, folder: nginx(server, folder, secret=_SECRET),
}
PARTS = 12
ROUNDS = 5
SPREAD_MILLISECONDS = 50
_ROUTES = re.compile(r'streamer_requests_total\{route="(media|protected)".*\} (\d+)')
_PICTURES = "testsrc2=size=320x180:rate=25"
_ENCODE = "-c:v libx264 -preset ultrafast -tune zerolatency -g 25 -b:v 300k -c:a aac -f flv"


@asynccontextmanager
async def broadcast(site: Site) -> AsyncIterator[str]:
    """Publish until the block ends; yield the asset's id."""
    stream = await site.call("POST", "/live", json={})
    argv = ["-hide_banner", "-loglevel", "error", "-re", "-f", "lavfi", "-i", _PICTURES]
    argv += ["-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", *_ENCODE.split()]
    ffmpeg = await asyncio.create_subprocess_exec(
        imageio_ffmpeg.get_ffmpeg_exe(), *argv, f"{stream['ingest']['rtmp']}/{stream['key']}"
    )
    try:
        async with asyncio.timeout(30):
            while (shown := await site.call("GET", f"/live/{stream['id']}"))["state"] != "live":
                await asyncio.sleep(0.1)
        yield shown["asset"]
    finally:
        ffmpeg.terminate()
        await ffmpeg.wait()


class Server:
    """What the server says that it has done."""

    def __init__(self, site: Site, session: aiohttp.ClientSession) -> None:
        self.client = Client(session, site.base)
        self._pid = site.child.pid

    async def requests(self) -> dict[str, int]:
        """Return how many requests for media it has answered, and how many under a token."""
        found = {"media": 0, "protected": 0}
        for route, count in _ROUTES.findall((await self.client.get("/metrics")).decode()):
            found[route] += int(count)
        return found

    def cpu(self) -> float:
        """Return the seconds of processor time of the server's own process."""
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def lowest(client: Client, prefix: str) -> str:
    """Return the address of the lowest rung's playlist."""
    found = m3u8.loads((await client.get(f"{prefix}/main.m3u8")).decode()).playlists
    least = min(found, key=lambda each: each.stream_info.bandwidth)
    return f"{prefix}/{least.uri}"


class Live:
    """Where a broadcast is, and what those who follow it ask for."""

    def __init__(self, client: Client, path: str) -> None:
        self._client = client
        self.path = path
        self._base = path.rpartition("/")[0]

    async def begin(self) -> None:
        """Wait until there is enough of it, and learn its numbers."""
        found = await listed(self._client, self.path, lambda now: len(now.segments) > 2)
        self._parts = len(found.segments[-2].parts)
        self._folder, _, name = found.segments[0].uri.rpartition("/")
        self._offset = (found.media_sequence or 0) - int(name.removesuffix(".m4s"))

    async def coming(self) -> int:
        """Return the number of the segment behind the one that grows now."""
        found = m3u8.loads((await self._client.get(self.path)).decode())
        return (found.media_sequence or 0) + len(found.segments) + 1

    def playlist(self, segment: int, part: int) -> str:
        """Return the address of the playlist that has a part."""
        return f"{self.path}?_HLS_msn={segment}&_HLS_part={part}"

    def follow(self, first: int) -> Iterator[str]:
        """Return what a viewer asks for from the beginning of a segment on."""
        for number in range(PARTS):
            segment, part = first + number // self._parts, number % self._parts
            yield self.playlist(segment, part)
            yield f"{self._base}/{self._folder}/{segment - self._offset}.{part}.m4s"


async def measured(
    server: Server, address: str, *, viewers: list[Iterator[str]]
) -> tuple[Seen, dict[str, Any]]:
    """Have the viewers ask, and return what they saw and what it cost the server."""
    port = urlsplit(address).port or 80
    before, began = await server.requests(), server.cpu()
    seen = await asyncio.to_thread(crowd, port, viewers)
    after = await server.requests()
    asked = after["media"] - before["media"]
    row = {
        "viewers": len(viewers),
        "requests": seen.requests,
        "server_requests": asked,
        "server_tokens": after["protected"] - before["protected"],
        "server_share": round(asked / seen.requests, 6),
        "server_cpu_s": round(server.cpu() - began, 2),
        "MB": seen.bytes // 1_000_000,
    }
    return seen, row


async def live(server: Server, live: Live, address: str, viewers: int) -> dict[str, Any]:
    """Follow the broadcast together, then wait together for one part, several times."""
    first = await live.coming()
    _, row = await measured(server, address, viewers=[live.follow(first) for _ in range(viewers)])
    spreads = []
    for _ in range(ROUNDS):
        target = live.playlist(await live.coming(), 1)
        seen, _ = await measured(server, address, viewers=[iter([target]) for _ in range(viewers)])
        spreads += seen.spreads()
    return {
        **row,
        "one_viewer": 2 * PARTS,
        "spread_ms": round(statistics.median(spreads), 1),
        "worst_spread_ms": round(max(spreads), 1),
    }


async def video(server: Server, address: str, prefixes: list[str]) -> dict[str, Any]:
    """Have everybody watch all of a video, each under a prefix."""
    path = await lowest(server.client, prefixes[0])
    name = path.rpartition("/")[2]
    found = m3u8.loads((await server.client.get(path)).decode())
    media = [found.segment_map[0].uri, *(segment.uri for segment in found.segments)]
    asked = ["main.m3u8", name, *media]
    viewers = [iter([f"{prefix}/{key}" for key in asked]) for prefix in prefixes]
    _, row = await measured(server, address, viewers=viewers)
    return row


async def tokens(site: Site, asset: str, count: int) -> list[str]:
    """Return so many tokens, of which no two are the same."""
    key = await site.call("POST", "/playback-keys", json={"name": "bench"})
    until = int(time.time()) + 3600
    claims = {"kid": key["id"], "sub": asset}
    return [signed(key["private_key"], **claims, exp=until + number) for number in range(count)]


async def measure(viewers: int) -> list[dict[str, Any]]:
    """Take every edge in turn, each before the same server."""
    rows: list[dict[str, Any]] = []

    def told(edge: str, kind: str, row: dict[str, Any]) -> None:
        rows.append({"edge": edge, "kind": kind, **row})
        print(json.dumps(rows[-1]), flush=True)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with (
            serving(folder / "data", edge_secret=_SECRET, encode_slots="2") as site,
            aiohttp.ClientSession() as session,
        ):
            server = Server(site, session)
            film = await site.upload(SAMPLE)
            await site.until(film, "complete", seconds=300)
            async with broadcast(site) as on_air:
                air = Live(server.client, await lowest(server.client, f"/v/{on_air}"))
                await air.begin()
                for edge, behind in EDGES.items():
                    async with behind(site.base, _made(folder / edge)) as address:
                        told(edge, "VOD", await video(server, address, [f"/v/{film}"] * viewers))
                        told(edge, "LL-HLS", await live(server, air, address, viewers))
            await site.call("PATCH", f"/assets/{film}", json={"policy": "signed"})
            prefixes = [f"/p/{token}/{film}" for token in await tokens(site, film, viewers)]
            for edge, behind in EDGES.items():
                async with behind(site.base, _made(folder / f"{edge}-signed")) as address:
                    told(edge, "signed VOD", await video(server, address, prefixes))
    return rows


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def missed(rows: list[dict[str, Any]]) -> list[str]:
    """Return the bars that are missed."""
    out = []
    for row in rows:
        if row["edge"] == "none":
            continue
        if row["kind"] == "LL-HLS" and row["server_requests"] > row["one_viewer"]:
            out.append(f"{row['edge']}: the server is asked more than by one viewer")
        if row["kind"] != "LL-HLS" and row["server_share"] > 0.001:
            out.append(f"{row['edge']}, {row['kind']}: more than 0.1 % of requests reach the server")
        if row["edge"] == "Varnish" and row.get("spread_ms", 0) > SPREAD_MILLISECONDS:
            out.append("Varnish: the last viewer waits longer than the first")
    return out


def main() -> None:
    """Measure, print and keep."""
    viewers = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    rows = asyncio.run(measure(viewers))
    date = datetime.now(UTC).date().isoformat()
    RESULTS.write_text(json.dumps({"date": date, "rows": rows}, indent=1) + "\n")
    print(*(missed(rows) or ["every bar held"]), sep="\n")


if __name__ == "__main__":
    main()
