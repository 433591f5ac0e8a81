"""A player of other people plays on behind a server that was killed on air."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.browser import onair
from tests.browser.site import Site, serving
from tests.media.browser import Playback, chromium, open_page, playing

pytestmark = [pytest.mark.browser, pytest.mark.soak]

AWAY_SECONDS = 3


async def _live(site: Site, stream: str) -> None:
    async with asyncio.timeout(40):
        while (await site.call("GET", f"/live/{stream}"))["state"] != "live":
            await asyncio.sleep(0.1)


async def _on(playback: Playback, count: int) -> None:
    """Wait until so many more pictures are presented."""
    before = (await playback.report()).presented
    script = "least => harness.report().presented >= least"
    await playback.page.wait_for_function(script, arg=before + count, timeout=60_000)


async def test_shaka_player_plays_on_over_dash_behind_a_killed_server(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        browser = await stack.enter_async_context(chromium())
        page = await stack.enter_async_context(open_page(browser))
        async with serving(tmp_path) as site:
            air = await onair.made(site, "Killed")
            async with air.filming():
                await _live(site, air.stream["id"])
                url = f"{site.base}/v/{air.stream['id']}/main.mpd"
                playback = await stack.enter_async_context(playing(page, "shaka", url))
                await _on(playback, 100)
                await site.kill()
        await asyncio.sleep(AWAY_SECONDS)
        base, rtmp = (urlsplit(each).port for each in (site.base, air.stream["ingest"]["rtmp"]))
        async with serving(tmp_path, port=base or 0, live_rtmp_port=str(rtmp)) as site, air.filming():
            await _live(site, air.stream["id"])
            began = (await playback.report()).position
            await _on(playback, 250)
            assert (await playback.report()).position > began + 8
