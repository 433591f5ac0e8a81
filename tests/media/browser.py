"""Watch a URL in headless Chromium with hls.js, Shaka Player or dash.js; keep what a viewer would notice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from playwright.async_api import Browser, Page, async_playwright

from tests.judges.install import install
from tests.media.clients import need
from tests.media.serving import serve

Engine = Literal["hls.js", "shaka", "dash.js"]
ENGINES: tuple[Engine, ...] = ("hls.js", "shaka", "dash.js")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)
PAGES = Path(__file__).parent / "page"


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """One picture that reached the screen: media time in seconds, number read, its size as decoded.

    `shown` is when it was displayed, by the wall clock in seconds since the epoch.
    """

    time: float
    number: int | None
    width: int
    height: int
    shown: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """The engine said at media time `at` that it plays another rung."""

    at: float
    height: int
    bandwidth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the engine said of a marker: by which way, its name there, for which second, and at which one."""

    way: str
    id: str
    time: float
    at: float
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """The record of one playback. Times are seconds of media time; a stall is (at, how long or None)."""

    engine: Engine
    frames: tuple[Presented, ...]
    presented: int
    dropped: int
    stalls: tuple[tuple[float, float | None], ...]
    errors: tuple[str, ...]
    fatal: tuple[str, ...]
    switches: tuple[Switch, ...]
    buffered: tuple[tuple[float, float], ...]
    position: float
    duration: float | None
    ended: bool
    size: tuple[int, int]
    heights: tuple[int, ...]
    texts: tuple[str, ...]
    sounds: tuple[str, ...]
    told: tuple[Told, ...]

    def wrong(self, expected: dict[float, int], *, slack: float = 0.002) -> list[Presented]:
        """Return pictures whose number is none of those expected within `slack` of their media time."""
        times = sorted(expected)
        return [
            frame
            for frame in self.frames
            if frame.number not in {expected[time] for time in times if abs(time - frame.time) <= slack}
        ]

    def backward(self) -> list[Presented]:
        """Return pictures that came after one with a later media time."""
        return [
            after
            for before, after in zip(self.frames, self.frames[1:], strict=False)
            if after.time < before.time
        ]


@asynccontextmanager
async def chromium(*flags: str) -> AsyncIterator[Browser]:
    """Run the machine's Chromium; skips by name where there is none, fails under CI=true."""
    path = need("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=[*FLAGS, *flags])
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def open_page(browser: Browser) -> AsyncIterator[Page]:
    """Open a page of its own context; closed at the end."""
    context = await browser.new_context(viewport={"width": 1280, "height": 720})
    try:
        yield await context.new_page()
    finally:
        await context.close()


async def throttle(page: Page, kilobits: int, *, latency: int = 20) -> None:
    """Hold the page's network to so many kilobits a second and milliseconds of latency; 0 lifts the limit."""
    session = await page.context.new_cdp_session(page)
    await session.send("Network.enable")
    speed = kilobits * 1000 // 8 if kilobits else -1
    limits = {"offline": False, "latency": latency if kilobits else 0, "downloadThroughput": speed}
    await session.send("Network.emulateNetworkConditions", {**limits, "uploadThroughput": -1})


def _watched(engine: Engine, report: dict[str, Any]) -> Watched:
    frames = tuple(
        Presented(time=time, number=number, width=width, height=height, shown=shown)
        for time, number, _, width, height, shown in report["frames"]
    )
    errors = report["errors"]
    return Watched(
        engine=engine,
        frames=frames,
        presented=report["presented"],
        dropped=report["dropped"],
        stalls=tuple((stall["at"], stall["seconds"]) for stall in report["stalls"]),
        errors=tuple(error["text"] for error in errors),
        fatal=tuple(error["text"] for error in errors if error["fatal"]),
        switches=tuple(Switch(**switch) for switch in report["switches"]),
        buffered=tuple((begin, end) for begin, end in report["buffered"]),
        position=report["position"],
        duration=report["duration"],
        ended=report["ended"],
        size=(report["width"], report["height"]),
        heights=tuple(report["heights"]),
        texts=tuple(name or "" for name in report["texts"]),
        sounds=tuple(name or "" for name in report["sounds"]),
        told=tuple(Told(**one) for one in report["told"]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Playback:
    """A playback under way on a page."""

    page: Page
    engine: Engine

    async def report(self) -> Watched:
        """Return the record so far."""
        return _watched(self.engine, await self.page.evaluate("harness.report()"))

    async def until(self, position: float, *, patience: float) -> Watched:
        """Wait until media time `position`, the end or a fatal error, for `patience` seconds at most."""
        deadline = asyncio.get_running_loop().time() + patience
        while True:
            done = await self.page.evaluate(
                "at => video.currentTime >= at || video.ended || harness.report().errors.some(e => e.fatal)",
                position,
            )
            if done or asyncio.get_running_loop().time() > deadline:
                return await self.report()
            await asyncio.sleep(0.1)

    async def select(self, height: int) -> None:
        """Force the rung of that height; 0 gives the choice back to the engine."""
        await self.page.evaluate("height => harness.select(height)", height)

    async def seek(self, position: float) -> None:
        """Seek to a media time in seconds."""
        await self.page.evaluate("at => { video.currentTime = at }", position)


@asynccontextmanager
async def playing(
    page: Page,
    engine: Engine,
    url: str,
    *,
    read: bool = False,
    start: float = 0,
    begin: float | None = None,
    config: dict[str, Any] | None = None,
    kilobits: int = 0,
) -> AsyncIterator[Playback]:
    """Start playing `url`, muted, with an engine; `read` reads drawn numbers, `config` is the engine's own.

    `begin` is where Shaka Player begins with what is live, which is else near its end. `kilobits` a second
    are the page's network from before the manifest on, 0 for no limit.
    """
    modules = install() / "node_modules"
    async with serve(PAGES, modules) as base:
        await page.goto(f"{base}/harness.html")
        await page.wait_for_function("window.ready === true")
        await page.evaluate("engine => harness.prepare(engine)", engine)
        if kilobits:
            await throttle(page, kilobits)
        options = {
            "engine": engine,
            "url": url,
            "read": read,
            "config": config,
            "from": start,
            "begin": begin,
        }
        await page.evaluate("options => harness.start(options)", options)
        yield Playback(page=page, engine=engine)
        await page.goto("about:blank")


async def play(
    page: Page, engine: Engine, url: str, seconds: float, *, read: bool = False, patience: float | None = None
) -> Watched:
    """Play `url` to media time `seconds`, its end or a fatal error, and return the record."""
    async with playing(page, engine, url, read=read) as playback:
        return await playback.until(seconds, patience=patience or 2 * seconds + 20)
