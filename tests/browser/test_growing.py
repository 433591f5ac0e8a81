"""Other players play what grows from its beginning to its end: EVENT to VOD, dynamic to static."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import pytest
from aiohttp import web
from playwright.async_api import Browser

from packager import manifests
from packager.ladder import Effort
from packager.model import Presentation, Rendition
from packager.package import package
from packager.process import Spawner
from packager.store import DiskStore
from tests.media.browser import ENGINES, Engine, Watched, chromium, open_page, playing
from tests.media.clip import Library
from tests.media.serving import TYPES, serve
from tests.media.sources import KINDS

pytestmark = pytest.mark.browser
MANIFEST = {"hls.js": "main.m3u8", "shaka": "main.mpd", "dash.js": "main.mpd#t=0"}
EVERY = 1.5
"""Seconds from one segment's arrival to the next one's: what is there is ahead of what plays."""


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as opened:
        yield opened


def so_far(whole: Presentation, segments: int) -> Presentation:
    """Return the presentation as it was when so many segments had come."""

    def cut(track: Rendition) -> Rendition:
        return replace(track, borders=track.borders[: segments + 1])

    longest = whole.video[0]
    if segments >= len(longest.borders) - 1:
        return whole
    return replace(
        whole,
        duration=Fraction(longest.borders[segments], longest.timescale),
        video=tuple(map(cut, whole.video)),
        audio=tuple(map(cut, whole.audio)),
        intra=whole.intra and cut(whole.intra),
        ended=False,
    )


class Arrival:
    """Answers manifests as they are at the moment: from the first request on they grow."""

    def __init__(self, whole: Presentation) -> None:
        self.open = 0
        self.final = 0
        self._whole = whole
        self._began: float | None = None

    async def answer(self, request: web.Request) -> web.StreamResponse | None:
        key = request.path.lstrip("/")
        if Path(key).suffix not in {".m3u8", ".mpd"}:
            return None
        now = asyncio.get_running_loop().time()
        self._began = self._began or now
        shown = so_far(self._whole, 1 + int((now - self._began) / EVERY))
        self.open += not shown.ended
        self.final += shown.ended
        text = manifests.render(shown, key)
        assert text is not None
        headers = {"Access-Control-Allow-Origin": "*", "Content-Type": TYPES[Path(key).suffix]}
        return web.Response(body=text.encode(), headers=headers)


async def watch(
    browser: Browser, folder: Path, whole: Presentation, engine: Engine
) -> tuple[Watched, Arrival]:
    arrival = Arrival(whole)
    async with (
        serve(folder, hook=arrival.answer) as base,
        open_page(browser) as page,
        playing(page, engine, f"{base}/{MANIFEST[engine]}", read=True, begin=0) as playback,
    ):
        return await playback.until(float(whole.duration) - 0.15, patience=40), arrival


async def test_what_grows_is_played_from_its_beginning_through_to_its_end(
    browser: Browser, clips: Library, tmp_path: Path
) -> None:
    clip = KINDS["irregular"]
    async with Spawner(Path(imageio_ffmpeg.get_ffmpeg_exe())) as spawner:
        whole = await package(
            clips.path("irregular"),
            DiskStore(tmp_path),
            spawner=spawner,
            slots=2,
            sink=lambda _: None,
            started=1_700_000_000,
            effort=Effort(preset="ultrafast", sides=(144,)),
        )
    expected = {float(frame.time - clip.start): frame.number for frame in clip.frames}
    for engine, (watched, arrival) in zip(
        ENGINES,
        await asyncio.gather(*(watch(browser, tmp_path, whole, engine) for engine in ENGINES)),
        strict=True,
    ):
        told = (engine, watched.position, watched.errors, watched.stalls, arrival.open, arrival.final)
        assert (watched.fatal, watched.backward()) == ((), []), told
        assert watched.position >= float(whole.duration) - 0.2, told
        assert watched.frames[0].time < 0.5, told
        assert watched.presented >= 0.8 * len(clip.frames), told
        assert arrival.open >= 2, told
        assert arrival.final >= 1, told
        late = [frame for frame in watched.wrong(expected) if frame.number is not None]
        assert len(late) * 5 < len(watched.frames), told
