"""A broadcast in a cluster: every server shows it, and it goes on at another one when its own is killed."""

from __future__ import annotations

import asyncio
import signal

import aiohttp
import m3u8
import pytest

from tests.flow.cluster_nodes import nodes
from tests.flow.on_air import FILM, LIVE, listed, playlist, publishing, stream, until, whole
from tests.flow.test_live_crash import Announced, address, on_air, whole_recording
from tests.flow.whole_site import Client


@pytest.fixture
async def cluster(spawn, data_dir, database_url):
    async with nodes(spawn, data_dir, database_url) as opened:
        yield opened


@pytest.fixture(scope="module")
def film(clips):
    return clips.make(FILM)


async def frames(session: aiohttp.ClientSession, url: str) -> bytes:
    """Return the beginning of what is pushed."""
    async with session.get(url) as answer:
        assert answer.status == 200
        body = b""
        while body.count(b"moof") < 10:
            body += await answer.content.readany()
        return body


async def goes_on(client: Client, path: str) -> set[str]:
    """Wait until a playlist has two segments of a second life; return the generations."""
    async with asyncio.timeout(40):
        while True:
            status, _, body = await client.ask("GET", path)
            found = (
                [one.uri.partition("/")[0] for one in whole(m3u8.loads(body.decode()))]
                if status == 200
                else []
            )
            if found and found.count(found[-1]) >= 2 and found[0] != found[-1]:
                return set(found)
            await asyncio.sleep(0.1)


@pytest.mark.soak
async def test_killed_on_air_the_broadcast_goes_on_at_another_server(cluster, film):
    a, b = await asyncio.gather(cluster.start("a"), cluster.start("b"))
    made = await stream(a)
    root, announced = f"/v/{made['id']}/", Announced()
    async with publishing(made["ingest"]["rtmp"], made["key"], film):
        asset, name = await on_air(b, made)
        found = await listed(b, root + name, lambda one: len(whole(one)) >= 2)
        bodies = {one.uri: await b.get(root + one.uri) for one in whole(found)}
        assert {uri: await a.get(root + uri) for uri in bodies} == bodies
        pushed = await frames(b.session, f"{b.base}/v/{asset}/{name.replace('.m3u8', '.push.mp4')}")
        assert pushed[4:8] == b"ftyp"
        async with announced.reading(b, root + name):
            found = await listed(b, root + name, lambda one: len(whole(one)) >= 3)
            following = (found.media_sequence or 0) + len(found.segments) + 1
            held = asyncio.create_task(b.ask("GET", f"{root}{name}?_HLS_msn={following}"))
            await a.kill()
            status, headers, _ = await held
            assert (status, headers.get("Cache-Control")) == (503, "public, max-age=1")
    async with announced.reading(b, root + name), publishing(await address(b, made), made["key"], film):
        generations = await goes_on(b, root + name)
        assert (await until(b, made["id"], "live"))["asset"] == asset
    assert {generation for generation, _, _ in announced.said.values()} == generations
    # The server that was killed comes back, and does not have the broadcast any more.
    a = await cluster.start("a")
    after = await playlist(a, root + name)
    assert {one.uri.partition("/")[0] for one in whole(after)} == generations
    await a.json("POST", f"{LIVE}/{made['id']}/end")  # by a server that has to ask the other one
    await whole_recording(b, asset, name, bodies)
    await listed(a, root + name, lambda one: one.is_endlist)


async def test_a_publisher_who_comes_to_another_server_takes_the_broadcast_along(cluster, film):
    a, b = await asyncio.gather(cluster.start("a"), cluster.start("b"))
    made = await stream(a)
    root, announced = f"/v/{made['id']}/", Announced()
    async with publishing(made["ingest"]["rtmp"], made["key"], film):
        asset, name = await on_air(a, made)
        async with announced.reading(b, root + name):
            before = await listed(a, root + name, lambda one: len(whole(one)) >= 2)
            async with publishing(await address(b, made), made["key"], film):
                assert before.segments[0].uri.partition("/")[0] in await goes_on(a, root + name)
                assert (await until(a, made["id"], "live"))["asset"] == asset
    assert len({generation for generation, _, _ in announced.said.values()}) == 2


@pytest.mark.soak
async def test_a_server_that_was_held_up_does_not_go_on_with_what_another_one_has(cluster, film):
    a, b = await asyncio.gather(cluster.start("a"), cluster.start("b"))
    made = await stream(a)
    root, announced = f"/v/{made['id']}/", Announced()
    async with publishing(made["ingest"]["rtmp"], made["key"], film):
        asset, name = await on_air(a, made)
        async with announced.reading(b, root + name):
            before = await listed(b, root + name, lambda one: len(whole(one)) >= 2)
            bodies = {one.uri: await b.get(root + one.uri) for one in whole(before)}
            a.child.process.send_signal(signal.SIGSTOP)
            try:
                async with publishing(await address(b, made), made["key"], film):
                    generations = await goes_on(b, root + name)
                    a.child.process.send_signal(signal.SIGCONT)
                    async with announced.reading(a, root + name):
                        assert await goes_on(a, root + name) == generations
                        await listed(a, root + name, lambda one: len(whole(one)) >= len(bodies) + 4)
            finally:
                a.child.process.send_signal(signal.SIGCONT)
    assert {generation for generation, _, _ in announced.said.values()} == generations
    await a.json("POST", f"{LIVE}/{made['id']}/end")
    await whole_recording(b, asset, name, bodies)
