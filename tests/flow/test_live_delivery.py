"""A broadcast over real sockets: what is held and for how long, what is refused, and what caches may keep."""

from __future__ import annotations

import asyncio
import gc
import gzip
import re
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import m3u8
import pytest

from packager.folder import content_etag
from streamer.live import waiters
from tests.flow.live_site import ASSET, LOW, SOUND, TOP, LiveSite, Media, live_site, media

YEAR = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def cache(self) -> str:
        return self.headers["cache-control"]


@pytest.fixture(scope="module")
def made(clips) -> Media:
    return asyncio.run(media(clips, 12))


@pytest.fixture
async def site(made: Media) -> AsyncIterator[LiveSite]:
    async with live_site() as opened:
        await opened.begin(made)
        yield opened


async def get(site: LiveSite, key: str, method: str = "GET", **headers: str) -> Got:
    plain = {"Accept-Encoding": "identity", **{name.replace("_", "-"): one for name, one in headers.items()}}
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.request(method, site.url(key), headers=plain) as answer,
    ):
        fields = {name.lower(): value for name, value in answer.headers.items()}
        return Got(status=answer.status, headers=fields, body=await answer.read())


@asynccontextmanager
async def asking(site: LiveSite, key: str, **headers: str) -> AsyncIterator[asyncio.Task[Got]]:
    """Ask, and go on once the request is held by the server."""
    before = held(site)
    task = asyncio.create_task(get(site, key, **headers))
    try:
        async with asyncio.timeout(10):
            while held(site) <= before and not task.done():
                await asyncio.sleep(0)
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def held(site: LiveSite) -> int:
    """Return how many requests are held."""
    waiting = site.delivery._waiting._waiters.values()
    turning = site.onair._bells.values()
    return sum(len(each._held) for each in waiting) + sum(len(bell._waiters) for bell in turning)


def last_part(text: str) -> tuple[int, int]:
    found = re.findall(r"#EXT-X-PART:.*/(\d+)\.(\d+)\.m4s", text)
    return int(found[-1][0]), int(found[-1][1])


# The first playlist.


async def test_a_broadcast_that_has_not_begun_is_awaited(made):
    async with live_site() as site, asking(site, "main.m3u8") as first, asking(site, "main.mpd") as mpd:
        await site.begin(made)
        await site.release(0, 5)
        assert not first.done()
        await site.release(1, 0)
        assert (await first).status == (await mpd).status == 200


async def test_the_first_playlist_has_a_segment_because_players_refuse_an_empty_one(site):
    await site.release(0, 5)
    async with asking(site, f"{TOP}.m3u8") as first:
        await site.release(1, 0)
        assert len(m3u8.loads((await first).text).segments) == 1


# Rule: a request with a media sequence number and no part waits for the whole segment.


async def test_rule_msn_without_part_blocks_until_the_segment_is_whole(site):
    await site.release(2, 3)
    async with asking(site, f"{TOP}.m3u8?_HLS_msn=2") as asked:
        await site.release(2, 5)
        assert not asked.done()
        await site.release(3, 0)
        got = await asked
    assert f"l1/{TOP}/2.m4s" in got.text


async def test_rule_msn_and_part_block_until_the_part_is_there(site):
    await site.release(2, 3)
    async with asking(site, f"{TOP}.m3u8?_HLS_msn=2&_HLS_part=4") as asked:
        await site.release(2, 4)
        assert not asked.done()
        await site.release(2, 5)
        assert last_part((await asked).text) == (2, 4)


async def test_what_is_there_is_answered_at_once(site):
    await site.release(2, 3)
    for query in ("_HLS_msn=2&_HLS_part=2", "_HLS_msn=1", "_HLS_msn=0&_HLS_part=0"):
        got = await get(site, f"{TOP}.m3u8?{query}")
        assert last_part(got.text) == (2, 2)


