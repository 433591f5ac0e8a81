"""What the edges keep, for how long and under which key, before a server whose every answer is written."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import aiohttp
import pytest

from tests.flow.scripted import scripted
from tests.flow.test_edges import EDGES

SEGMENT = "/v/a1/g1/720p/7.m4s"
PLAYLIST = "/v/a1/720p.m3u8"
CROWD = 40
PATIENCE = aiohttp.ClientTimeout(total=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """An answer of the edge."""

    status: int
    headers: dict[str, str]
    body: bytes


class Viewer:
    """Asks the edge."""

    def __init__(self, session: aiohttp.ClientSession, edge: str) -> None:
        self._session = session
        self._edge = edge

    async def get(self, target: str, *, method: str = "GET", **headers: str) -> Got:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self._session.request(method, self._edge + target, headers=named) as response:
            return Got(status=response.status, headers=dict(response.headers), body=await response.read())

    async def crowd(self, *targets: str, **headers: str) -> list[Got]:
        """Have all of them asked for at once."""
        return await asyncio.gather(*(self.get(target, **headers) for target in targets))


@pytest.fixture
async def origin():
    async with scripted() as script:
        yield script


@pytest.fixture(params=EDGES)
async def kind(request):
    return request.param


@pytest.fixture
async def viewer(kind, origin, tmp_path):
    folder = tmp_path / "edge"
    folder.mkdir()
    # nginx answers the next request of a connection only when the refresh that the last one began is done.
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with (
        EDGES[kind](origin.base, folder) as address,
        aiohttp.ClientSession(connector=connector, auto_decompress=False, timeout=PATIENCE) as session,
    ):
        yield Viewer(session, address)


async def test_a_crowd_is_one_request(origin, viewer, kind):
    """A cold segment, and a reload that the server holds until there is something new."""
    for target in (SEGMENT, f"{PLAYLIST}?_HLS_msn=9&_HLS_part=2"):
        cache = "public, max-age=12" if "?" in target else "public, max-age=31536000, immutable"
        ready = asyncio.Event()
        origin.media(target, body=bytes(200_000), cache=cache, ready=ready)
        asking = asyncio.create_task(viewer.crowd(*[target] * CROWD))
        await origin.until_asked(target)
        ready.set()
        got = await asking
        assert {(one.status, len(one.body)) for one in got} == {(200, 200_000)}
        again = await viewer.get(target)
        assert again.body == got[0].body
        assert origin.times(target) == 1
        if kind == "varnish":
            assert "Age" in again.headers
        else:  # has no Age: the server's own date tells it
            assert again.headers["Date"] == got[0].headers["Date"]


async def test_the_key_is_the_path_and_the_directives(origin, viewer):
    asked = {
        PLAYLIST: (PLAYLIST, f"{PLAYLIST}?", f"{PLAYLIST}?token=1", f"{PLAYLIST}?x=_HLS_msn=9"),
        f"{PLAYLIST}?_HLS_msn=9&_HLS_part=2": (
            f"{PLAYLIST}?_HLS_part=2&_HLS_msn=9",
            f"{PLAYLIST}?token=2&_HLS_part=2&x&_HLS_msn=9",
        ),
        f"{PLAYLIST}?_HLS_msn=9&_HLS_part=2&_HLS_skip=YES": (
            f"{PLAYLIST}?_HLS_skip=YES&_HLS_msn=9&_HLS_part=2",
        ),
        SEGMENT: (f"{SEGMENT}?token=3", f"{SEGMENT}?_HLS_msn=9", SEGMENT),
        "/v/a1/main.mpd": ("/v/a1/main.mpd?start=4", "/v/a1/main.mpd"),
    }
    for target in asked:
        origin.media(target, body=target.encode(), cache="public, max-age=60")
    # Whatever an edge takes this for, it must not be kept as what it is not.
    assert (await viewer.get(f"{PLAYLIST}?_hls_msn=9&_hls_part=2")).status == 200
    for target, ways in asked.items():
        for way in ways:
            assert (await viewer.get(way)).body == target.encode(), way
    assert sorted(one.target for one in origin.asked) == sorted(asked)


async def test_nobody_is_told_apart(origin, viewer):
    """Neither what names a viewer goes to the server, nor what names one comes back, and all get the same."""
    origin.media(SEGMENT, headers={"Set-Cookie": "who=first"})
    first = await viewer.get(SEGMENT, Cookie="who=first", Authorization="Bearer first", Streamer_Edge="guess")
    second = await viewer.get(SEGMENT, Cookie="who=second", Authorization="Bearer second")
    assert second.body == first.body
    assert not {"Set-Cookie"} & (first.headers.keys() | second.headers.keys())
    (asked,) = origin.asked
    assert not {"Cookie", "Authorization"} & asked.headers.keys()
    assert not asked.headers.get("Streamer-Edge")


async def test_other_paths_are_passed_to_the_server_each_time(origin, viewer):
    for target in ("/api/v1/assets", "/v/a1/720p.push.mp4", "/time", "/watch/a1"):
        origin.media(target, cache="no-store")
        for who in ("one", "two"):
            await viewer.get(target, Cookie=who, Authorization=f"Bearer {who}")
        assert [one.headers["Cookie"] for one in origin.asked if one.target == target] == ["one", "two"]


async def test_ranges_of_a_cold_and_of_a_kept_object(origin, viewer):
    body = bytes(range(256)) * 400
    ready = asyncio.Event()
    origin.media(SEGMENT, body=body, etag='"one"', ready=ready)
    spans = [(at, at + 999) for at in range(0, 20_000, 1000)]
    asking = [asyncio.create_task(viewer.get(SEGMENT, Range=f"bytes={a}-{b}")) for a, b in spans]
    await origin.until_asked(SEGMENT)
    ready.set()
    for (first, last), got in zip(spans, await asyncio.gather(*asking), strict=True):
        assert (got.status, got.body) == (206, body[first : last + 1])
    kept = await viewer.get(SEGMENT, Range="bytes=-100")
    assert (kept.status, kept.body) == (206, body[-100:])
    assert kept.headers["Content-Range"] == f"bytes {len(body) - 100}-{len(body) - 1}/{len(body)}"
    assert (await viewer.get(SEGMENT, If_None_Match='"one"')).status == 304
    assert origin.times(SEGMENT) == 1


async def test_every_page_may_read(origin, viewer):
    origin.media(SEGMENT)
    for who in ("https://one.example", "https://two.example"):
        got = await viewer.get(SEGMENT, Origin=who)
        assert got.headers["Access-Control-Allow-Origin"] == "*"
        assert "Vary" not in got.headers
    await origin.stop()
    failed = await viewer.get("/v/a1/g1/720p/8.m4s", Origin="https://one.example")
    assert (failed.status, failed.headers["Access-Control-Allow-Origin"]) == (503, "*")


async def test_a_playlist_comes_in_two_codings_and_no_more(origin, viewer):
    plain = origin.media(PLAYLIST, cache="public, max-age=60", headers={"Vary": "Accept-Encoding"})
    plain.body = b"#EXTM3U\n" * 50
    for coding in ("gzip, deflate, br", "br, gzip;q=0.5", "identity", "br"):
        assert (await viewer.get(PLAYLIST, Accept_Encoding=coding)).status == 200
    assert 1 <= origin.times(PLAYLIST) <= 2


async def test_a_head_of_what_is_not_kept_is_no_get(origin, viewer):
    origin.media(SEGMENT)
    assert (await viewer.get(SEGMENT, method="HEAD")).status == 200
    assert [one.method for one in origin.asked] == ["HEAD"]


async def test_what_is_not_there_is_asked_for_again_after_a_second(origin, viewer):
    assert {one.status for one in await viewer.crowd(*[SEGMENT] * 10)} == {404}
    origin.media(SEGMENT)
    await _until(lambda: viewer.get(SEGMENT), lambda got: got.status == 200)
    assert origin.times(SEGMENT) == 2


async def test_an_old_one_is_served_while_a_new_one_is_fetched(origin, viewer):
    origin.media(PLAYLIST, body=b"old", cache="public, max-age=1, stale-while-revalidate=30")
    assert (await viewer.get(PLAYLIST)).body == b"old"
    ready = asyncio.Event()
    origin.media(PLAYLIST, body=b"new", cache="public, max-age=9", ready=ready)
    while origin.times(PLAYLIST) == 1:
        assert (await viewer.get(PLAYLIST)).body == b"old"
        await asyncio.sleep(0.02)
    assert {one.body for one in await viewer.crowd(*[PLAYLIST] * 10)} == {b"old"}
    ready.set()
    await _until(lambda: viewer.get(PLAYLIST), lambda got: got.body == b"new")
    assert origin.times(PLAYLIST) == 2


async def test_without_leave_nobody_gets_an_old_one(origin, viewer):
    origin.media(PLAYLIST, body=b"old", cache="public, max-age=1, stale-if-error=30")
    await viewer.get(PLAYLIST)
    origin.media(PLAYLIST, body=b"new", cache="public, max-age=1, stale-if-error=30")
    began = time.monotonic()
    got = await _until(lambda: viewer.get(PLAYLIST), lambda got: got.body == b"new")
    assert got.body == b"new"
    assert time.monotonic() - began < 3
    assert origin.times(PLAYLIST) == 2


async def test_an_old_one_is_served_while_the_server_is_away(origin, viewer):
    """For as long as stale-if-error says and no longer; and a new one at once when it is back."""
    cache = "public, max-age=1, stale-if-error=2"
    origin.media(PLAYLIST, body=b"old", cache=cache)
    assert (await viewer.get(PLAYLIST)).status == 200
    await origin.stop()
    began = time.monotonic()
    while (passed := time.monotonic() - began) < 2:
        got = await viewer.crowd(*[PLAYLIST] * 5)
        assert {(one.status, one.body) for one in got} == {(200, b"old")}, passed
        await asyncio.sleep(0.1)
    got = await _until(lambda: viewer.get(PLAYLIST), lambda got: got.status != 200)
    assert (got.status, got.headers["Access-Control-Allow-Origin"]) == (503, "*")
    assert time.monotonic() - began < 5
    origin.media(PLAYLIST, body=b"new", cache=cache)
    await origin.start()
    back = time.monotonic()
    await _until(lambda: viewer.get(PLAYLIST), lambda got: got.body == b"new")
    assert time.monotonic() - back < 2


@pytest.mark.parametrize("kind", ["varnish"])
@pytest.mark.parametrize("error", ["no-store", "public, max-age=1"])
async def test_an_old_one_is_served_while_the_server_fails(origin, viewer, error):
    """Nginx takes only a server that does not answer for an error."""
    origin.media(PLAYLIST, body=b"old", cache="public, max-age=1, stale-if-error=20")
    await viewer.get(PLAYLIST)
    failed = origin.media(PLAYLIST, status=500, body=b"", cache=error)
    while origin.times(PLAYLIST) < 5:
        assert (await viewer.get(PLAYLIST)).body == b"old"
        await asyncio.sleep(0.05)
    failed.status, failed.body = 200, b"new"
    assert (await viewer.get(PLAYLIST)).body == b"new"


async def _until(ask, met) -> Got:
    async with asyncio.timeout(15):
        while not met(got := await ask()):
            await asyncio.sleep(0.05)
        return got
