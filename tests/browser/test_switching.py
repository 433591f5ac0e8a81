"""Other players change rungs at every border of a packaged folder, and every picture is the right one."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import m3u8
import pytest
from playwright.async_api import Browser

from tests.media.browser import Engine, Presented, Watched, chromium, open_page, playing
from tests.media.clip import Clip, Library
from tests.media.serving import serve
from tests.media.sources import KINDS
from tests.spawn import Child

pytestmark = pytest.mark.browser
# So short a buffer that what is fetched next is what was asked for in the segment before.
HASTY = {
    "hls.js": {"maxBufferLength": 1, "maxMaxBufferLength": 1, "startLevel": 0},
    "shaka": {"streaming": {"bufferingGoal": 1.5, "rebufferingGoal": 0.5}, "abr": {"enabled": False}},
    "dash.js": {
        "streaming": {
            "buffer": {"bufferTimeDefault": 1.5, "bufferTimeAtTopQuality": 1.5, "initialBufferLevel": 0.5},
            "abr": {"autoSwitchBitrate": {"video": False}},
        }
    },
}
MANIFEST = {"hls.js": "main.m3u8", "shaka": "main.mpd", "dash.js": "main.mpd"}
# A busy machine calls back late, when a later picture is already in its place; never an earlier one.
LATE = 0.2
EXACT = 0.004


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as opened:
        yield opened


def _borders(folder: Path) -> list[float]:
    """Return the seconds at which segments begin, the first and the end included."""
    variants = m3u8.load(str(folder / "main.m3u8")).playlists
    segments = m3u8.load(str(folder / variants[0].uri)).segments
    return list(itertools.accumulate((segment.duration for segment in segments), initial=0.0))


async def _switch(browser: Browser, folder: Path, engine: Engine, borders: list[float]) -> Watched:
    """Play to the end, asking for the other of two rungs in the middle of every segment."""
    async with (
        serve(folder) as base,
        open_page(browser) as page,
        playing(page, engine, f"{base}/{MANIFEST[engine]}", read=True, config=HASTY[engine]) as playback,
    ):
        for border in borders[:-2]:
            watched = await playback.until(border + 0.5, patience=20)
            await playback.select(next(iter({*watched.heights} - {watched.frames[-1].height})))
        return await playback.until(borders[-1] - 0.15, patience=20)


def _judge(clip: Clip, pictures: list[Presented]) -> None:
    """Check that no number is of an earlier time or much later, and that most are of their very time."""
    expected = [(float(shown.time - clip.start), shown.number) for shown in clip.frames]
    exact = 0
    for picture in pictures:
        near = {number for time, number in expected if -EXACT <= time - picture.time <= LATE}
        assert picture.number in near, picture
        exact += picture.number in {n for time, n in expected if abs(time - picture.time) <= EXACT}
    assert exact * 2 > len(pictures)


@pytest.mark.parametrize(
    ("name", "copy", "engines"),
    [
        ("vfr_b", False, ("hls.js", "shaka")),
        pytest.param("open_gop", False, ("hls.js", "shaka"), marks=pytest.mark.soak),
        ("irregular", True, ("hls.js", "shaka", "dash.js")),
    ],
)
async def test_forced_switches_show_no_wrong_picture(
    *,
    browser: Browser,
    clips: Library,
    tmp_path: Path,
    spawn: Callable[..., Awaitable[Child]],
    name: str,
    copy: bool,
    engines: tuple[Engine, ...],
) -> None:
    """Also between the source itself and what is encoded of it."""
    source = clips.path(name)
    command = (sys.executable, "-m", "streamer", "package", source, tmp_path, "--json")
    packing = await spawn(*command, "--preset", "ultrafast", env={"STREAMER_ENCODE_COPY": str(copy)})
    assert await packing.wait() == 0, packing.output
    borders = _borders(tmp_path)
    assert len(borders) >= 4
    seen = await asyncio.gather(*(_switch(browser, tmp_path, engine, borders) for engine in engines))
    for engine, watched in zip(engines, seen, strict=True):
        assert (watched.fatal, watched.backward()) == ((), []), engine
        numbers = [picture.number for picture in watched.frames]
        assert numbers == sorted(numbers)
        heights = []
        for begin, end in itertools.pairwise(borders):
            inside = [picture for picture in watched.frames if begin <= picture.time + EXACT < end]
            _judge(KINDS[name], inside)
            heights.append({picture.height for picture in inside})
        # One height in a segment, and another one in the next.
        assert all(len(one) == 1 for one in heights), (engine, heights)
        assert all(one != other for one, other in itertools.pairwise(heights)), (engine, heights)