async def test_rule_a_part_behind_the_end_of_its_segment_is_the_first_of_the_next(site):
    await site.release(2, 5)
    async with asking(site, f"{TOP}.m3u8?_HLS_msn=2&_HLS_part=6") as asked:
        await site.release(3, 0)
        assert not asked.done()
        await site.release(3, 1)
        assert last_part((await asked).text) == (3, 0)


@pytest.mark.parametrize(
    "query",
    [
        "_HLS_part=0",
        "_HLS_msn=x",
        "_HLS_msn=-1",
        "_HLS_msn=01",
        "_HLS_msn=1&_HLS_msn=1",
        "_HLS_msn=1&_HLS_part=",
        "_HLS_skip=NO",
        "_HLS_msn=5",
        "_HLS_msn=99999999999",
    ],
)
async def test_what_no_player_may_ask_for_is_refused(site, query):
    await site.release(2, 3)
    got = await get(site, f"{TOP}.m3u8?{query}")
    assert (got.status, got.cache) == (400, "no-store")


async def test_rule_what_is_within_reach_is_held_and_then_503_but_never_404(site):
    await site.release(2, 3)
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(20):
        late = await get(site, f"{TOP}.m3u8?_HLS_msn=4&_HLS_part=1")
    assert late.status == 503
    assert late.cache == "public, max-age=1"
    assert loop.time() - began >= 3 * 2  # three target durations


async def test_a_request_waits_its_whole_time_although_others_came_before(site):
    ready = asyncio.Event()
    made = waiters.Waiters(lambda: never(ready), seconds=0.2, done=lambda: None)
    first = asyncio.create_task(made.hold(object()))
    await asyncio.sleep(0.15)
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(waiters.TooLate):
        await made.hold(object())
    assert loop.time() - began >= 0.19
    with pytest.raises(waiters.TooLate):
        await first


async def never(event: asyncio.Event):
    await event.wait()


async def test_rule_every_rendition_waits_for_its_own_parts(site):
    await site.release(2, 3)
    async with (
        asking(site, f"{TOP}.m3u8?_HLS_msn=2&_HLS_part=3") as picture,
        asking(site, f"{SOUND}.m3u8?_HLS_msn=2&_HLS_part=3") as sound,
    ):
        await site.release(2, 4, names=[SOUND])
        assert last_part((await sound).text) == (2, 3)
        assert not picture.done()
        await site.release(2, 4)
        assert "LAST-MSN=2,LAST-PART=3" in (await picture).text


async def test_head_never_waits(site):
    await site.release(2, 3)
    for key in (f"{TOP}.m3u8?_HLS_msn=3", f"l1/{TOP}/2.3.m4s", f"l1/{TOP}/3.m4s"):
        assert (await get(site, key, "HEAD")).status == 404
    assert (await get(site, f"l1/{TOP}/2.m4s", "HEAD")).status == 200
    assert (await get(site, f"{TOP}.m3u8", "HEAD")).status == 200


# Caches.


async def test_rule_a_blocking_answer_is_cacheable_and_one_for_all(site):
    await site.release(2, 3)
    key = f"{TOP}.m3u8?_HLS_msn=2&_HLS_part=3"
    async with asking(site, key) as one, asking(site, key) as other:
        await site.release(2, 4)
        first, second = await one, await other
    third = await get(site, key)
    assert first.cache == "public, max-age=12"  # six target durations
    assert first.body == second.body == third.body
    assert first.headers["etag"] == second.headers["etag"] == third.headers["etag"]
    again = await get(site, key, If_None_Match=first.headers["etag"])
    assert again.status == 304


async def test_a_playlist_that_nobody_waited_for_is_cached_for_half_a_target_duration(site):
    await site.release(2, 3)
    for key in (f"{TOP}.m3u8", f"{TOP}.m3u8?_HLS_skip=YES", "main.m3u8", "main.mpd"):
        assert (await get(site, key)).cache == "public, max-age=1, stale-if-error=8"


