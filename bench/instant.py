"""From an upload's last byte to the first picture, in Chromium: python -m bench.instant [TIMES] [FOLDER].

The watch page is open before the first byte is sent, as it is for someone who waits. Also, for sources that
can grow: from the first byte to the first picture, sent at 2 MB/s.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from playwright.async_api import Browser, Page

from bench._instant_sources import growing, sources
from tests.browser.site import Site, serving
from tests.media.browser import chromium

RESULTS = Path(__file__).parent / "results" / "instant.json"
RATE = 2_000_000
"""Bytes a second of a source that is watched while it is sent."""

_BLOCK = 64 << 10
_TUS = {"Tus-Resumable": "1.0.0"}
_FIRST = """() => new Promise(done => {
    const wait = () => {
        const video = window.streamer?.video;
        if (!video) { setTimeout(wait, 5); return; }
        video.muted = true;
        video.requestVideoFrameCallback(now => done(performance.timeOrigin + now));
    };
    wait();
})"""


async def create(session: aiohttp.ClientSession, path: Path) -> tuple[str, str]:
    """Create an upload; return its address and its asset."""
    headers = {**_TUS, "Upload-Length": str(path.stat().st_size)}
    async with session.post("/api/v1/uploads", headers=headers) as made:
        made.raise_for_status()
        return made.headers["Location"], made.headers["Streamer-Asset"]


async def blocks(path: Path, *, rate: int) -> AsyncIterator[bytes]:
    """Yield a file in blocks, no faster than so many bytes a second; 0 is as fast as it goes."""
    began = time.monotonic()
    with path.open("rb") as file:
        for number in itertools.count():
            block = file.read(_BLOCK if rate else 1 << 20)
            if not block:
                return
            yield block
            if rate:
                due = began + (number + 1) * _BLOCK / rate
                await asyncio.sleep(max(0, due - time.monotonic()))


async def send(session: aiohttp.ClientSession, address: str, path: Path, *, rate: int = 0) -> float:
    """Send all bytes; return the wall clock when the last one was acknowledged."""
    headers = {**_TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    headers["Content-Length"] = str(path.stat().st_size)
    async with session.patch(address, data=blocks(path, rate=rate), headers=headers) as answer:
        answer.raise_for_status()
    return time.time()


async def first_picture(page: Page) -> float:
    """Wait for the first presented picture; return its wall clock."""
    return float(await page.evaluate(_FIRST)) / 1000


async def open_page(browser: Browser, site: Site, asset: str) -> Page:
    page = await (await browser.new_context()).new_page()
    await page.goto(f"{site.base}/watch/{asset}", wait_until="networkidle")
    return page


async def once(browser: Browser, site: Site, path: Path, *, rate: int = 0) -> float:
    """Return the seconds from the last byte to the first picture, or from the first one where it is paced."""
    async with aiohttp.ClientSession(site.base) as session:
        address, asset = await create(session, path)
        page = await open_page(browser, site, asset)
        async with asyncio.timeout(120):
            picture = asyncio.create_task(first_picture(page))
            began = time.time()
            sending = asyncio.create_task(send(session, address, path, rate=rate))
            if rate:
                took = await picture - began
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
            else:
                took = -await sending + await picture
        await page.context.close()
        async with session.delete(f"/api/v1/assets/{asset}"):
            pass
    return took


async def through_the_page(browser: Browser, site: Site, path: Path) -> float:
    """Send a file with its index last through the library page; return the seconds from its first byte."""
    context = await browser.new_context()
    page, watching = await context.new_page(), await context.new_page()
    opened = asyncio.Event()
    sent: list[float] = []

    async def hold(route: Any) -> None:
        end = "upload-concat" in route.request.headers
        if end:
            await opened.wait()
        await route.continue_()
        if end:  # a page whose requests are intercepted is most of a second late with a long body
            await page.unroute("**/api/v1/uploads", hold)

    def note(request: Any) -> None:
        if request.method == "PATCH":
            sent.append(time.time())

    await page.goto(f"{site.base}/")
    await page.route("**/api/v1/uploads", hold)
    page.on("request", note)
    devtools = await context.new_cdp_session(page)
    await devtools.send("Network.enable")
    limits = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": RATE}
    await devtools.send("Network.emulateNetworkConditions", limits)
    async with page.expect_response(lambda answer: "streamer-asset" in answer.headers) as created:
        await page.locator("input[type=file]").set_input_files(path)
    asset = (await created.value).headers["streamer-asset"]
    await watching.goto(f"{site.base}/watch/{asset}")
    async with asyncio.timeout(120):
        picture = asyncio.create_task(first_picture(watching))
        opened.set()
        took = await picture - sent[0]
    await context.close()
    async with aiohttp.ClientSession(site.base) as session, session.delete(f"/api/v1/assets/{asset}"):
        pass
    return took


def summary(times: list[float]) -> dict[str, Any]:
    """Return the median and the 95th percentile, the nearest rank of few."""
    ranked = sorted(times)
    last = ranked[min(len(ranked) - 1, -(-95 * len(ranked) // 100) - 1)]
    return {"p50": round(statistics.median(ranked), 2), "p95": round(last, 2), "times": len(ranked)}


async def measure(times: int, folder: Path) -> dict[str, Any]:
    """Run everything; every line is printed as it is known."""
    found: dict[str, Any] = {"after the last byte": {}, "after the first byte, 2 MB/s": {}}
    async with chromium() as browser, serving(folder / "data") as site:
        for source in sources(folder):
            took = [await once(browser, site, source.path) for _ in range(times)]
            line = summary(took) | {"complies": source.complies}
            found["after the last byte"][source.name] = line
            print(f"{source.name:18} last byte to first picture {line}", flush=True)
        for name, path in growing(folder).items():
            if name == "MP4, index last":
                took = [await through_the_page(browser, site, path) for _ in range(times)]
            else:
                took = [await once(browser, site, path, rate=RATE) for _ in range(times)]
            line = summary(took)
            found["after the first byte, 2 MB/s"][name] = line
            print(f"{name:18} first byte to first picture {line}", flush=True)
    return found


def main() -> None:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    with tempfile.TemporaryDirectory(prefix="streamer-bench-") as scratch:
        folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        found = asyncio.run(measure(times, folder))
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
