"""The page of a live stream: it waits, plays what comes on air, and shows the recording when that is over."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import imageio_ffmpeg
import pytest
from playwright.async_api import Browser, expect

from tests.browser.site import Site, serving, visiting
from tests.media.browser import chromium
from tests.spawn import Child

pytestmark = pytest.mark.browser
PUBLISHED = (
    *("-re", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25"),
    *("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"),
    *("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "25", "-pix_fmt", "yuv420p"),
    *("-c:a", "aac", "-b:a", "96k", "-f", "flv"),
)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as opened:
        yield opened


@pytest.fixture
async def site(data_dir: Path) -> AsyncIterator[Site]:
    async with serving(data_dir, live_rtmp_port="0") as running:
        yield running


async def test_a_page_waits_for_the_broadcast_and_plays_it(
    browser: Browser, site: Site, spawn: Callable[..., Awaitable[Child]]
) -> None:
    stream = await site.call("POST", "/live", json={"title": "Evening"})
    async with visiting(browser, site) as visit:
        page = visit.page
        await page.goto(f"{site.base}/watch/{stream['id']}")
        await expect(page.get_by_role("heading", name="Not on air")).to_be_visible()
        await expect(page.get_by_role("heading", name="Evening")).to_be_visible()
        address = f"{stream['ingest']['rtmp']}/{stream['key']}"
        await spawn(imageio_ffmpeg.get_ffmpeg_exe(), *PUBLISHED, address)
        await visit.follow()
        await visit.has("s.time > 1 && s.frames > 50", seconds=30)
        await expect(page.locator("watch-page .facts")).to_have_text(re.compile("Live"))
        assert await visit.contrast("live") > 20
        await expect(page.locator("watch-page .viewers")).to_have_text("1 watching", timeout=10_000)
        library = await page.context.new_page()
        await library.goto(f"{site.base}/")
        poster = library.locator("asset-card img")
        assert await poster.evaluate("one => one.decode().then(() => one.naturalWidth)") == 320
        await library.close()
        ended = await site.call("POST", f"/live/{stream['id']}/end")
        await expect(page.locator("watch-page .facts")).not_to_have_text(re.compile("Live"))
        recording = await site.until(ended["asset"], "complete")
        assert recording["duration"] > 2
        captions = f"/assets/{ended['asset']}/captions/de?label=Deutsch"
        await site.call("PUT", captions, data=b"WEBVTT\n\n00:00.000 --> 01:00.000\nWords of it\n")
        await page.goto(f"{site.base}/watch/{stream['id']}")
        await visit.follow()
        await visit.has("s.time > 1 && s.frames > 20", seconds=30)
        assert (await visit.state())["trouble"] is None
        player = page.locator("stream-player")
        await player.hover()
        await player.get_by_role("button", name="Captions (c)").click()
        await player.get_by_role("menuitemradio", name="Deutsch").click()
        await expect(player.locator(".cues")).to_have_text("Words of it", timeout=10_000)
