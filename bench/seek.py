"""From a seek into what is not encoded yet to its picture: python -m bench.seek [TIMES] [FOLDER].

Ten minutes of 720p whose picture is encoded, copying turned off; the server fills in the background, on the
same two cores. The watch page is in Chromium; each seek goes to where nothing is made.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import aiohttp

from bench._instant_sources import ten_minutes
from bench.instant import create, open_page, send, summary
from tests.browser import site as sites
from tests.browser.site import serving
from tests.media.browser import chromium

RESULTS = Path(__file__).parent / "results" / "seek.json"
_SEEK = """at => new Promise(done => {
    const video = window.streamer.video;
    const began = performance.now();
    const seen = (now, frame) => {
        if (Math.abs(frame.mediaTime - at) < 1) done([now - began, video.videoHeight]);
        else video.requestVideoFrameCallback(seen);
    };
    video.requestVideoFrameCallback(seen);
    video.currentTime = at;
})"""


def missing(media: Path) -> list[int]:
    """Return the segments of which no rendition has anything, nor of their neighbours."""
    made = {int(path.stem) for path in media.rglob("*.m4s")}
    return [number for number in range(2, 145) if not {number - 1, number, number + 1} & made]


async def measure(times: int, folder: Path) -> dict[str, Any]:
    """Return the times of so many seeks and the heights that they showed."""
    sites.FAST["STREAMER_ENCODE_COPY"] = "false"
    sites.FAST["STREAMER_ENCODE_PRESET"] = "veryfast"
    choose = random.Random(1)
    took, heights = [], []
    source = ten_minutes(folder)
    async with (
        chromium() as browser,
        serving(folder / "data") as site,
        aiohttp.ClientSession(site.base) as session,
    ):
        address, asset = await create(session, source)
        page = await open_page(browser, site, asset)
        await send(session, address, source)
        await page.wait_for_function("() => window.streamer?.video?.currentTime > 1")
        for _ in range(times):
            await asyncio.sleep(2)  # the fill goes on between seeks
            number = choose.choice(missing(site.data / "media" / asset))
            milliseconds, height = await page.evaluate(_SEEK, number * 4 + 1)
            took.append(milliseconds / 1000)
            heights.append(height)
            print(f"segment {number}: {milliseconds / 1000:.2f} s at {height}p", flush=True)
    return summary(took) | {"heights": sorted(set(heights))}


def main() -> None:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with tempfile.TemporaryDirectory(prefix="streamer-bench-") as scratch:
        folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        found = asyncio.run(measure(times, folder))
    print(found)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
