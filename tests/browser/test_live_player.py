"""A live stream in the product's own player: at the edge, back in time, interrupted, and as a recording."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route, expect

from tests.browser import onair
from tests.browser.site import Site, Visit, serving, visiting
from tests.media.browser import chromium

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]
AT_EDGE = "s.live && s.follows && !s.paused && !s.waiting && s.live.target - s.time < 0.5"
MEASURED = re.compile(r"LIVE\s*[0-2]\.\d s")
BEHIND = re.compile(r"LIVE\s*\u22120:0\d")
AWAY_SECONDS = 5
UNREACHABLE = re.compile(r"Failed to load resource: |WebSocket connection to ")
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with serving(tmp_path_factory.mktemp("site")) as running:
        yield running


async def _choose(visit: Visit, tier: str) -> None:
    player = visit.page.locator("stream-player")
    await player.hover()
    await player.get_by_role("button", name="Delay", exact=True).click()
    await player.get_by_role("menuitemradio", name=tier).click()


async def test_the_pill_tells_the_delay_and_leads_back_to_the_edge(browser: Browser, site: Site) -> None:
    air = await onair.made(site, "Edge")
    async with visiting(browser, site) as visit:
        await visit.page.goto(air.page)
        await expect(visit.page.get_by_role("heading", name="Not on air")).to_be_visible()
        async with air.filming() as camera:
            await onair.read(visit)
            await visit.has(f"{AT_EDGE} && s.time > 4", seconds=40)
            pill = visit.page.locator("live-pill button")
            await expect(pill).to_have_text(MEASURED)
            seen = await onair.delay(visit, camera)
            told = (await visit.state())["delay"]
            assert seen < 3
            assert abs(seen - told) < 0.5
            await visit.page.keyboard.press("k")
            await visit.has("s.paused && s.live.target - s.time > 3")
            paused = (await visit.state())["time"]
            await visit.page.keyboard.press("k")
            await visit.has("!s.paused && !s.follows && s.time > a && s.time < a + 2", paused)
            await expect(pill).to_have_text(BEHIND)
            await pill.click()
            await visit.has(AT_EDGE)
            await expect(pill).to_have_text(MEASURED)
        assert await onair.faults(visit) == []


async def test_the_timeline_spans_the_window(browser: Browser, site: Site) -> None:
    air = await onair.made(site, "Window")
    async with visiting(browser, site) as visit, air.filming():
        await visit.page.goto(air.page)
        await visit.has(f"{AT_EDGE} && s.live.target - s.live.start > 6", seconds=40)
        line = visit.page.locator("time-line")
        await expect(line).to_have_attribute("aria-valuetext", "live")
        await visit.page.keyboard.press("0")
        await visit.has("!s.follows && s.time < s.live.start + 3")
        await expect(line).to_have_attribute("aria-valuetext", re.compile("seconds? behind live$"))
        box = await line.bounding_box()
        assert box
        await visit.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        await expect(line.locator(".preview")).to_have_text(re.compile(r"\u22120:\d\d"))
        await visit.page.keyboard.press("End")
        await visit.has(AT_EDGE)


async def test_an_interruption_is_no_error_and_the_end_is_a_recording(browser: Browser, site: Site) -> None:
    air = await onair.made(site, "Interrupted")
    async with visiting(browser, site) as visit:
        await visit.page.goto(air.page)
        notice = visit.page.locator("stream-player .notice")
        async with air.filming():
            await onair.read(visit)
            await visit.page.evaluate("() => { window.sameDocument = true; }")
            await visit.has(f"{AT_EDGE} && s.time > 2", seconds=40)
            await expect(notice).to_have_count(0)
        await expect(notice).to_contain_text("It goes on by itself")
        await asyncio.sleep(AWAY_SECONDS)
        async with air.filming():
            await expect(notice).to_have_count(0, timeout=20_000)
            await visit.page.evaluate("() => { window.drawn = []; }")
            await visit.page.wait_for_function("() => window.drawn.some(([number]) => number !== null)")
            await visit.has(AT_EDGE)
            seen = (await visit.state())["time"]
            await air.end()
        # Seconds are those of the broadcast, which was watched from its beginning on.
        assert seen > AWAY_SECONDS + 2
        await visit.has("!s.live && s.paused && s.time === 0 && s.duration > a", seen, seconds=30)
        await expect(visit.page.locator("stream-player time")).to_contain_text("0:00 / 0:")
        await visit.page.keyboard.press("k")
        await visit.has("s.time > 1 && !s.paused")
        assert await visit.page.evaluate("window.sameDocument")
        assert await visit.page.locator("error-overlay").count() == 0
        assert await onair.faults(visit) == []
        assert (await visit.state())["trouble"] is None


@pytest.mark.parametrize(
    "away", [AWAY_SECONDS, *(pytest.param(n, marks=pytest.mark.soak) for n in (0.5, 50))]
)
async def test_pictures_go_on_through_an_interruption(browser: Browser, site: Site, away: float) -> None:
    air = await onair.made(site, "Steady")
    async with visiting(browser, site) as visit:
        await visit.page.goto(air.page)
        async with air.filming():
            await onair.read(visit)
            await visit.follow()
            await visit.has(f"{AT_EDGE} && s.time > 2", seconds=40)
        left = (await visit.state())["time"]
        await asyncio.sleep(away)
        async with air.filming():
            await visit.has("s.time > a", left + away + AWAY_SECONDS, seconds=20 + away)
        times = [time for _, time, _ in await visit.shown() if time > left - 1]
        assert await onair.faults(visit) == []
    assert times == sorted(times)
    assert max(after - before for before, after in itertools.pairwise(times)) < 1


async def test_it_plays_on_after_the_server_was_killed(browser: Browser, tmp_path: Path) -> None:
    async with serving(tmp_path) as site, visiting(browser, site) as visit:
        air = await onair.made(site, "Killed")
        await visit.page.goto(air.page)
        async with air.filming():
            await onair.read(visit)
            await visit.page.evaluate("() => { window.sameDocument = true; }")
            await visit.has(f"{AT_EDGE} && s.time > 4", seconds=40)
            asset = (await site.call("GET", f"/live/{air.stream['id']}"))["asset"]
            await site.kill()
        seen = (await visit.state())["time"]
        base, rtmp = (urlsplit(each).port for each in (site.base, air.stream["ingest"]["rtmp"]))
        async with serving(tmp_path, port=base, live_rtmp_port=str(rtmp)), air.filming() as camera:
            await visit.has(f"{AT_EDGE} && s.time > a + 4", seen, seconds=60)
            assert await onair.delay(visit, camera) < 3
            assert (await site.call("GET", f"/live/{air.stream['id']}"))["asset"] == asset
            assert await visit.page.evaluate("window.sameDocument")
            assert await onair.faults(visit) == []
            assert (await visit.state())["trouble"] is None
            await expect(visit.page.locator("error-overlay")).to_have_count(0)
        # The browser itself logs what it could not fetch meanwhile.
        visit.errors[:] = [each for each in visit.errors if not UNREACHABLE.match(each)]


async def test_what_is_pushed_is_seen_sooner(browser: Browser, site: Site) -> None:
    air = await onair.made(site, "Tiers")
    async with visiting(browser, site) as visit, air.filming() as camera:
        await visit.page.goto(air.page)
        await onair.read(visit)
        await visit.has(f"{AT_EDGE} && s.time > 4", seconds=40)
        low = await onair.delay(visit, camera)
        await _choose(visit, "Turbo")
        await visit.has("s.tier === 'push' && s.live && !s.waiting")
        pushed = await onair.delay(visit, camera)
        assert (await visit.state())["fallen"] == ""
        await _choose(visit, "Normal")
        await visit.has("s.tier === 'normal' && s.engine === 'hls.js' && s.live && !s.waiting")
        normal = await onair.delay(visit, camera)
        assert await onair.faults(visit) == []
    assert pushed < 0.8
    assert pushed + 0.3 < low < normal


async def _cut(route: Route) -> None:
    await route.fulfill(status=200, content_type="video/mp4", body="")


async def test_what_cannot_be_pushed_is_watched_all_the_same(browser: Browser, site: Site) -> None:
    air = await onair.made(site, "Fallen")
    async with visiting(browser, site) as visit, air.filming():
        await visit.page.route("**/*.push.mp4", _cut)
        await visit.page.goto(air.page)
        await visit.has(f"{AT_EDGE} && s.time > 1", seconds=40)
        await _choose(visit, "Turbo")
        await visit.has(f"s.fallen && s.tier === 'low' && {AT_EDGE}")
        pill = visit.page.locator("live-pill button")
        await expect(pill).to_have_attribute("title", re.compile("Low delay, since"))
        await visit.page.unroute("**/*.push.mp4")
        await _choose(visit, "Turbo")
        await visit.has("!s.fallen && s.tier === 'push' && s.live && !s.waiting && !s.paused")
        await expect(pill).not_to_have_attribute("title", re.compile("since"))


async def _gather(route: Route) -> None:
    """Pass nothing on, as a proxy does that waits for the end of what has none."""


async def test_where_a_response_is_gathered_on_the_way_frames_come_over_a_socket(
    browser: Browser, site: Site
) -> None:
    air = await onair.made(site, "Gathered")
    async with visiting(browser, site) as visit, air.filming() as camera:
        sockets: list[str] = []
        visit.page.on("websocket", lambda socket: sockets.append(socket.url))
        await visit.page.route("**/*.push.mp4", _gather)
        await visit.page.goto(air.page)
        await onair.read(visit)
        await visit.has(f"{AT_EDGE} && s.time > 1", seconds=40)
        await _choose(visit, "Turbo")
        await visit.has("s.tier === 'push' && s.live && !s.waiting")
        assert await onair.delay(visit, camera) < 0.8
        assert (await visit.state())["fallen"] == ""
        assert sum(url.endswith(".push") for url in sockets) == 2
        await visit.page.unroute_all(behavior="ignoreErrors")


async def _make(page: Page, title: str) -> None:
    await page.get_by_role("textbox", name="Title of a new stream").fill(title)
    await page.get_by_role("button", name="New stream").click()


async def test_a_stream_is_made_watched_over_and_ended_on_its_page(browser: Browser, site: Site) -> None:
    async with visiting(browser, site) as visit:
        page = visit.page
        await page.goto(site.base)
        await page.get_by_role("link", name="Go live").click()
        await _make(page, "Studio")
        card = page.locator("stream-card", has=page.get_by_role("article", name="Studio"))
        light = card.locator(".light")
        await expect(light).to_have_text("Nobody sends")
        server, key = await card.locator("dd code").all_inner_texts()
        await card.get_by_role("button", name="I have it").click()
        await expect(card.locator("dd code")).to_have_count(1)
        listed = (await site.call("GET", "/live"))["items"]
        stream = next(each for each in listed if each["title"] == "Studio")
        air = onair.OnAir(site=site, stream={**stream, "ingest": {"rtmp": server}, "key": key})
        async with air.filming(), visiting(browser, site) as viewer:
            await expect(light).to_have_text("Live", timeout=20_000)
            await viewer.page.goto(site.base)
            shown = viewer.page.locator("asset-card", has_text="Studio")
            await expect(shown.locator(".badge.onair")).to_have_text("Live")
            await card.get_by_role("button", name="End").click()
            await card.get_by_role("button", name="End: sure?").click()
            await expect(light).to_have_text("Nobody sends", timeout=20_000)
            await expect(shown.locator(".badge.onair")).to_have_count(0)
        await card.get_by_role("link", name="Recordings").click()
        await expect(page.locator("asset-card")).to_have_count(1)
        await expect(page.locator("asset-card .meta")).to_contain_text("Recording")


async def test_a_camera_goes_on_air_from_the_page(site: Site) -> None:
    async with chromium(*CAMERA) as browser, visiting(browser, site) as visit:
        page = visit.page
        await page.goto(f"{site.base}/live")
        await _make(page, "Webcam")
        card = page.locator("stream-card", has=page.get_by_role("article", name="Webcam"))
        await card.get_by_role("button", name="Camera").click()
        await expect(card.locator("browser-sender")).to_contain_text("You are sending")
        await expect(card.locator(".light")).to_have_text("Live", timeout=20_000)
        address = await card.get_by_role("link", name="Watch page").get_attribute("href")
        async with visiting(browser, site) as viewer:
            await viewer.page.goto(f"{site.base}{address}")
            await viewer.has(f"{AT_EDGE} && s.time > 2 && s.frames > 20", seconds=40)
            assert await viewer.contrast("webcam") > 10
        await card.get_by_role("button", name="Stop sending").click()
        await expect(card.get_by_role("button", name="Camera")).to_be_visible()
        await expect(card.locator("browser-sender [role=alert]")).to_have_count(0)
