"""How old a picture is when it is seen, through the whole product: python -m bench.live [SECONDS].

A camera draws a number into every frame as it takes it and publishes over RTMP; players in Chromium show it,
and the number is read back from the displayed picture: other people's players, and the product's own page in
each of its tiers. 640 by 360 at 25 frames a second, sound included; all of it, camera and players too, on one
machine.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from playwright.async_api import Browser

from tests.browser import onair
from tests.browser.site import Site, serving, visiting
from tests.media.browser import Engine, chromium, open_page, playing
from tests.media.camera import Camera, filming

RESULTS = Path(__file__).parent / "results" / "live.json"
_SETTLE = 6
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


async def watch(browser: Browser, root: str, way: Way, camera: Camera, *, seconds: int) -> dict[str, Any]:
    """Watch one way and return what was seen; `root` is the stream's address."""
    async with open_page(browser) as page:
        url = f"{root}/{way.manifest}"
        async with playing(page, way.engine, url, read=True, config=way.config) as playback:
            await asyncio.sleep(_SETTLE)
            before = await playback.report()
            await asyncio.sleep(seconds)
            watched = await playback.report()
    frames = [one for one in watched.frames[len(before.frames) :] if one.number is not None]
    delays = [camera.delay(one.number, one.shown) for one in frames if one.number is not None]
    return _told(
        way.name,
        delays,
        stalls=len(watched.stalls) - len(before.stalls),
        fatal=list(watched.fatal),
        dropped=watched.dropped - before.dropped,
    )


def _told(way: str, delays: list[float], **more: Any) -> dict[str, Any]:
    delays.sort()
    return {
        "way": way,
        "pictures": len(delays),
        "p50": round(statistics.median(delays), 3) if delays else None,
        "p95": round(delays[int(len(delays) * 0.95)], 3) if delays else None,
        **more,
    }


async def page(browser: Browser, site: Site, seconds: int) -> list[dict[str, Any]]:
    """Watch the product's own page in each tier."""
    found = []
    air = await onair.made(site, "Tiers")
    async with visiting(browser, site) as visit, air.filming() as camera:
        await visit.page.goto(air.page)
        await onair.read(visit)
        await visit.has("s.live && s.follows && !s.waiting && s.time > 4", seconds=40)
        for tier, name in (("low", "Low"), ("push", "Turbo"), ("normal", "Normal")):
            player = visit.page.locator("stream-player")
            await player.hover()
            await player.get_by_role("button", name="Delay", exact=True).click()
            await player.get_by_role("menuitemradio", name=name).click()
            await visit.has(f"s.tier === '{tier}' && s.live && !s.waiting")
            await asyncio.sleep(_SETTLE)
            await visit.page.evaluate("() => { window.drawn = []; }")
            await asyncio.sleep(seconds)
            delays = [camera.delay(n, shown) for n, shown, _ in await onair.drawn(visit) if n is not None]
            fallen = (await visit.state())["fallen"]
            found.append(_told(f"our page, {tier}", delays, fallen=fallen))
            print(json.dumps(found[-1]), flush=True)
    await air.end()
    return found


async def measure(seconds: int) -> list[dict[str, Any]]:
    """Broadcast once for each length of parts, and watch every way, one after the other."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        async with chromium() as browser, serving(Path(folder)) as site:
            for parts in dict.fromkeys(way.parts for way in WAYS):
                async with aiohttp.ClientSession(site.base) as session:
                    async with session.post("/api/v1/live", json={"part_seconds": parts}) as made:
                        stream = await made.json()
                    async with filming(f"{stream['ingest']['rtmp']}/{stream['key']}") as camera:
                        await _live(session, stream["id"])
                        for way in WAYS:
                            if way.parts == parts:
                                root = f"{site.base}/v/{stream['id']}"
                                seen = await watch(browser, root, way, camera, seconds=seconds)
                                print(json.dumps(seen), flush=True)
                                found.append(seen)
                    await session.post(f"/api/v1/live/{stream['id']}/end")
            found += await page(browser, site, seconds)
    return found


async def _live(session: aiohttp.ClientSession, stream: str) -> None:
    async with asyncio.timeout(30):
        while True:
            async with session.get(f"/api/v1/live/{stream}") as shown:
                if (await shown.json())["state"] == "live":
                    return
            await asyncio.sleep(0.1)


def main() -> None:
    """Measure, print and keep."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    found = asyncio.run(measure(seconds))
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
