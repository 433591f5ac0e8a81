"""The browser harness plays with three engines, reads every number, and sees what goes wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from playwright.async_api import Browser

from tests.media.browser import ENGINES, Engine, chromium, open_page, play, playing
from tests.media.clip import Library, run
from tests.media.serving import serve
from tests.media.sources import KINDS

pytestmark = pytest.mark.browser


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def folder(clips: Library, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("played")
    source = ["-t", "6", "-i", str(clips.path("fps25")), "-map", "0:v", "-map", "0:v", "-map", "0:a"]
    encode = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-sc_threshold", "0", "-c:a", "aac"]
    sizes = ["-filter:v:0", "scale=-2:180", "-filter:v:1", "scale=-2:144", "-b:v:0", "600k", "-b:v:1", "100k"]
    sets = [
        "-f",
        "dash",
        "-adaptation_sets",
        "id=0,streams=v id=1,streams=a",
        "-seg_duration",
        "2",
        "-hls_playlist",
        "1",
        "-hls_master_name",
        "main.m3u8",
    ]
    run([*source, *encode, *sizes, *sets, str(folder / "main.mpd")])
    return folder


def _url(base: str, engine: Engine) -> str:
    return f"{base}/main.mpd" if engine == "dash.js" else f"{base}/main.m3u8"


@pytest.mark.parametrize("engine", ENGINES)
async def test_an_engine_plays_and_every_number_is_read(
    browser: Browser, folder: Path, engine: Engine
) -> None:
    async with serve(folder) as base, open_page(browser) as page:
        watched = await play(page, engine, _url(base, engine), 5.9, read=True)
    assert watched.fatal == ()
    assert watched.position >= 5.9
    numbers = [frame.number for frame in watched.frames]
    assert None not in numbers
    # A busy machine skips pictures; those that come must come in order, and most of them must come.
    assert len(set(numbers)) > 75
    assert numbers == sorted(numbers)
    assert set(watched.heights) == {144, 180}
    assert watched.buffered[0][0] < 0.1


async def test_numbers_are_those_of_their_times(browser: Browser, folder: Path) -> None:
    expected = {float(shown.time): shown.number for shown in KINDS["fps25"].frames[:150]}
    async with serve(folder) as base, open_page(browser) as page:
        watched = await play(page, "shaka", f"{base}/main.mpd", 4, read=True)
    # A late callback reads the picture after its own; a stream that is off by one is wrong everywhere.
    assert len(watched.wrong(expected, slack=0.045)) * 20 < len(watched.frames)
    moved = {time + 0.2: number for time, number in expected.items()}
    assert len(watched.wrong(moved, slack=0.045)) == len(watched.frames)


async def test_a_forced_rung_is_played_and_told(browser: Browser, folder: Path) -> None:
    async with (
        serve(folder) as base,
        open_page(browser) as page,
        playing(page, "hls.js", f"{base}/main.m3u8", config={"startLevel": 0}) as playback,
    ):
        await playback.until(1, patience=20)
        await playback.select(180)
        watched = await playback.until(5.5, patience=30)
    assert {switch.height for switch in watched.switches} >= {180}
    assert watched.frames[-1].height == 180


async def test_a_slow_line_stalls(browser: Browser, folder: Path) -> None:
    async with (
        serve(folder) as base,
        open_page(browser) as page,
        playing(page, "hls.js", f"{base}/main.m3u8", kilobits=100, config={"startLevel": 1}) as playback,
    ):
        watched = await playback.until(6, patience=8)
    assert watched.stalls or watched.position < 3


async def test_a_missing_segment_is_an_error(browser: Browser, folder: Path) -> None:
    async def lose(request: web.Request) -> web.Response | None:
        lost = request.path.startswith("/chunk") and request.path.endswith("00002.m4s")
        headers = {"Access-Control-Allow-Origin": "*"}
        return web.Response(status=404, headers=headers) if lost else None

    async with serve(folder, hook=lose) as base, open_page(browser) as page:
        watched = await play(page, "shaka", f"{base}/main.m3u8", 6, patience=10)
    assert watched.errors
    assert watched.position < 3
