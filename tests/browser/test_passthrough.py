"""Pictures that are passed through, B-frames among them, in browsers: at the edge, and over a gap."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import m3u8
import pytest
from playwright.async_api import Browser

from tests.browser import onair
from tests.browser.site import Site, serving, visiting
from tests.flow.on_air import FILM, publishing
from tests.media.browser import Engine, chromium, open_page, playing
from tests.media.clip import X264, Library

pytestmark = pytest.mark.browser

REORDERED = replace(FILM, name="publish-reordered", video=(*X264, "-g", "25", "-bf", "2"))
AT_EDGE = "s.live && s.follows && !s.paused && !s.waiting"
WATCHED = 8


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as opened:
        yield opened


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with serving(tmp_path) as running:
        yield running


async def test_a_gap_is_no_error_and_the_same_element_plays_on(
    browser: Browser, site: Site, clips: Library
) -> None:
    air = await onair.made(site, "Passed", passthrough=True)
    door, film = (air.stream["ingest"]["rtmp"], air.stream["key"]), clips.make(REORDERED)
    async with visiting(browser, site) as visit:
        await visit.page.goto(air.page)
        async with publishing(*door, film):
            await onair.read(visit)
            await visit.has(f"{AT_EDGE} && s.time > 1", seconds=40)
        await visit.page.wait_for_function("() => window.drawn.length > 0")
        left = (await visit.state())["time"]
        async with publishing(*door, film):
            await visit.has(f"{AT_EDGE} && s.time > a + 3", left, seconds=40)
            seen = [number for number, _, _ in await onair.drawn(visit) if number is not None]
        await air.end()
        assert await onair.faults(visit) == []
        assert (await visit.state())["trouble"] is None
    turns = sum(following < one for one, following in itertools.pairwise(seen))
    assert turns == 1, seen  # the publisher's second film begins anew; nothing else goes back


async def _segments(url: str, count: int) -> None:
    """Wait for segments: who comes with the first one has little to play while the next is made."""
    async with aiohttp.ClientSession() as session, asyncio.timeout(30):
        while True:
            async with session.get(url) as answer:
                found = m3u8.loads(await answer.text()) if answer.ok else None
            if found and sum(bool(one.uri and one.duration) for one in found.segments) >= count:
                return
            await asyncio.sleep(0.2)


@pytest.mark.soak
@pytest.mark.parametrize(
    ("engine", "key"), [("hls.js", "main.m3u8"), ("shaka", "main.mpd"), ("dash.js", "main.mpd")]
)
async def test_engines_follow_the_edge(
    browser: Browser, site: Site, clips: Library, engine: Engine, key: str
) -> None:
    air = await onair.made(site, "Passed", passthrough=True)
    async with publishing(air.stream["ingest"]["rtmp"], air.stream["key"], clips.make(REORDERED)):
        url = f"{site.base}/v/{air.stream['id']}/{key}"
        await _segments(url.replace(key, "180p.m3u8"), 3)
        async with open_page(browser) as page, playing(page, engine, url, read=True) as playback:
            await page.wait_for_function("harness.report().frames.length > 0", timeout=30_000)
            begun = await playback.report()
            await asyncio.sleep(WATCHED)
            seen = await playback.report()
    print(f"{engine}: stalls {seen.stalls}, errors {seen.errors}")
    assert seen.fatal == ()
    assert seen.backward() == []
    assert seen.position - begun.position > WATCHED - 1.5
