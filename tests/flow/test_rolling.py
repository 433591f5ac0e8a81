"""One server after the other is stopped and started again while all of them are used."""

from __future__ import annotations

import asyncio
import contextlib
import signal

import aiohttp
import imageio_ffmpeg
import m3u8
import pytest

from tests.flow.cluster_nodes import Balancer, balanced, nodes
from tests.flow.on_air import FILM, LIVE, stream
from tests.flow.test_live_crash import Announced, on_air


@pytest.fixture
async def cluster(spawn, data_dir, database_url):
    async with nodes(spawn, data_dir, database_url, STREAMER_DRAIN_SECONDS="1") as opened:
        yield opened


@pytest.fixture(scope="module")
def film(clips):
    return clips.make(FILM)


@contextlib.asynccontextmanager
async def working(*tasks):
    """Have tasks work while the block runs; none of them may end by itself."""
    running = [asyncio.create_task(one) for one in tasks]
    try:
        yield
        for one in running:
            assert not one.done(), one.exception()
    finally:
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def send(balancer: Balancer, made: dict, film) -> None:
    """Publish, and come back wherever that is possible, as encoders do."""
    while True:
        shown = await balancer.choose().json("GET", f"{LIVE}/{made['id']}")
        process = await asyncio.create_subprocess_exec(
            imageio_ffmpeg.get_ffmpeg_exe(),
            *("-hide_banner", "-loglevel", "error", "-re", "-stream_loop", "-1", "-i", str(film)),
            *("-c", "copy", "-f", "flv", f"{shown['ingest']['rtmp']}/{made['key']}"),
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            await process.wait()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        await asyncio.sleep(0.2)


async def watch(balancer: Balancer, path: str, announced: Announced) -> None:
    """Reload by blocking requests, each of which has to be answered with a playlist; get what that names."""
    following = ""
    root = path.rpartition("/")[0]
    while True:
        status, headers, body = await balancer.ask(path + following)
        if status == 503:  # there is nothing new for as long as nobody publishes
            assert headers["Retry-After"] == "1"
            following = ""
            continue
        assert status == 200, (path + following, status, body)
        announced.take(body.decode())
        found = m3u8.loads(body.decode())
        last = [one for one in found.segments if one.uri and not one.gap_tag][-1]
        status, _, body = await balancer.ask(f"{root}/{last.uri}")
        assert (status, bool(body)) == (200, True), last.uri
        following = f"?_HLS_msn={(found.media_sequence or 0) + len(found.segments)}&_HLS_part=0"


async def follow(balancer: Balancer, channel: str, seen: list[int]) -> None:
    """Listen to a channel, and come back wherever that is possible, from where one was."""
    place: dict[str, object] = {}
    while True:
        async with balancer.session.ws_connect(f"{balancer.choose().base}/control") as socket:
            await socket.send_json({"type": "subscribe", "channel": channel, **place})
            async for message in socket:
                if message.type is not aiohttp.WSMsgType.TEXT:
                    break
                told = message.json()
                if told["type"] == "subscribed":
                    assert not place or told["recovered"]
                if "offset" in told and "epoch" in told:
                    place = {"epoch": told["epoch"], "offset": told["offset"]}
                if told["type"] == "custom.count":
                    seen.append(told["data"])


async def count(balancer: Balancer, channel: str) -> None:
    """Publish events, each of which has to be taken."""
    number = 0
    while True:
        event = {"type": "custom.count", "data": number}
        await balancer.choose().json("POST", f"/api/v1/channels/{channel}/events", status=201, json=event)
        number += 1
        await asyncio.sleep(0.05)


async def stop(balancer: Balancer, name: str) -> None:
    """Stop a server as an operator does."""
    child = balancer.servers[name].child
    child.process.send_signal(signal.SIGTERM)
    assert await child.wait(seconds=30) == 0
    balancer.remove(name)


async def until_lives(announced: Announced, count: int) -> None:
    """Wait until viewers have seen so many lives."""
    async with asyncio.timeout(30):
        while len({generation for generation, _, _ in announced.said.values()}) < count:
            await asyncio.sleep(0.05)


async def test_a_rolling_restart_fails_no_request_and_loses_no_event(cluster, film):
    a, b = await asyncio.gather(cluster.start("a"), cluster.start("b"))
    announced, seen = Announced(), []
    async with balanced({"a": a, "b": b}) as balancer:
        made = await stream(a)
        channel = f"stream:{made['id']}"
        async with working(send(balancer, made, film)):
            _, name = await on_air(a, made)
            path = f"/v/{made['id']}/{name}"
            async with working(
                watch(balancer, path, announced),
                watch(balancer, path, announced),
                follow(balancer, channel, seen),
                count(balancer, channel),
            ):
                await stop(balancer, "a")
                await until_lives(announced, 2)
                balancer.servers["a"] = await cluster.start("a")
                async with asyncio.timeout(30):
                    while "a" not in balancer.ready:
                        await asyncio.sleep(0.05)
                await stop(balancer, "b")
                await until_lives(announced, 3)
                counted = len(seen)
                async with asyncio.timeout(10):
                    while len(seen) < counted + 10:
                        await asyncio.sleep(0.05)
    assert seen == list(range(seen[0], seen[0] + len(seen)))
