"""The product as people use it: upload on the library page, watch on the watch page, in Chromium."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser.site import Site, Visit, pauses, serving, visiting
from tests.media.browser import Engine, Watched, chromium, open_page, play
from tests.media.clip import Library, run

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]
FILM = Path(__file__).parents[2] / "samples" / "bbb-480p-30s.mp4"
SEGMENT = re.compile(r"/([^/]+)/\d+\.m4s$")
UNDER_WAY = re.compile(r"^[1-9]\d?$")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with serving(tmp_path_factory.mktemp("site")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def film(site: Site, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the id of a minute of film, just uploaded when the first test asks for it."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    await asyncio.to_thread(run, ["-stream_loop", "1", "-i", str(FILM), "-c", "copy", str(path)])
    return await site.upload(path)


async def _drop(visit: Visit, path: Path) -> None:
    """Drag a file over the page and let it go, as the browser itself reports it."""
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        place = {"type": kind, "x": 640, "y": 500, "data": data}
        await visit.devtools.send("Input.dispatchDragEvent", place)


async def test_a_film_is_uploaded_on_the_page_and_watched(browser: Browser, site: Site) -> None:
    async with visiting(browser, site) as visit:
        page = visit.page
        await page.goto(site.base)
        await visit.limit(up=24_000_000)
        await page.locator("input[type=file]").set_input_files(FILM)
        sending = page.locator("upload-card [role=progressbar]")
        await expect(sending).to_have_attribute("aria-valuenow", UNDER_WAY, timeout=10_000)
        await visit.limit()
        card = page.locator("asset-card", has_text="bbb-480p-30s")
        await expect(card.locator("coverage-strip")).to_be_visible(timeout=20_000)
        await expect(card.locator(".badge.state")).to_contain_text("Encoding")
        await card.locator("a.frame").click()
        await visit.follow()
        await visit.has("s.time > 6 && s.frames > 100", seconds=30)
        assert await visit.contrast("watch") > 20
        state, shown = await visit.state(), await visit.shown()
    assert state["trouble"] is None
    assert state["dropped"] * 5 < state["frames"]
    assert len({time for _, time, _ in shown}) > 60
    assert [time for _, time, _ in shown] == sorted(time for _, time, _ in shown)
    assert pauses(shown) < 1
    # One group of audio: each rung once, and no sound fetched to be thrown away.
    heights = [level["height"] for level in state["levels"]]
    assert len(heights) == len(set(heights)) > 1
    assert [address for address in visit.aborted if "/audio" in address] == []


async def test_a_dropped_file_is_uploaded(browser: Browser, site: Site, clips: Library) -> None:
    async with visiting(browser, site) as visit:
        await visit.page.goto(site.base)
        await expect(visit.page.get_by_role("button", name="Upload", exact=True)).to_be_visible()
        await _drop(visit, await asyncio.to_thread(clips.path, "fps25"))
        card = visit.page.locator("asset-card", has_text="fps25")
        await expect(card.locator("a.frame")).to_be_visible(timeout=30_000)


async def test_a_file_that_is_no_video_says_why_and_can_be_tried_again(
    browser: Browser, site: Site, tmp_path: Path
) -> None:
    path = tmp_path / "letter.mp4"
    path.write_text("Dear reader,\nthis is a letter.\n" * 50, encoding="utf-8")
    async with visiting(browser, site) as visit:
        await visit.page.goto(site.base)
        await visit.page.locator("input[type=file]").set_input_files(path)
        card = visit.page.locator("asset-card", has_text="letter")
        failure = card.locator(".failure")
        told = failure.locator("strong")
        await expect(told).to_have_text("Failed while looking inside the file", timeout=20_000)
        assert (await failure.locator("p").inner_text()).strip()
        async with visit.page.expect_response(lambda answer: answer.url.endswith("/retry")) as retried:
            await failure.get_by_role("button", name="Retry").click()
        assert (await retried.value).ok
        await expect(told).to_be_visible(timeout=20_000)


HOSTILE = (
    '"><script>alert(1)</script><img src=//other.invalid/x onerror=alert(2)>',
    "\u202e\u0645\u0631\u062d\u0628\u0627 <b onclick=alert(3)>'\"&lt;",
    "🎬👩‍🚀 `${alert(4)}` {{7*7}} javascript:alert(5)",
)


async def test_what_people_write_is_shown_as_text(browser: Browser, site: Site, clips: Library) -> None:
    asset = await site.upload(await asyncio.to_thread(clips.path, "video_only"))
    await site.until(asset, "playable", "complete")
    async with visiting(browser, site) as visit:
        for title in HOSTILE:
            await site.call("PATCH", f"/assets/{asset}", json={"title": title})
            await visit.page.goto(site.base)
            card = visit.page.locator(f'asset-card:has(a[href="/watch/{asset}"])')
            await expect(card.locator("h3")).to_have_text(title)
            await visit.page.goto(f"{site.base}/watch/{asset}")
            await expect(visit.page.locator("watch-page .head h1")).to_have_text(title)
            await expect(visit.page).to_have_title(f"{title} · streamer")


async def test_the_end_is_watched_before_it_is_encoded(browser: Browser, site: Site, film: str) -> None:
    async with visiting(browser, site) as visit:
        await visit.page.goto(f"{site.base}/watch/{film}")
        await visit.follow()
        await visit.has("s.time > 0.5 && !s.paused")
        encoded = await site.call("GET", f"/assets/{film}")
        assert encoded["state"] == "playable"
        assert all(
            rung["done"] < rung["segments"] - 2 for rung in encoded["rungs"] if rung["kind"] == "video"
        )
        asked: list[str] = []
        visit.page.on("request", lambda request: asked.append(request.url))
        await visit.page.keyboard.press("9")
        await visit.has("s.time >= a && s.time < a + 1", encoded["duration"] * 0.9, seconds=10)
        await visit.has("s.time > a", encoded["duration"] * 0.9 + 2.5, seconds=30)
        assert await visit.page.locator("error-overlay").count() == 0
        assert await visit.contrast("end") > 20
        shown = await visit.shown()
    # Nothing is encoded there: the smallest rung is asked for, which is made soonest.
    heights = {rung["name"]: rung["height"] for rung in encoded["rungs"] if rung["kind"] == "video"}
    pictures = [found[1] for found in map(SEGMENT.search, asked) if found and found[1] in heights]
    assert heights[pictures[0]] == min(heights.values())
    behind = [time for _, time, _ in shown if time > encoded["duration"] * 0.9 - 0.1]
    assert len(behind) > 20
    assert behind == sorted(behind)


@pytest.mark.parametrize(
    "roads",
    [[("shaka", "dash"), ("hls.js", "hls")], [("dash.js", "dash"), ("shaka", "hls")]],
    ids=["shaka-dash and hls.js", "dash.js and shaka-hls"],
)
async def test_other_players_play_what_is_served(
    browser: Browser, site: Site, film: str, roads: list[tuple[Engine, str]]
) -> None:
    playback = (await site.until(film, "complete", seconds=90))["playback"]

    async def watch(engine: Engine, road: str) -> Watched:
        async with open_page(browser) as page:
            return await play(page, engine, site.base + playback[road], 9)

    for watched in await asyncio.gather(*(watch(*road) for road in roads)):
        assert (watched.fatal, watched.stalls) == ((), ()), watched.engine
        assert watched.position >= 9
        assert watched.backward() == []
        assert len(watched.frames) > 100


SUBTITLES = """1
00:00:00,000 --> 00:00:30,000
Words <i>of</i> the film

