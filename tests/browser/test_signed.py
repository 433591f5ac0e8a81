"""A signed film in Chromium: watched by a link, refused when its token ends, gone on with by the next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser.site import Site, serving, visiting
from tests.media.browser import chromium
from tests.media.clip import run

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]
FILM = Path(__file__).parents[2] / "samples" / "bbb-480p-30s.mp4"
EMBED = """([src, first, next]) => {
    const player = document.createElement("stream-player");
    Object.assign(player, { src, token: first, tokenprovider: async () => next, autoplay: true });
    document.querySelector("watch-page").replaceWith(player);
    window.streamer = { video: player.video, state: () => player.snapshot() };
}"""
"""A page of somebody's own: the player alone, and who brings its tokens."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with serving(tmp_path_factory.mktemp("site"), playback_policy="signed") as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def film(site: Site, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the id of a minute of film: longer than what a player fetches in advance."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    await asyncio.to_thread(run, ["-stream_loop", "1", "-i", str(FILM), "-c", "copy", str(path)])
    asset = await site.upload(path)
    await site.until(asset, "playable", "complete")
    return asset


async def _token(site: Site, asset: str, seconds: int) -> str:
    wish = {"expires_seconds": seconds}
    return (await site.call("POST", f"/assets/{asset}/playback-tokens", json=wish))["token"]


async def test_who_has_signed_in_watches_without_a_link(browser: Browser, site: Site, film: str) -> None:
    async with visiting(browser, site) as visit:
        asked: list[str] = []
        visit.page.on("request", lambda request: asked.append(request.url))
        await visit.watch(film)
        await visit.has("s.time > 2", seconds=20)
        assert await visit.contrast("signed") > 20
    assert any(f"/{film}/main.m3u8" in address and "/p/" in address for address in asked)
    assert not any("/v/" in address for address in asked)


async def test_a_link_plays_until_its_token_ends_and_then_says_so(
    browser: Browser, site: Site, film: str
) -> None:
    token = await _token(site, film, 6)
    async with visiting(browser, site) as visit:
        asked: list[str] = []
        visit.page.on("request", lambda request: asked.append(request.url))
        await visit.watch(film, f"#token={token}")
        await visit.has("s.time > 2", seconds=20)
        refusal = visit.page.locator("error-overlay")
        await expect(refusal).to_contain_text("This video may not be played here.", timeout=20_000)
        await expect(refusal).to_contain_text("Ask for a new one")
        assert (await visit.state())["trouble"]["kind"] == "refused"
        visit.errors.clear()  # the browser counts a refusal as one
    assert any(f"/p/{token}/{film}/" in address for address in asked)


async def test_the_page_that_embeds_the_player_brings_the_next_token(
    browser: Browser, site: Site, film: str
) -> None:
    async with visiting(browser, site) as visit:
        await visit.page.goto(f"{site.base}/watch/{film}")
        await visit.page.wait_for_function("() => window.streamer?.video")
        short, lasting = await _token(site, film, 6), await _token(site, film, 600)
        asked: list[str] = []
        visit.page.on("request", lambda request: asked.append(request.url))
        await visit.page.evaluate(EMBED, [f"/v/{film}/main.m3u8", short, lasting])
        await visit.has("s.time > 9", seconds=30)
        state = await visit.state()
    assert state["trouble"] is None
    segments = [address.split("/")[4] for address in asked if address.endswith(".m4s") and "/p/" in address]
    used = [token for token in segments if token in {short, lasting}]
    assert (used[0], used[-1]) == (short, lasting)