async def test_playlists_are_compressed_where_one_may(site):
    await site.release(3, 3)
    async with asking(site, f"{TOP}.m3u8?_HLS_msn=3&_HLS_part=3", Accept_Encoding="gzip") as asked:
        await site.release(3, 4)
        got = await asked
    plain = await get(site, f"{TOP}.m3u8")
    assert got.headers["content-encoding"] == "gzip"
    assert gzip.decompress(got.body) == plain.body
    assert got.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert got.headers["etag"] == plain.headers["etag"].rstrip('"') + '-gz"'


async def test_answers_are_open_to_every_page(site):
    await site.release(2, 3)
    for key in (
        f"{TOP}.m3u8?_HLS_msn=2&_HLS_part=0",
        f"l1/{TOP}/2.0.m4s",
        f"l1/{TOP}/0.m4s",
        "main.mpd",
        "no.m3u8",
    ):
        assert (await get(site, key)).headers["access-control-allow-origin"] == "*"


async def test_rule_a_delta_is_for_who_asks_and_skips_nothing_near_the_end(site, made):
    await site.release(9, 0)
    await site.fall()
    first = site.onair.following
    await site.begin(made.successor(first=first, generation="l2", started=13_000))
    await site.release(4, 2)
    whole = await get(site, f"{TOP}.m3u8")
    delta = await get(site, f"{TOP}.m3u8?_HLS_msn={first + 4}&_HLS_part=1&_HLS_skip=YES")
    skipped = int(re.search(r"#EXT-X-SKIP:SKIPPED-SEGMENTS=(\d+)", delta.text)[1])
    assert "SKIP:" not in whole.text
    shown = [one.uri for one in m3u8.loads(whole.text).segments if one.uri]
    assert [one.uri for one in m3u8.loads(delta.text).segments if one.uri] == shown[skipped:]
    assert sum(one.duration for one in m3u8.loads(whole.text).segments[skipped:] if one.uri) >= 12 - 0.64


# Parts.


async def test_rule_a_preload_hint_is_held_and_released_with_the_part(site, made):
    await site.release(2, 3)
    hint = re.search(r'PRELOAD-HINT:TYPE=PART,URI="(.*)"', (await get(site, f"{TOP}.m3u8")).text)[1]
    async with asking(site, hint) as one, asking(site, hint) as other:
        await site.release(2, 4)
        first, second = await one, await other
    body = next(p.body for p in made.parts if (p.rendition, p.segment, p.number) == (TOP, 2, 3))
    assert first.body == second.body == body
    assert first.cache == YEAR
    assert first.headers["etag"] == f'"{content_etag(body)}"'
    assert first.headers["content-length"] == str(len(body))


async def test_a_held_part_obeys_the_conditions_it_was_asked_with(site):
    await site.release(2, 3)
    async with asking(site, f"l1/{TOP}/2.3.m4s", Range="bytes=4-7") as asked:
        await site.release(2, 4)
        got = await asked
    assert (got.status, got.body) == (206, b"prft")


async def test_parts_of_the_next_segment_are_within_reach_and_others_are_not(site):
    await site.release(2, 3)
    async with asking(site, f"l1/{TOP}/3.0.m4s") as asked:
        await site.release(3, 1)
        assert (await asked).status == 200
    for key in (
        f"l1/{TOP}/5.0.m4s",
        f"l1/{TOP}/3.6.m4s",
        f"l1/{TOP}/1.6.m4s",
        "l1/none/0.0.m4s",
        "l9/x/0.0.m4s",
    ):
        got = await get(site, key)
        assert (got.status, got.cache) == (404, "public, max-age=1")


