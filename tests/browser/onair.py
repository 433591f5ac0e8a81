"""A live stream on the pages of a running server: a camera that films numbers, and how late they are seen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

from tests.browser.site import Site, Visit
from tests.media.browser import PAGES
from tests.media.camera import Camera, filming

_READER = (PAGES / "drawn.js").read_text(encoding="utf-8").replace("export function", "function")
# Every picture's number, when it was displayed by the wall clock in seconds, and its media time.
_READ = f"""() => {{
    {_READER}
    const video = window.streamer.video;
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [96, 64];
    const context = canvas.getContext("2d", {{ willReadFrequently: true }});
    window.drawn = [];
    window.faults = [];
    video.addEventListener("error", () => window.faults.push(video.error?.message ?? "error"));
    const each = (now, {{ expectedDisplayTime, mediaTime }}) => {{
        const shown = (performance.timeOrigin + expectedDisplayTime) / 1000;
        window.drawn.push([readNumber(video, context), shown, mediaTime]);
        video.requestVideoFrameCallback(each);
    }};
    video.requestVideoFrameCallback(each);
}}"""
_ENOUGH = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class OnAir:
    """A stream of a site. `stream` is what the API answered when it was made, its key included."""

    site: Site
    stream: dict[str, Any]

    @property
    def page(self) -> str:
        """Return the address of its watch page."""
        return f"{self.site.base}{self.stream['page']}"

    @asynccontextmanager
    async def filming(self) -> AsyncIterator[Camera]:
        """Publish numbered pictures while the block runs."""
        async with filming(f"{self.stream['ingest']['rtmp']}/{self.stream['key']}", gop=25) as camera:
            yield camera

    async def end(self) -> None:
        """End what is on air."""
        await self.site.call("POST", f"/live/{self.stream['id']}/end")


async def made(site: Site, title: str, **settings: Any) -> OnAir:
    """Make a stream."""
    return OnAir(site=site, stream=await site.call("POST", "/live", json={"title": title, **settings}))


async def read(visit: Visit) -> None:
    """Read the number of every picture that the watch page presents from now on."""
    await visit.page.wait_for_function("() => window.streamer?.video?.currentSrc")
    await visit.page.evaluate(_READ)


async def drawn(visit: Visit) -> list[tuple[int | None, float, float]]:
    """Return (number, when it was displayed, media seconds) of the pictures read so far."""
    return [tuple(each) for each in await visit.page.evaluate("window.drawn")]


async def faults(visit: Visit) -> list[str]:
    """Return the errors of the video element since its pictures are read."""
    return list(await visit.page.evaluate("window.faults"))


async def delay(visit: Visit, camera: Camera) -> float:
    """Return how many seconds after it was taken a picture is seen: the median of the next ones."""
    await visit.page.evaluate("() => { window.drawn = []; }")
    counted = f"() => window.drawn.filter(([number]) => number !== null).length >= {_ENOUGH}"
    await visit.page.wait_for_function(counted, timeout=20_000)
    return median(
        camera.delay(number, shown) for number, shown, _ in await drawn(visit) if number is not None
    )
