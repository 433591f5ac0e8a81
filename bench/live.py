"""How old a picture is when it is seen, through the whole product: python -m bench.live [SECONDS] [WORD…].

A camera draws a number into every frame as it takes it and publishes over RTMP; players in Chromium show it,
and the number is read back from the displayed picture: other people's players, and the product's own page in
each of its tiers. 640 by 360 at 25 frames a second, sound included; all of it, camera and players too, on one
machine. Beside it the stream is followed from outside, which tells how much of that is the way to the server,
the encoder, the wait for the end of a part, the distance that the player keeps, and the display.

With words only those ways are watched whose name has one of them: `python -m bench.live 300 low push` is five
minutes of the page in each of two tiers.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from playwright.async_api import Browser

from bench._stages import DUE, Stages, followed
from tests.browser import onair
from tests.browser.site import Site, Visit, serving, visiting
from tests.media.browser import Engine, chromium, open_page, playing
from tests.media.camera import Camera, filming

RESULTS = Path(__file__).parent / "results" / "live.json"
_SETTLE = 10
"""Seconds that a player has to come to rest before what it shows counts."""

_LOW_HLS = {"lowLatencyMode": True, "maxLiveSyncPlaybackRate": 1.05}
_LOW_SHAKA = {"streaming": {"lowLatencyMode": True}}
_LOW_DASH = {
    "streaming": {
        "delay": {"applyServiceDescription": True},
        "liveCatchup": {"enabled": True},
        "abr": {"autoSwitchBitrate": {"video": False}},
    }
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to watch: a player, its manifest, and what it is told."""

    name: str
    engine: Engine
    manifest: str
    config: dict[str, Any]
    parts: float


Split = Callable[[list[tuple[int, float]]], dict[str, float | None]]
TIERS = (("low", "Low"), ("push", "Turbo"), ("normal", "Normal"))
WAYS = (
    Way(name="LL-HLS, 0.333 s, hls.js", engine="hls.js", manifest="main.m3u8", config=_LOW_HLS, parts=0.333),
    Way(name="LL-HLS, 0.2 s, hls.js", engine="hls.js", manifest="main.m3u8", config=_LOW_HLS, parts=0.2),
    Way(name="LL-HLS, 0.333 s, Shaka", engine="shaka", manifest="main.m3u8", config=_LOW_SHAKA, parts=0.333),
    Way(
        name="LL-DASH, 0.333 s, dash.js", engine="dash.js", manifest="main.mpd", config=_LOW_DASH, parts=0.333
    ),
    Way(name="LL-DASH, 0.333 s, Shaka", engine="shaka", manifest="main.mpd", config=_LOW_SHAKA, parts=0.333),
    Way(
        name="plain HLS, hls.js",
        engine="hls.js",
        manifest="main.m3u8",
        config={"lowLatencyMode": False},
        parts=0.333,
    ),
)


async def watch(
    browser: Browser, root: str, way: Way, camera: Camera, stages: Stages, *, seconds: int
) -> dict[str, Any]:
    """Watch one way and return what was seen; `root` is the stream's address."""
    async with open_page(browser) as page:
        url = f"{root}/{way.manifest}"
        async with playing(page, way.engine, url, read=True, config=way.config) as playback:
            await asyncio.sleep(_SETTLE)
            before = await playback.report()
            await page.evaluate(f"({DUE})(document.querySelector('video'))")
            await asyncio.sleep(seconds)
            watched = await playback.report()
            display = statistics.median(await page.evaluate("window.due")) / 1000
    frames = [(one.number, one.shown) for one in watched.frames[len(before.frames) :]]
    return _told(
        way.name,
        [(number, shown) for number, shown in frames if number is not None],
        camera,
        stages=lambda seen: stages.split(seen, display=display, pushed=False),
        stalls=len(watched.stalls) - len(before.stalls),
        fatal=list(watched.fatal),
        dropped=watched.dropped - before.dropped,
    )


def _told(
    way: str, seen: list[tuple[int, float]], camera: Camera, *, stages: Split, **more: Any
) -> dict[str, Any]:
    delays = sorted(camera.delay(number, shown) for number, shown in seen)
    found = {
        "way": way,
        "pictures": len(delays),
        "p50": round(statistics.median(delays), 3) if delays else None,
        "p95": round(delays[int(len(delays) * 0.95)], 3) if delays else None,
        "stages": stages(seen),
        **more,
    }
    print(json.dumps(found), flush=True)
    return found


