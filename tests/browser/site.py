"""Run the product as its users do: the server as a child, its pages in Chromium, what goes wrong kept."""

from __future__ import annotations

import asyncio
import io
import itertools
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import m3u8
import numpy as np
from PIL import Image
from playwright.async_api import Browser, CDPSession, ConsoleMessage, Locator, Page, Request

from tests.spawn import Child, Nursery

SHOTS = Path(__file__).parent / "shots"
FAST = {"STREAMER_LIVE_RTMP_PORT": "0", "STREAMER_ENCODE_SLOTS": "1", "STREAMER_ENCODE_PRESET": "ultrafast"}
# The page's player on its way: what it says of itself, and every picture as it reaches the screen.
FOLLOW = """() => {
    const video = window.streamer.video;
    window.shown = [];
    const each = (now, { mediaTime, height }) => {
        window.shown.push([now, mediaTime, height]);
        video.requestVideoFrameCallback(each);
    };
    video.requestVideoFrameCallback(each);
}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A running server."""

    base: str
    data: Path
    child: Child

    async def kill(self) -> None:
        """Kill the server's process alone, as a machine that runs out of memory does."""
        os.kill(self.child.pid, signal.SIGKILL)
        await self.child.process.wait()

    async def call(self, method: str, path: str, **options: Any) -> Any:
        """Call the API and return the answer's JSON, None where it has none."""
        async with (
            aiohttp.ClientSession(self.base) as session,
            session.request(method, f"/api/v1{path}", raise_for_status=True, **options) as answer,
        ):
            return await answer.json() if answer.content_type == "application/json" else None

    async def upload(self, path: Path) -> str:
        """Upload a file by the plain POST and return the asset's id as soon as the server has it."""
        with path.open("rb") as file:
            form = aiohttp.FormData()
            form.add_field("file", file, filename=path.name)
            return (await self.call("POST", "/assets", data=form))["id"]

    async def bandwidths(self, address: str) -> list[int]:
        """Return the declared peaks of a multivariant playlist's stereo rungs, in bits a second, sorted."""
        async with aiohttp.ClientSession(self.base) as session, session.get(address) as answer:
            variants = m3u8.loads(await answer.text()).playlists
        return sorted(each.stream_info.bandwidth for each in variants if each.stream_info.audio == "stereo")

    async def until(self, asset: str, *states: str, seconds: float = 60) -> dict[str, Any]:
        """Wait until the asset is in one of the states and return it."""
        async with asyncio.timeout(seconds):
            while (shown := await self.call("GET", f"/assets/{asset}"))["state"] not in states:
                await asyncio.sleep(0.1)
        return shown


@asynccontextmanager
async def serving(data: Path, *, port: int = 0, **settings: str) -> AsyncIterator[Site]:
    """Start `streamer serve` on free ports, or on a given one, over a data directory; ended at the end."""
    nursery = Nursery()
    try:
        argv = (sys.executable, "-m", "streamer", "serve", "--port", str(port), "--data", data)
        child = await nursery.start(
            *argv, env={**FAST, **{f"STREAMER_{key.upper()}": value for key, value in settings.items()}}
        )
        line = await child.says("http://", seconds=40)
        yield Site(base=line[line.index("http://") :].strip().rstrip("/"), data=data, child=child)
    finally:
        await nursery.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A person's page, and what it did that it should not have."""

    page: Page
    site: Site
    devtools: CDPSession
    hosts: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)
    aborted: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    async def limit(self, *, down: int = 0, up: int = 0) -> None:
        """Hold the network to so many bits a second; 0 lifts the limit."""
        limits = {"downloadThroughput": down // 8 or -1, "uploadThroughput": up // 8 or -1}
        latency = 20 if down else 0
        await self.devtools.send(
            "Network.emulateNetworkConditions", {"offline": False, "latency": latency, **limits}
        )

    async def watch(self, asset: str, query: str = "") -> None:
        """Open an asset's watch page and follow its pictures."""
        await self.page.goto(f"{self.site.base}/watch/{asset}{query}")
        await self.follow()

    async def follow(self) -> None:
        """Record every picture that the watch page presents from now on."""
        await self.page.wait_for_function("() => window.streamer?.video?.currentSrc")
        await self.page.evaluate(FOLLOW)

    async def state(self) -> dict[str, Any]:
        """Return what the page's player says of itself."""
        return await self.page.evaluate("window.streamer.state()")

    async def has(self, condition: str, argument: Any = None, *, seconds: float = 20) -> None:
        """Wait for a condition on the player's state `s`, such as `s.time > 5`; `a` is the argument."""
        script = f"a => {{ const s = window.streamer?.state(); return !!s && ({condition}); }}"
        await self.page.wait_for_function(script, arg=argument, timeout=seconds * 1000)

    async def shown(self) -> list[tuple[float, float, int]]:
        """Return (wall milliseconds, media seconds, height) of the pictures presented so far."""
        return [tuple(each) for each in await self.page.evaluate("window.shown")]

    async def contrast(self, name: str, box: Locator | None = None) -> float:
        """Write a screenshot of a box, the video's by default, to shots/; return the spread of its greys."""
        png = await (box or self.page.locator("stream-player video")).screenshot()
        await asyncio.to_thread(SHOTS.mkdir, exist_ok=True)
        await asyncio.to_thread((SHOTS / f"{name}.png").write_bytes, png)
        return float(np.asarray(Image.open(io.BytesIO(png)).convert("L")).std())


@asynccontextmanager
async def visiting(browser: Browser, site: Site) -> AsyncIterator[Visit]:
    """Open a page of its own context. At the end: no other host was asked, nothing was logged as an error."""
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    try:
        page = await context.new_page()
        visit = Visit(page=page, site=site, devtools=await context.new_cdp_session(page))
        await visit.devtools.send("Network.enable")
        _listen(visit)
        yield visit
        assert visit.hosts == {urlsplit(site.base).netloc}
        assert (visit.errors, visit.dialogs) == ([], [])
    finally:
        await context.close()


def _listen(visit: Visit) -> None:
    def asked(request: Request) -> None:
        if not request.url.startswith(("data:", "blob:")):
            visit.hosts.add(urlsplit(request.url).netloc)

    def logged(message: ConsoleMessage) -> None:
        if message.type == "error":
            visit.errors.append(f"{message.text} {message.location}")

    page = visit.page
    page.on("request", asked)
    page.on("websocket", lambda socket: visit.hosts.add(urlsplit(socket.url).netloc))
    page.on("console", logged)
    page.on("pageerror", lambda error: visit.errors.append(str(error)))
    page.on("requestfailed", lambda request: visit.aborted.append(request.url))
    page.on("dialog", lambda dialog: _dismiss(visit, dialog.message, dialog.dismiss))


async def _dismiss(visit: Visit, message: str, dismiss: Callable[[], Awaitable[None]]) -> None:
    visit.dialogs.append(message)
    await dismiss()


def pauses(shown: list[tuple[float, float, int]]) -> float:
    """Return the longest time in seconds between two presented pictures."""
    gaps = (after[0] - before[0] for before, after in itertools.pairwise(shown))
    return max(gaps, default=0) / 1000
