"""A broadcast seen through another server: the same answers, asked for once however many ask."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

from packager.store import MemoryStore
from streamer.live.delivery import Delivery
from streamer.origin import Origin
from streamer.relay.relay import Relay
from streamer.relay.upstream import HEADER
from streamer.relay.whereabouts import Place
from tests.edges import silence
from tests.flow.live_site import ASSET, LOW, SOUND, TOP, LiveSite, Media, NoShelf, live_site, media

SECRET = "sixteen characters or more"  # noqa: S105
HELD = 40


@dataclass
class At:
    """Whereabouts that a test says."""

    place: Place | None
    forgotten: list[str] = field(default_factory=list)

    async def of(self, asset: str) -> Place | None:
        return self.place if asset == ASSET else None

    def forget(self, asset: str) -> None:
        self.forgotten.append(asset)


@dataclass
class Second:
    """Another server, which has nothing itself; `asked` counts what the first one is asked."""

    base: str
    at: At
    relay: Relay
    asked: Counter[str]

    def url(self, key: str) -> str:
        return f"{self.base}/v/{ASSET}/{key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    status: int
    headers: dict[str, str]
    body: bytes


@pytest.fixture(scope="module")
def made(clips) -> Media:
    return asyncio.run(media(clips, 12))


@pytest.fixture
async def site(made: Media) -> AsyncIterator[LiveSite]:
    async with live_site() as opened:
        await opened.begin(made)
        yield opened


@asynccontextmanager
async def relaying(site: LiveSite) -> AsyncIterator[Second]:
    asked: Counter[str] = Counter()

    async def count(path: str) -> None:
        asked[path.removeprefix(f"/v/{ASSET}/")] += 1

    site.asked = count
    at = At(Place(url=site.base))
    store = MemoryStore()
    relay = Relay(at, store, secret=SECRET, here=lambda _: None, memory=1 << 20)
    origin = Origin(store, NoShelf(), live=Delivery(lambda _: None, store, elsewhere=relay))
    app = web.Application()
    app.add_routes(origin.routes())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    await web.SockSite(runner, listener).start()
    try:
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        yield Second(base=base, at=at, relay=relay, asked=asked)
    finally:
        await relay.close()
        await runner.cleanup()
        await origin.close()


@pytest.fixture
async def second(site: LiveSite) -> AsyncIterator[Second]:
    async with relaying(site) as opened:
        yield opened


async def get(url: str, method: str = "GET", **headers: str) -> Got:
    plain = {"Accept-Encoding": "identity", **{name.replace("_", "-"): one for name, one in headers.items()}}
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.request(method, url, headers=plain) as answer,
    ):
        fields = {name: value for name, value in answer.headers.items() if name != "Date"}
        return Got(status=answer.status, headers=fields, body=await answer.read())


def keys_of(made: Media) -> list[str]:
    generation = made.life.generation
    return [
        "main.m3u8",
        "main.mpd",
        f"{TOP}.m3u8",
        f"{TOP}.m3u8?_HLS_msn=1&_HLS_part=0",
        f"{TOP}.m3u8?_HLS_msn=1&_HLS_skip=YES",
        f"{TOP}.m3u8?_HLS_part=0",
        f"{TOP}.m3u8?_HLS_msn=99999",
        "none.m3u8",
        f"{generation}/{TOP}/init.mp4",
        f"{generation}/{TOP}/1.0.m4s",
        f"{generation}/{SOUND}/0.m4s",
        f"{generation}/{SOUND}/77.m4s",
        f"{generation}/{LOW}/77.0.m4s",
    ]


async def test_it_answers_as_the_server_that_has_the_broadcast(site, second, made):
    await site.release(2, 1)
    for key in keys_of(made):
        for method, headers in (
            ("GET", {}),
            ("GET", {"Accept_Encoding": "gzip"}),
            ("GET", {"Range": "bytes=10-19"}),
            ("HEAD", {}),
        ):
            there = await get(site.url(key), method, **headers)
            assert await get(second.url(key), method, **headers) == there, (key, method, headers)
        if "ETag" in there.headers:
            unchanged = await get(second.url(key), If_None_Match=there.headers["ETag"])
            assert (unchanged.status, unchanged.body) == (304, b"")


async def test_all_who_wait_for_one_part_are_one_request(site, second):
    await site.release(1, 1)
    key = f"{TOP}.m3u8?_HLS_msn=1&_HLS_part=1"
    hint = f"{site.onair.lives[-1].life.generation}/{TOP}/1.1.m4s"
    waiting = [asyncio.create_task(get(second.url(one))) for one in (key, hint) for _ in range(HELD)]
    async with asyncio.timeout(10):
        while sum(len(one._held) for one in second.relay._waiting._waiters.values()) < 2 * HELD:
            await asyncio.sleep(0.01)
    await site.release(1, 2)
    answers = await asyncio.gather(*waiting)
    assert {one.status for one in answers} == {200}
    assert len({one.body for one in answers}) == 2
    assert second.asked == {key.partition("?")[0]: 1, hint: 1}
    again = await get(second.url(hint))  # a part never changes: it is at hand
    assert again.body == answers[-1].body
    assert second.asked[hint] == 1


async def test_a_segment_goes_on_as_it_grows(site, second, made):
    await site.release(1, 1)
    key = f"{made.life.generation}/{TOP}/1.m4s"
    readers: list[aiohttp.ClientResponse] = []
    async with aiohttp.ClientSession() as session:
        for _ in range(3):
            readers.append(await session.get(second.url(key)))
        first = [await one.content.readany() for one in readers]
        assert all(first)
        await site.release(2, 0)
        rest = [await one.read() for one in readers]
    whole = made.segment(TOP, 1)
    assert [begin + end for begin, end in zip(first, rest, strict=True)] == [whole] * 3
    assert second.asked[key] == 1
    assert (await get(second.url(key))).body == whole


async def test_a_segment_that_breaks_off_does_not_look_whole(site, second, made):
    await site.release(1, 1)
    key = f"{made.life.generation}/{TOP}/1.m4s"
    async with aiohttp.ClientSession() as session, session.get(second.url(key)) as answer:
        assert await answer.content.readany()
        (inflow,) = second.relay._inflows.values()
        inflow.task.cancel()
        with pytest.raises(aiohttp.ClientError):
            await answer.read()


async def test_a_server_that_is_gone_is_a_503_for_a_second(site, second, made):
    await site.release(1, 1)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for place in (Place(url=f"http://127.0.0.1:{port}"), Place(url=None)):
        second.at.place = place
        for key in ("main.m3u8", f"{TOP}.m3u8?_HLS_msn=1", f"{made.life.generation}/{TOP}/0.m4s"):
            refused = await get(second.url(key))
            assert (refused.status, refused.headers["Retry-After"]) == (503, "1"), key
            assert refused.headers["Cache-Control"] == "public, max-age=1"
    assert second.at.forgotten


async def test_a_server_that_is_silent_is_not_waited_for_once_the_broadcast_is_elsewhere(site, second, made):
    await site.release(1, 1)
    async with silence() as silent:
        for key in ("main.m3u8", f"{made.life.generation}/{TOP}/0.m4s", f"{TOP}.push.mp4"):
            second.at.place = Place(url=silent)
            waiting = asyncio.create_task(get(second.url(key)))
            await asyncio.sleep(0.1)
            assert not waiting.done()
            second.at.place = Place(url=site.base) if key != f"{TOP}.push.mp4" else Place(url=None)
            async with asyncio.timeout(5):
                answer = await waiting
            assert answer.status == (503 if key == f"{TOP}.push.mp4" else 200), key


async def test_what_is_sent_on_is_not_sent_on_again(site, second):
    await site.release(1, 1)
    refused = await get(second.url("main.m3u8"), **{HEADER: SECRET})
    assert refused.status == 503
    assert not second.asked


async def test_nothing_is_asked_elsewhere_for_what_is_no_broadcast(second):
    second.at.place = None
    assert (await get(second.url("main.m3u8"))).status == 404
    assert not second.asked
