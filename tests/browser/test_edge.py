"""Viewers behind an edge whose server dies: what is kept plays on, what is live goes on with the server."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.browser import onair
from tests.browser.site import serving, visiting
from tests.edges import nginx, varnish
from tests.media.browser import chromium, open_page, play

pytestmark = [pytest.mark.browser, pytest.mark.soak, pytest.mark.parametrize("edge", [varnish, nginx])]
FILM = Path(__file__).parents[2] / "samples" / "bbb-480p-30s.mp4"
SECONDS = 12


async def test_a_film_plays_without_its_server(edge, tmp_path: Path) -> None:
    async with chromium() as browser, serving(tmp_path / "data") as site, edge(site.base, tmp_path) as front:
        playback = (await site.until(await site.upload(FILM), "complete", seconds=90))["playback"]
        async with open_page(browser) as page:
            await play(page, "hls.js", front + playback["hls"], SECONDS)
        await site.kill()
        async with open_page(browser) as page:
            watched = await play(page, "hls.js", front + playback["hls"], SECONDS)
    assert (watched.fatal, watched.stalls, watched.backward()) == ((), (), [])
    assert watched.position >= SECONDS


async def test_a_broadcast_goes_on_with_its_server(edge, tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with chromium() as browser, serving(data) as direct, edge(direct.base, tmp_path) as front:
        site = dataclasses.replace(direct, base=front)
        # Streams are made at the server itself, where nobody has to sign in.
        air = dataclasses.replace(await onair.made(direct, "Behind an edge"), site=site)
        async with visiting(browser, site) as visit:
            await visit.page.goto(air.page)
            async with air.filming():
                await onair.read(visit)
                await visit.has("s.live && s.follows && s.time > 4", seconds=40)
                await direct.kill()
            seen = (await visit.state())["time"]
            port, rtmp = (urlsplit(each).port for each in (direct.base, air.stream["ingest"]["rtmp"]))
            async with serving(data, port=port, live_rtmp_port=str(rtmp)), air.filming():
                await visit.has("s.live && s.follows && !s.waiting && s.time > a + 4", seen, seconds=60)
                assert await onair.faults(visit) == []
                assert (await visit.state())["trouble"] is None
            visit.errors.clear()  # the browser itself logs what it could not fetch meanwhile