async def test_every_listed_part_can_be_had_from_memory_and_later_from_the_store(site, made):
    await site.release(6, 0)
    text = (await get(site, f"{TOP}.m3u8")).text
    keys = re.findall(r'#EXT-X-PART:.*URI="([^"]*)"', text)
    assert len(keys) == 18  # three segments are less than three target durations
    for key in [*keys, f"l1/{TOP}/0.0.m4s", f"l1/{TOP}/0.5.m4s"]:
        segment, number = map(int, re.search(r"/(\d+)\.(\d+)\.m4s", key).groups())
        part = next(p for p in made.parts if (p.rendition, p.segment, p.number) == (TOP, segment, number))
        assert (await get(site, key)).body == part.body
    assert site.onair.part("l1", TOP, 0, 0) is None  # the store has it


# Segments.


async def test_a_segment_is_its_parts_whether_it_grows_or_is_whole(site, made):
    await site.release(2, 3)
    async with asking(site, f"l1/{TOP}/2.m4s") as asked:
        await site.release(3, 0)
        grown = await asked
    whole = await get(site, f"l1/{TOP}/2.m4s")
    assert grown.body == whole.body == made.segment(TOP, 2)
    assert grown.headers["transfer-encoding"] == "chunked"
    assert grown.cache == whole.cache == YEAR
    assert whole.headers["content-length"] == str(len(whole.body))


async def test_a_growing_segment_is_sent_part_by_part(site, made):
    await site.release(2, 1)
    async with aiohttp.ClientSession() as session, session.get(site.url(f"l1/{TOP}/2.m4s")) as answer:
        first = [p.body for p in made.parts if (p.rendition, p.segment) == (TOP, 2)]
        assert await answer.content.readexactly(len(first[0])) == first[0]
        await site.release(2, 2)
        assert await answer.content.readexactly(len(first[1])) == first[1]
        await site.release(3, 0)
        assert await answer.content.read() == b"".join(first[2:])


async def test_a_segment_that_is_about_to_begin_is_awaited(site, made):
    await site.release(2, 0)
    async with asking(site, f"l1/{TOP}/2.m4s") as current, asking(site, f"l1/{TOP}/3.m4s") as following:
        await site.release(4, 0)
        assert (await current).body == made.segment(TOP, 2)
        assert (await following).body == made.segment(TOP, 3)
    assert (await get(site, f"l1/{TOP}/6.m4s")).status == 404


async def test_a_whole_segment_is_there_before_the_store_has_it(site, made):
    site.storing = False
    await site.release(6, 0)
    for segment in range(6):
        got = await get(site, f"l1/{TOP}/{segment}.m4s")
        assert got.body == made.segment(TOP, segment)
        assert got.headers["etag"] == f'"{content_etag(got.body)}"'


