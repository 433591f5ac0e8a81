"""Caddy in front: HTTP/2, HTTP/3 announced, and every byte as it comes."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import aiohttp
from aiohttp import web

from tests.edges import caddy
from tests.flow.scripted import scripted
from tests.media.clients import need

PLAYLIST = "/v/a1/720p.m3u8?_HLS_msn=9&_HLS_part=2"


async def curl(*argv: str | Path) -> bytes:
    """Return what curl prints."""
    process = await asyncio.create_subprocess_exec(
        need("curl"), "--silent", "--show-error", "--max-time", "15", *argv, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out


async def test_a_live_playlist_comes_over_http_2(tmp_path):
    async with scripted() as origin, caddy(origin.base, tmp_path) as (address, shown):
        ready = asyncio.Event()
        origin.media(PLAYLIST, body=b"#EXTM3U", ready=ready)
        told = "--write-out", "\n%{http_version} %{header_json}"
        asking = asyncio.create_task(
            curl("--http2", "--cacert", shown, *told, "--header", "Streamer-Edge: x", address + PLAYLIST)
        )
        await origin.until_asked(PLAYLIST)
        ready.set()
        body, _, rest = (await asking).partition(b"\n")
        version, _, headers = rest.partition(b" ")
        assert (body, version) == (b"#EXTM3U", b"2")
        assert b"h3=" in headers
        (asked,) = origin.asked
        assert asked.headers["X-Forwarded-Proto"] == "https"
        assert asked.headers["X-Forwarded-For"] == "127.0.0.1"
        assert "Streamer-Edge" not in asked.headers


async def test_what_is_pushed_goes_on_as_it_comes(tmp_path):
    taken = asyncio.Event()

    async def push(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first")
        await taken.wait()
        await response.write(b"second")
        return response

    app = web.Application()
    app.router.add_get("/v/a1/720p.push.mp4", push)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with caddy(server, tmp_path) as (address, shown), aiohttp.ClientSession() as session:
            context = ssl.create_default_context(cafile=shown)
            async with (
                asyncio.timeout(10),
                session.get(f"{address}/v/a1/720p.push.mp4", ssl=context) as response,
            ):
                assert await response.content.readany() == b"first"
                taken.set()
                assert await response.content.read() == b"second"
    finally:
        await runner.cleanup()
