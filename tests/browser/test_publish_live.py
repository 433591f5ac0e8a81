"""A broadcast on air played from its bucket: what browsers' engines make of playlists and an MPD of files."""

from __future__ import annotations

import asyncio

import aiohttp
import m3u8
import pytest
from aiohttp import web

from streamer.destinations import Destination
from tests.flow import on_air
from tests.flow.whole_site import running
from tests.media.browser import chromium, open_page, playing
from tests.media.serving import serve
from tests.storage import BUCKET, rclone

pytestmark = [pytest.mark.browser, pytest.mark.soak]

WATCHED = 7
WAYS = (("hls.js", "main.m3u8"), ("shaka", "main.mpd"), ("dash.js", "main.mpd"))


async def test_engines_play_a_broadcast_on_air_from_its_bucket(clips, tmp_path, monkeypatch):
    with rclone(tmp_path / "buckets", secret=False) as storage:
        for name, value in storage.env.items():
            monkeypatch.setenv(name, value)
        cdn = {"cdn": Destination(url=f"s3://{BUCKET}/vod")}
        async with (
            aiohttp.ClientSession(storage.endpoint) as session,
            running(tmp_path / "data", live_rtmp_port=0, destinations=cdn, live_destination="cdn") as site,
            serve(tmp_path, hook=lambda request: bucket(session, request)) as base,
            chromium() as browser,
        ):
            made = await on_air.stream(site)
            async with on_air.publishing(made["ingest"]["rtmp"], made["key"], clips.make(on_air.FILM)):
                asset = (await on_air.until(site, made["id"], "live"))["asset"]
                await reaches(session, f"/{BUCKET}/vod/{asset}/audio-0.m3u8", 5)
                ways = (watched(browser, engine, f"{base}/vod/{asset}/{key}") for engine, key in WAYS)
                seen = await asyncio.gather(*ways)
    for one in seen:
        begun, end = one
        print(f"{end.engine}: {begun.position} to {end.position}, {end.stalls}, {end.errors}")
        assert end.fatal == (), end.engine
        assert end.position - begun.position > WATCHED - 2, end.engine


async def watched(browser, engine, url: str):
    """Play for some seconds; return the records of the first picture and of the end."""
    async with open_page(browser) as page, playing(page, engine, url, read=True) as playback:
        await page.wait_for_function("harness.report().frames.length > 0", timeout=30_000)
        begun = await playback.report()
        await asyncio.sleep(WATCHED)
        return begun, await playback.report()


async def bucket(session: aiohttp.ClientSession, request: web.Request) -> web.Response:
    """Answer with an object of the bucket, as an edge does that adds CORS."""
    async with session.get(f"/{BUCKET}{request.path}") as got:
        kept = {name: got.headers[name] for name in ("Content-Type", "Cache-Control") if name in got.headers}
        headers = {**kept, "Access-Control-Allow-Origin": "*"}
        return web.Response(status=got.status, headers=headers, body=await got.read())


async def reaches(session: aiohttp.ClientSession, path: str, segments: int) -> None:
    async with asyncio.timeout(30):
        while True:
            async with session.get(path) as got:
                body = await got.text()
            if got.status == 200 and len(m3u8.loads(body).segments) >= segments:
                return
            await asyncio.sleep(0.1)