async def test_http_1_0_gets_a_segment_when_it_is_whole(site, made):
    await site.release(2, 3)
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    try:
        writer.write(f"GET /v/{ASSET}/l1/{TOP}/2.m4s HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        reading = asyncio.create_task(reader.read())
        async with asyncio.timeout(10):
            while not site.onair._bells:
                await asyncio.sleep(0)
        await site.release(3, 0)
        head, _, body = (await reading).partition(b"\r\n\r\n")
    finally:
        writer.close()
    assert b"Transfer-Encoding" not in head
    assert body == made.segment(TOP, 2)


async def test_a_segment_whose_parts_stop_coming_is_reset_and_never_ended(site, monkeypatch):
    await site.release(2, 1)
    monkeypatch.setattr(site.delivery._pieces, "_patience", 0.1)
    async with aiohttp.ClientSession() as session, session.get(site.url(f"l1/{TOP}/2.m4s")) as answer:
        assert answer.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()


async def test_inits_are_there_as_soon_as_the_life_is(site, made):
    got = await get(site, f"l1/{LOW}/init.mp4")
    assert (got.body, got.cache) == (made.inits[LOW], YEAR)


# Lives and the end.


async def test_rule_an_encoder_that_fails_breaks_nothing_the_count_goes_on(site, made):
    await site.release(2, 3)
    async with asking(site, f"{TOP}.m3u8?_HLS_msn=3&_HLS_part=0") as asked:
        await site.fall()
        second = made.successor(first=3, generation="l2", started=9000, names=[LOW, SOUND])
        await site.begin(second)
        assert not asked.done()
        await site.release(0, 1)
        text = (await asked).text
    assert "#EXT-X-DISCONTINUITY\n" in text
    assert f'#EXT-X-MAP:URI="l2/{LOW}/init.mp4"' in text
    parsed = m3u8.loads(text)
    assert [one.uri for one in parsed.segments if one.uri] == [f"l1/{TOP}/{n}.m4s" for n in range(3)]
    short = await get(site, f"l1/{TOP}/2.m4s")
    assert short.body == b"".join(
        p.body for p in made.parts if (p.rendition, p.segment) == (TOP, 2) and p.number < 3
    )
    assert LOW in (await get(site, "main.m3u8")).text
    assert TOP not in (await get(site, "main.m3u8")).text


async def test_a_growing_segment_ends_with_its_life(site):
    await site.release(2, 3)
    async with asking(site, f"l1/{TOP}/2.m4s") as asked:
        await site.fall()
        assert (await asked).body == (await get(site, f"l1/{TOP}/2.m4s")).body


async def test_there_is_nothing_in_what_a_life_no_longer_came_to(site):
    await site.release(2, 3)
    async with asking(site, f"l1/{TOP}/3.m4s") as asked:
        await site.fall()
        assert (await asked).status == 204
    for method in ("GET", "HEAD"):
        got = await get(site, f"l1/{TOP}/4.m4s", method)
        assert (got.status, got.body, got.cache) == (204, b"", "public, max-age=1")
    site.onair.end()
    assert (await get(site, f"l1/{TOP}/4.m4s")).status == 404


async def test_the_end_wakes_everybody_and_playlists_are_final(site):
    await site.release(2, 3)
    async with (
        asking(site, f"{TOP}.m3u8?_HLS_msn=3") as blocked,
        asking(site, f"l1/{TOP}/3.0.m4s") as part,
        asking(site, f"l1/{TOP}/3.m4s") as segment,
    ):
        await site.fall()
        site.onair.end()
        assert (await blocked).text.endswith("#EXT-X-ENDLIST\n")
        assert (await part).status == (await segment).status == 404
    final = await get(site, f"{TOP}.m3u8?_HLS_msn=999")
    assert m3u8.loads(final.text).is_endlist
    assert 'type="static"' in (await get(site, "main.mpd")).text


async def test_a_broadcast_that_ends_before_it_began_is_absent():
    async with live_site() as site, asking(site, "main.m3u8") as asked:
        site.onair.end()
        assert (await asked).status == 404


async def test_a_stream_stands_for_what_is_on_air(site, made):
    await site.release(2, 0)
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{site.base}/v/stream/{TOP}.m3u8") as answer:
            assert f"l1/{TOP}/1.m4s" in await answer.text()
        async with session.get(f"{site.base}/v/stream/l1/{TOP}/1.m4s") as answer:
            assert await answer.read() == made.segment(TOP, 1)


async def test_a_plain_broadcast_knows_no_directives(made):
    async with live_site(low_latency=False) as site:
        await site.begin(made)
        await site.release(3, 2)
        got = await get(site, f"{TOP}.m3u8?_HLS_msn=50")
        assert got.status == 200
        assert "PART" not in got.text


async def test_the_clock_is_told_to_the_millisecond_and_never_kept(site):
    async with aiohttp.ClientSession() as session, session.get(f"{site.base}/time") as answer:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", await answer.text())
        assert answer.headers["Cache-Control"] == "no-store"


async def test_a_broadcast_that_is_over_leaves_the_memory(made):
    async with live_site() as site:
        await site.begin(made)
        await site.release(2, 3)
        assert (await get(site, f"{TOP}.m3u8")).status == 200
        kept = site.delivery._playlists
        assert len(kept) == 1
        gone = weakref.ref(site.onair)
        site.forget()
        gc.collect()
        assert gone() is None
        assert not kept
        assert (await get(site, f"{TOP}.m3u8")).status == 404