async def page(
    session: aiohttp.ClientSession, browser: Browser, site: Site, seconds: int, words: Sequence[str]
) -> list[dict[str, Any]]:
    """Watch the product's own page in each tier."""
    chosen = [each for each in TIERS if wanted(f"our page, {each[0]}", words)]
    if not chosen:
        return []
    found = []
    air = await onair.made(site, "Tiers")
    async with visiting(browser, site) as visit, air.filming() as camera:
        await visit.page.goto(air.page)
        await onair.read(visit)
        await visit.has("s.live && s.follows && !s.waiting && s.time > 4", seconds=40)
        async with followed(session, f"{site.base}/v/{air.stream['id']}", camera) as stages:
            found = [await tier(visit, camera, stages, each, seconds) for each in chosen]
            print(json.dumps(stages.sound()), flush=True)
    await air.end()
    return found


async def tier(
    visit: Visit, camera: Camera, stages: Stages, chosen: tuple[str, str], seconds: int
) -> dict[str, Any]:
    """Watch one tier of the page that is open."""
    tier, name = chosen
    player = visit.page.locator("stream-player")
    await player.hover()
    await player.get_by_role("button", name="Delay", exact=True).click()
    await player.get_by_role("menuitemradio", name=name).click()
    await visit.has(f"s.tier === '{tier}' && s.live && !s.waiting")
    await asyncio.sleep(_SETTLE)
    await visit.page.evaluate(f"({DUE})(window.streamer.video)")
    await visit.page.evaluate("() => { window.drawn = []; }")
    dropped = (await visit.state())["dropped"]
    await asyncio.sleep(seconds)
    seen = [(n, shown) for n, shown, _ in await onair.drawn(visit) if n is not None]
    display = statistics.median(await visit.page.evaluate("window.due")) / 1000
    state = await visit.state()
    return _told(
        f"our page, {tier}",
        seen,
        camera,
        stages=lambda pictures: stages.split(pictures, display=display, pushed=tier == "push"),
        stalls=await visit.page.evaluate("window.stood"),
        fallen=state["fallen"],
        dropped=state["dropped"] - dropped,
    )


def wanted(name: str, words: Sequence[str]) -> bool:
    """Say whether a way is to be watched."""
    return not words or any(word in name for word in words)


async def measure(seconds: int, words: Sequence[str]) -> list[dict[str, Any]]:
    """Broadcast once for each length of parts, and watch every way, one after the other."""
    ways = [way for way in WAYS if wanted(way.name, words)]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        async with (
            chromium() as browser,
            serving(Path(folder)) as site,
            aiohttp.ClientSession(site.base) as session,
        ):
            for parts in dict.fromkeys(way.parts for way in ways):
                async with session.post("/api/v1/live", json={"part_seconds": parts}) as made:
                    stream = await made.json()
                root = f"/v/{stream['id']}"
                async with filming(f"{stream['ingest']['rtmp']}/{stream['key']}") as camera:
                    await _live(session, stream["id"])
                    async with followed(session, root, camera) as stages:
                        found += [
                            await watch(browser, f"{site.base}{root}", way, camera, stages, seconds=seconds)
                            for way in ways
                            if way.parts == parts
                        ]
                await session.post(f"/api/v1/live/{stream['id']}/end")
            found += await page(session, browser, site, seconds, words)
    return found


async def _live(session: aiohttp.ClientSession, stream: str) -> None:
    async with asyncio.timeout(30):
        while True:
            async with session.get(f"/api/v1/live/{stream}") as shown:
                if (await shown.json())["state"] == "live":
                    return
            await asyncio.sleep(0.1)


def main() -> None:
    """Measure, print and keep; what was asked for by words is kept by itself."""
    seconds, words = int(sys.argv[1]) if len(sys.argv) > 1 else 20, sys.argv[2:]
    found = asyncio.run(measure(seconds, words))
    (RESULTS.with_name("live_long.json") if words else RESULTS).write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