2
00:00:30,000 --> 00:01:00,000
The rest
"""


async def test_captions_are_chosen_and_shown(browser: Browser, site: Site, film: str) -> None:
    await site.until(film, "complete", seconds=90)
    await site.call("PUT", f"/assets/{film}/captions/de?label=Deutsch", data=SUBTITLES)
    async with visiting(browser, site) as visit:
        await visit.watch(film, "?t=10")
        await visit.has("s.time >= 10 && s.time < 16 && s.textTracks.length === 1")
        player = visit.page.locator("stream-player")
        await player.hover()
        await player.get_by_role("button", name="Captions (c)").click()
        await player.get_by_role("menuitemradio", name="Deutsch").click()
        await expect(player.locator(".cues")).to_have_text("Words of the film", timeout=10_000)
        await visit.page.keyboard.press("c")
        await expect(player.locator(".cues")).to_have_count(0)


async def test_the_keyboard_works_the_player(browser: Browser, site: Site, film: str) -> None:
    await site.until(film, "complete", seconds=90)
    async with visiting(browser, site) as visit:
        await visit.watch(film)
        await visit.has("s.time > 0.3 && !s.paused")
        press = visit.page.keyboard.press
        await press("k")
        await visit.has("s.paused")
        steps = [("3", 18), ("l", 28), ("ArrowRight", 33), ("j", 23), ("ArrowLeft", 18), ("0", 0), ("9", 54)]
        for key, seconds in steps:
            await press(key)
            await visit.has("Math.abs(s.time - a) < 0.1", seconds)
        for key, wanted in [
            ("m", "s.muted"),
            ("m", "!s.muted"),
            ("ArrowDown", "s.volume === 0.95"),
            (">", "s.rate === 1.25"),
            ("<", "s.rate === 1"),
            ("f", "s.fullscreen"),
            ("f", "!s.fullscreen"),
            (" ", "!s.paused"),
        ]:
            await press(key)
            await visit.has(wanted)
        await press("?")
        await expect(visit.page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
        await press("Escape")
        await expect(visit.page.get_by_role("dialog", name="Keyboard shortcuts")).to_have_count(0)


async def test_the_timeline_shows_what_is_under_the_pointer(browser: Browser, site: Site, film: str) -> None:
    await site.until(film, "complete", seconds=90)
    async with visiting(browser, site) as visit:
        await visit.watch(film)
        await visit.has("s.time > 0.3")
        line = visit.page.locator("time-line")
        box = await line.bounding_box()
        assert box
        async with visit.page.expect_response(
            lambda answer: "storyboard" in answer.url and ".jpg" in answer.url
        ) as sheet:
            await visit.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        assert (await sheet.value).ok
        preview = line.locator(".preview")
        await expect(preview).to_have_text("0:30")
        assert await visit.contrast("preview", preview.locator(".picture")) > 15


async def test_quality_follows_the_line_without_a_pause(browser: Browser, site: Site, film: str) -> None:
    playback = (await site.until(film, "complete", seconds=90))["playback"]
    rungs = await site.bandwidths(playback["hls"])
    fast, slow = rungs[-1] * 4, rungs[0] * 5 // 4
    async with visiting(browser, site) as visit:
        await visit.limit(down=rungs[-1] * 2)
        await visit.watch(film)
        await visit.has("s.levels[s.shown]?.height === 480 && s.ahead > 6", seconds=30)
        await visit.limit(down=slow)
        await visit.has("s.levels[s.shown]?.height < 480", seconds=40)
        await visit.limit(down=fast)
        await visit.has("s.levels[s.shown]?.height === 480", seconds=40)
        shown, state = await visit.shown(), await visit.state()
    assert state["trouble"] is None
    assert [height for height, _ in itertools.groupby(each[2] for each in shown)][-1] == 480
    assert pauses(shown) < 1


async def test_watching_begins_by_itself_while_the_file_is_uploaded(browser: Browser, site: Site) -> None:
    async with visiting(browser, site) as sender, visiting(browser, site) as viewer:
        await sender.page.goto(site.base)
        await sender.limit(up=3_000_000)
        await sender.page.locator("input[type=file]").set_input_files(FILM)
        link = sender.page.locator("upload-card a.ready")
        await expect(link).to_be_visible(timeout=10_000)
        await viewer.page.goto(f"{site.base}{await link.get_attribute('href')}")
        await viewer.follow()
        await viewer.has("s.time > 0.5 && !s.paused && s.edge < s.duration")
        assert await viewer.page.locator("time-line .edge").count() == 1
        await viewer.page.keyboard.press("9")
        await viewer.has("s.time < s.edge && s.edge < s.duration")
        await expect(sender.page.locator("upload-card")).to_have_count(1)
        await sender.limit()
        await viewer.has("s.edge === Infinity && s.duration > 29")
        await viewer.page.keyboard.press("0")
        await viewer.has("s.time > 1 && s.time < 9 && !s.paused", seconds=30)
        state = await viewer.state()
    assert state["trouble"] is None


async def test_an_operator_sees_what_ran(browser: Browser, site: Site, film: str) -> None:
    async with visiting(browser, site) as visit:
        await visit.page.goto(site.base)
        await visit.page.get_by_role("link", name="Operations").click()
        page = visit.page.locator("operator-page")
        await expect(page.get_by_role("cell", name="local", exact=True).first).to_be_visible()
        await page.get_by_role("button", name="Done").click()
        await expect(page.locator(f'a[href="/watch/{film}"]').first).to_be_visible(timeout=20_000)
