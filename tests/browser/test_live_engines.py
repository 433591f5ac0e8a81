"""Three engines follow a broadcast at its live edge, over HLS and DASH, without a stall or an error."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.async_api import Browser

from tests.flow.live_site import live_site, media, paced
from tests.media.browser import Engine, chromium, open_page, playing

pytestmark = pytest.mark.browser

SECONDS = 22
WATCHED = 8
AHEAD = 8
"""Seconds from planning a broadcast to its first frame: encoding all of it takes less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How an engine is to watch, and how many seconds behind the encoder it may be on a busy machine."""

    engine: Engine
    key: str
    behind: float
    config: dict[str, Any] = field(default_factory=dict)


SHAKA = {"streaming": {"lowLatencyMode": True, "liveSync": {"enabled": True}}}
LOW = {"lowLatencyMode": True, "maxLiveSyncPlaybackRate": 1.2}
WAYS = {
    "hls.js": Way(engine="hls.js", key="main.m3u8", behind=2.5, config=LOW),
    "shaka-hls": Way(engine="shaka", key="main.m3u8", behind=2.5, config=SHAKA),
    "shaka-dash": Way(engine="shaka", key="main.mpd", behind=2.5, config=SHAKA),
    "dash.js": Way(engine="dash.js", key="main.mpd", behind=2.5),
    "hls.js-plain": Way(engine="hls.js", key="main.m3u8", behind=9, config={"lowLatencyMode": False}),
}
SOAKED = {"hls.js", "shaka-hls", "hls.js-plain"}
"""Ways that differ little from another one or the page's own: every second in a run of all tests counts."""


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as opened:
        yield opened


@pytest.mark.parametrize(
    "way", [pytest.param(way, marks=[pytest.mark.soak] if way in SOAKED else []) for way in WAYS]
)
async def test_an_engine_plays_at_the_live_edge(browser, clips, way):
    how = WAYS[way]
    started = time.time_ns() // 1_000_000 + AHEAD * 1000
    made = await media(clips, SECONDS, started=started)
    async with live_site() as site:
        await site.begin(made)
        pacing = asyncio.create_task(paced(site))
        try:
            # Who comes with the first segment has less than the hold-back to play while the next is made.
            while site.onair.lives[0].segments < 3:
                await site.onair.turn(made.life.names[0])
            async with (
                open_page(browser) as page,
                playing(page, how.engine, site.url(how.key), read=True, config=how.config) as playback,
            ):
                await page.wait_for_function("harness.report().frames.length > 0", timeout=30_000)
                begun = await playback.report()
                await asyncio.sleep(WATCHED)
                seen = await playback.report()
                now = time.time() - started / 1000
        finally:
            pacing.cancel()
            await asyncio.gather(pacing, return_exceptions=True)
    last = seen.frames[-1].number
    behind = now - last / 25
    print(f"{way}: {behind:.2f} s behind, stalls {seen.stalls}, errors {seen.errors}")
    assert seen.fatal == ()
    assert seen.position - begun.position > WATCHED - 1.5
    assert sum(length or 1 for _, length in seen.stalls) < 1
    assert behind < how.behind
