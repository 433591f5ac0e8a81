"""A page behind proxies that let no WebSocket through, or no event stream either, finds its way by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, Response, expect

from tests.browser.site import Site, serving, visiting
from tests.edges import nginx, silence
from tests.media.browser import chromium

pytestmark = pytest.mark.browser
REFUSED = "if ($http_upgrade) { return 403; }"
# What goes to a server that never answers.
SWALLOWED = "location = /control { proxy_pass SILENCE; proxy_read_timeout 90s; }"
STREAM_SWALLOWED = "location = /control/sse { proxy_pass SILENCE; proxy_read_timeout 90s; }"
WALLS = {
    "a WebSocket is refused": (REFUSED, "/control/sse"),
    "a WebSocket is swallowed": (SWALLOWED, "/control/sse"),
    "both are swallowed": (SWALLOWED + STREAM_SWALLOWED, "/control/poll"),
}


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as opened:
        yield opened


@pytest.fixture
async def site(data_dir: Path) -> AsyncIterator[Site]:
    async with serving(data_dir) as running:
        yield running


class Connecting:
    """How long a page has tried to connect when it is answered at a path."""

    def __init__(self, page: Page, path: str) -> None:
        self.seconds: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._path = path
        self._begun = 0.0
        page.on("websocket", lambda _: self._begin())
        page.on("response", self._answered)

    def _begin(self) -> None:
        self._begun = self._begun or monotonic()

    def _answered(self, response: Response) -> None:
        if urlsplit(response.url).path == self._path and response.ok and not self.seconds.done():
            self.seconds.set_result(monotonic() - self._begun)


@pytest.mark.parametrize("wall", WALLS)
async def test_a_page_finds_another_way_within_three_seconds(
    browser: Browser, site: Site, tmp_path: Path, wall: str
) -> None:
    directives, way = WALLS[wall]
    stream = await site.call("POST", "/live", json={"title": "Before"})
    async with (
        silence() as nobody,
        nginx(site.base, tmp_path, extra=directives.replace("SILENCE", nobody)) as edge,
        visiting(browser, replace(site, base=edge)) as visit,
    ):
        connecting = Connecting(visit.page, way)
        await visit.page.goto(f"{edge}/watch/{stream['id']}")
        assert await asyncio.wait_for(connecting.seconds, 10) < 3
        await expect(visit.page.get_by_role("heading", name="Before")).to_be_visible()
        await site.call("PATCH", f"/live/{stream['id']}", json={"title": "After"})
        await expect(visit.page.get_by_role("heading", name="After")).to_be_visible(timeout=2000)
        assert all("WebSocket" in error for error in visit.errors)
        visit.errors.clear()
