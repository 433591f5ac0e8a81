"""Markers with their pictures: on the page at every delay, in what has been and recorded, and elsewhere."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import m3u8
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser import onair
from tests.browser.onair import OnAir
from tests.browser.site import Site, Visit, serving, visiting
from tests.media import reader
from tests.media.browser import Engine, Watched, chromium, open_page, playing

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]
AT_EDGE = "s.live && s.follows && !s.paused && !s.waiting && s.live.target - s.time < 0.5"
EXACT = 0.1
# Each marker that the player shows, with the number of the picture that is on the screen.
_LISTEN = """() => {
    window.told = [];
    addEventListener("marker", ({ detail }) => window.told.push([detail.id, window.drawn.at(-1)?.[0]]));
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with serving(tmp_path_factory.mktemp("site")) as running:
        yield running


async def mark(air: OnAir, **wish: Any) -> dict[str, Any]:
    """Mark what is on air, now unless the wish says otherwise."""
    return await air.site.call("POST", f"/live/{air.stream['id']}/markers", json=wish)


async def on_air(air: OnAir, *, segments: int) -> str:
    """Wait until so many segments of a broadcast are stored; return its id."""
    async with asyncio.timeout(40):
        while (shown := await air.site.call("GET", f"/live/{air.stream['id']}"))["state"] != "live":
            await asyncio.sleep(0.1)
        while (await air.site.call("GET", f"/assets/{shown['asset']}"))["rungs"][0]["done"] < segments:
            await asyncio.sleep(0.1)
    return str(shown["asset"])


async def numbers(site: Site, asset: str) -> dict[int, float]:
    """Return at which second of a recording each picture is shown, by its number."""
    root = f"{site.base}/v/{asset}/"
    async with aiohttp.ClientSession() as session:

        async def get(key: str) -> bytes:
            async with session.get(root + key, raise_for_status=True) as answer:
                return await answer.read()

        top = m3u8.loads((await get("main.m3u8")).decode()).playlists[0].uri
        listed = m3u8.loads((await get(top)).decode())
        init = await get(listed.segments[0].init_section.uri)
        read = reader.read_numbers(init, [await get(one.uri) for one in listed.segments])
    return {number: float(time) for time, number in read if number is not None}


async def told(visit: Visit, marker: dict[str, Any], times: int = 1) -> None:
    """Wait until the player has shown a marker so many times."""
    script = "([id, times]) => window.told.filter(([each]) => each === id).length >= times"
    await visit.page.wait_for_function(script, arg=[marker["id"], times], timeout=20_000)


async def back_to(visit: Visit, marker: dict[str, Any]) -> None:
    """Have the player go back to a little before a marker, as the timeline does."""
    script = """date => {
        const player = document.querySelector("watch-page").player;
        const second = player.playback.timeOf(Date.parse(date));
        if (Number.isNaN(second)) return false; // the playlist is on its way
        player.request({ type: "seek", to: second - 1.5 });
        return true;
    }"""
    await visit.page.wait_for_function(script, arg=marker["date"])


async def test_the_page_shows_a_marker_with_its_picture_wherever_that_is_watched(
    browser: Browser, site: Site
) -> None:
    air = await onair.made(site, "Marked")
    async with visiting(browser, site) as visit:
        await visit.page.goto(air.page)
        async with air.filming():
            await onair.read(visit)
            await visit.page.evaluate(_LISTEN)
            await visit.has(f"{AT_EDGE} && s.time > 3", seconds=40)
            low = await mark(air, kind="goal", data={"title": "1 : 0", "text": "<b>Now</b>"})
            await told(visit, low)
            card = visit.page.locator(".marker-card")
            await expect(card).to_have_text(re.compile("1 : 0 ?<b>Now</b>"))
            await expect(visit.page.locator(".marker-dots i")).to_have_count(1)
            player = visit.page.locator("stream-player")
            await player.hover()
            await player.get_by_role("button", name="Delay", exact=True).click()
            await player.get_by_role("menuitemradio", name="Turbo").click()
            await visit.has(f"s.tier === 'push' && s.frames > 25 && {AT_EDGE}")
            turbo = await mark(air, kind="goal", data={"title": "2 : 0"})
            await told(visit, turbo)
            await player.hover()
            await player.get_by_role("button", name="Delay", exact=True).click()
            await player.get_by_role("menuitemradio", name="Low").click()
            await visit.has(f"s.tier === 'low' && {AT_EDGE}")
            await back_to(visit, turbo)
            await told(visit, turbo, 2)
            await air.end()
        await visit.has("!s.live && s.paused && s.time === 0", seconds=30)
        await back_to(visit, low)
        await visit.page.keyboard.press("k")
        await told(visit, low, 2)
        seen = await visit.page.evaluate("window.told")
        assert await onair.faults(visit) == []
    shown = await numbers(site, low["asset"])
    off = [(shown[number] - {low["id"]: low, turbo["id"]: turbo}[name]["time"]) for name, number in seen]
    print(f"off by {[round(one, 3) for one in off]} s")
    assert [name for name, _ in seen] == [low["id"], turbo["id"], turbo["id"], low["id"]]
    assert max(map(abs, off)) <= EXACT


LOW = {"lowLatencyMode": True, "maxLiveSyncPlaybackRate": 1.2}
SHAKA = {"streaming": {"lowLatencyMode": True, "liveSync": {"enabled": True}}}
WAYS: dict[Engine, tuple[str, str, dict[str, Any]]] = {
    "hls.js": ("main.m3u8", "daterange", LOW),
    "shaka": ("main.mpd", "emsg", SHAKA),
    "dash.js": ("main.mpd", "emsg", {}),
}


@pytest.mark.soak
@pytest.mark.parametrize("engine", WAYS)
async def test_players_of_others_are_told_at_the_live_edge(
    browser: Browser, site: Site, engine: Engine
) -> None:
    key, way, config = WAYS[engine]
    air = await onair.made(site, f"Live in {engine}")
    async with air.filming(), open_page(browser) as page:
        asset = await on_air(air, segments=3)
        address = f"{site.base}/v/{asset}/{key}"
        async with playing(page, engine, address, config=config) as playback:
            await page.wait_for_function("harness.report().frames.length > 50", timeout=40_000)
            marker = await mark(air, data={"title": "now"})
            await page.wait_for_function("harness.report().told.length > 0", timeout=20_000)
            seen = await playback.report()
    assert seen.fatal == ()
    (found,) = {(one.way, one.id): one for one in seen.told}.values()
    print(found, marker["time"])
    assert found.way == way
    assert json.loads(found.body) == marker["data"] or json.loads(found.body)["id"] == marker["id"]
    assert abs(found.at - found.time) < 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A recording with one marker in its segments, and one that came too late for that."""

    asset: str
    inband: dict[str, Any]
    past: dict[str, Any]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def recorded(site: Site) -> Recorded:
    air = await onair.made(site, "Recorded")
    async with air.filming():
        await on_air(air, segments=1)
        inband = await mark(air, kind="score", data={"title": "in segments"})
        past = await mark(air, kind="score", data={"title": "in manifests"}, time=1)
        await asyncio.sleep(1)
        await air.end()
    return Recorded(asset=inband["asset"], inband=inband, past=past)


async def _play(browser: Browser, site: Site, made: Recorded, *, engine: Engine, key: str) -> Watched:
    address = f"{site.base}/v/{made.asset}/{key}"
    async with open_page(browser) as page, playing(page, engine, address) as playback:
        return await playback.until(made.inband["time"] + 0.5, patience=30)


async def test_hls_js_has_both_by_their_ids(browser: Browser, site: Site, recorded: Recorded) -> None:
    seen = await _play(browser, site, recorded, engine="hls.js", key="main.m3u8")
    assert seen.fatal == ()
    found = {one.id: one for one in seen.told}
    assert found.keys() == {recorded.inband["id"], recorded.past["id"]}
    for marker in (recorded.inband, recorded.past):
        assert json.loads(found[marker["id"]].body) == marker["data"]
        assert found[marker["id"]].time == pytest.approx(marker["time"], abs=EXACT)


@pytest.mark.parametrize("engine", ["shaka", "dash.js"])
async def test_players_of_dash_have_one_from_the_segments_and_one_from_the_mpd(
    browser: Browser, site: Site, recorded: Recorded, engine: Engine
) -> None:
    seen = await _play(browser, site, recorded, engine=engine, key="main.mpd")
    print(seen.told)
    assert seen.fatal == ()
    ways = {one.way: one for one in seen.told}
    assert json.loads(ways["emsg"].body)["id"] == recorded.inband["id"]
    assert ways["emsg"].time == pytest.approx(recorded.inband["time"], abs=EXACT)
    assert ways["stream"].time == pytest.approx(recorded.past["time"], abs=EXACT)
    # The same box is in the segments of the picture and of the sound: it is one event all the same.
    assert len({(one.way, one.id) for one in seen.told}) == 2
    if engine == "dash.js":  # it tells of events when the playhead gets to them
        assert [one.way for one in seen.told] == ["stream", "emsg"]
        assert all(abs(one.at - one.time) < 0.3 for one in seen.told)
