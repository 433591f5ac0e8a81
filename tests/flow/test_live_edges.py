"""Pushed frames through the proxies that cdn/edges has configurations for: as they come, either way."""

from __future__ import annotations

import asyncio

from tests.flow.on_air import FILM, publishing, stream, until
from tests.flow.test_edges import EDGES
from tests.flow.whole_site import running

FRAMES = 40


async def test_frames_go_on_as_they_come(data_dir, clips, tmp_path):
    async with running(data_dir, live_rtmp_port=0) as site:
        made = await stream(site)
        async with publishing(made["ingest"]["rtmp"], made["key"], clips.make(FILM)):
            asset = (await until(site, made["id"], "live"))["asset"]
            rung = (await site.asset(asset))["rungs"][0]["name"]
            for name, edge in EDGES.items():
                folder = tmp_path / name
                folder.mkdir()
                async with edge(site.base, folder) as address, asyncio.timeout(20):
                    await watched(site, f"{address}/v/{asset}/{rung}")


async def watched(site, address: str) -> None:
    """Take frames over a socket and over a response, neither of which has an end."""
    async with site.session.ws_connect(f"{address}.push") as socket:
        messages = [await socket.receive_bytes() for _ in range(FRAMES)]
    assert messages[0][4:8] == b"ftyp"
    assert all(message.count(b"moof") == 1 for message in messages[1:])
    body = b""
    async with site.session.get(f"{address}.push.mp4") as response:
        while body.count(b"moof") < FRAMES:
            body += await response.content.readany()
    assert body.startswith(messages[0])
