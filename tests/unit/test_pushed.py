"""Pushed frames of another server: one socket to there, and every viewer here from a keyframe on."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from packager.cutter import Sample
from streamer.live.push import Push
from streamer.live.viewers import SocketViewer
from streamer.relay.pushed import Pushed
from streamer.relay.upstream import PeerGone, Upstream
from tests import lives

LIFE = lives.life()
INITS = {name: lives.init(LIFE, name) for name in LIFE.names}


class Viewer:
    """Keeps what it is sent."""

    def __init__(self):
        self.bodies = []
        self.finished = asyncio.Event()

    @property
    def wrap(self):
        return bytes

    def send(self, wrapped):
        self.bodies.append(wrapped)

    def finish(self):
        self.finished.set()


def frame(number):
    return Sample(time=number * 1000, duration=1000, sync=number % 5 == 0, data=b"%d" % number)


@pytest.fixture
def push():
    made = Push()
    made.begin(LIFE, INITS)
    return made


@pytest.fixture
async def site(push, aiohttp_server):
    async def watch(request):
        name = request.match_info["name"].removesuffix(".push")
        if not push.knows(name):
            return web.Response(status=404)
        return await SocketViewer().serve(request, push, name)

    app = web.Application()
    app.router.add_get("/{name}", watch)
    return await aiohttp_server(app)


@pytest.fixture
async def upstream():
    made = Upstream("secret")
    yield made
    await made.close()


@pytest.fixture
async def pushed(site, upstream):
    made = Pushed(upstream, str(site.make_url("/360p.push")))
    yield made
    made.task.cancel()
    await asyncio.gather(made.task, return_exceptions=True)


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


async def test_all_viewers_here_are_one_there_and_begin_with_a_keyframe(push, pushed):
    assert await pushed.ready()
    early, late = Viewer(), Viewer()
    pushed.join("360p", early)
    for number in range(8):
        push.sample("360p", frame(number))
    await until(lambda: len(early.bodies) == 9)
    assert early.bodies[0] == INITS["360p"]
    pushed.join("360p", late)
    assert push.viewers == 1
    assert b"".join(late.bodies) == INITS["360p"] + b"".join(early.bodies[6:])
    push.sample("360p", frame(8))
    await until(lambda: len(early.bodies) == 10)
    assert late.bodies[-1] == early.bodies[-1]


async def test_it_ends_with_the_life_there(push, pushed):
    viewer = Viewer()
    await pushed.ready()
    pushed.join("360p", viewer)
    push.over()
    async with asyncio.timeout(5):
        await viewer.finished.wait()
        await pushed.task
    assert not pushed.knows("360p")


async def test_it_is_given_up_when_nobody_watches_any_more(push, pushed):
    viewer = Viewer()
    await pushed.ready()
    pushed.join("360p", viewer)
    pushed.leave("360p", viewer)
    await until(lambda: push.viewers == 0)
    await until(pushed.task.done)


async def test_what_is_not_pushed_there_is_not_here(site, upstream):
    nothing = Pushed(upstream, str(site.make_url("/720p.push")))
    assert not await nothing.ready()


async def test_a_server_that_is_gone_is_told(upstream, unused_tcp_port):
    with pytest.raises(PeerGone):
        await Pushed(upstream, f"http://127.0.0.1:{unused_tcp_port}/360p.push").ready()
