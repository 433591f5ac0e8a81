"""A server that is about to stop answers what it has been asked, each connection for the last time."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from streamer.files import Reply
from streamer.hot import head
from streamer.leaving import Leaving


@pytest.fixture
def leaving():
    return Leaving()


@pytest.fixture
def gate():
    return asyncio.Event()


@pytest.fixture
async def client(leaving, gate, aiohttp_client):
    async def held(_request):
        await gate.wait()
        return web.Response(text="done")

    async def media(request):
        return await Reply(204, head(204, b"", length=None)).send(request)

    app = web.Application(middlewares=[leaving.middleware])
    app.router.add_get("/held", held)
    app.router.add_get("/media", media)
    app.router.add_get("/endless", held, name="control-sse")
    return await aiohttp_client(app)


async def begun(leaving, count=1):
    async with asyncio.timeout(5):
        while leaving._open < count:
            await asyncio.sleep(0)


async def test_it_waits_for_what_is_being_answered_and_not_for_what_never_ends(client, leaving, gate):
    asked = asyncio.create_task(client.get("/held"))
    endless = asyncio.create_task(client.get("/endless"))
    await begun(leaving)
    leaving.begin()
    assert not await leaving.quiet(0.01)
    waiting = asyncio.create_task(leaving.quiet(5))
    gate.set()
    assert await waiting
    assert (await asked).headers["Connection"] == "close"
    await endless


@pytest.mark.parametrize("path", ["/held", "/media"])
async def test_the_last_answers_close_their_connections(client, leaving, gate, path):
    gate.set()
    assert "Connection" not in (await client.get(path)).headers
    leaving.begin()
    assert (await client.get(path)).headers["Connection"] == "close"
    assert await leaving.quiet(5)
