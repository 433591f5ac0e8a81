"""Where broadcasts are, as the rows say, and how long that is believed."""

from __future__ import annotations

import pytest

from streamer.bus import Alone
from streamer.live.broadcasts import Broadcasts
from streamer.live.streams import Settings
from streamer.peers import Peers
from streamer.relay.whereabouts import FAREWELL_SECONDS, FRESH_SECONDS, Place, Whereabouts
from tests import lives
from tests.backend import backend


class Seconds:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
async def back(tmp_path, catalog_url):
    async with backend(tmp_path, url=catalog_url) as opened:
        yield opened


@pytest.fixture
def clock():
    return Seconds()


@pytest.fixture
def whereabouts(back, clock):
    return Whereabouts(back.database, Alone(), node="b", clock=clock)


async def begun(back, node="a"):
    stream = (await back.register.create(title="x", settings=Settings()))[0].id
    broadcasts = Broadcasts(back.database, back.channels, node=node, clock=back.clock)
    return broadcasts, (await broadcasts.begin(stream)).id


async def test_a_broadcast_is_at_the_server_that_has_it_while_that_is_there(back, whereabouts, clock):
    _, asset = await begun(back)
    assert await whereabouts.of(asset) == Place(url=None)
    peer = Peers(back.database, node="a", url="http://a")
    await peer.beat()
    assert await whereabouts.of(asset) == Place(url=None)  # for a moment
    clock.now += FRESH_SECONDS
    assert await whereabouts.of(asset) == Place(url="http://a")
    await peer.leave()
    whereabouts.forget(asset)
    assert await whereabouts.of(asset) == Place(url=None)


async def test_what_nobody_has_or_this_server_is_about_to_have_is_moving(back, whereabouts):
    broadcasts, asset = await begun(back)
    await broadcasts.tenancy.give(asset)
    assert await whereabouts.of(asset) == Place(url=None, moving=True)
    _, own = await begun(back, "b")
    assert await whereabouts.of(own) == Place(url=None, moving=True)


async def test_what_is_over_is_remembered_for_the_sake_of_its_parts(back, whereabouts, clock):
    broadcasts, asset = await begun(back)
    await Peers(back.database, node="a", url="http://a").beat()
    await broadcasts.begin_life(asset, lives.life())
    await whereabouts.of(asset)
    await broadcasts.end(asset, [])
    whereabouts.forget(asset)
    assert await whereabouts.of(asset) == Place(url="http://a", over=True)
    clock.now += FAREWELL_SECONDS
    assert await whereabouts.of(asset) is None


async def test_what_is_no_broadcast_is_not_looked_for_again(back, whereabouts, clock):
    film = (await back.catalog.create_asset(title="Film")).id
    assert await whereabouts.of(film) is None
    assert await whereabouts.of("nobody") is None
    await back.database.close()
    clock.now += 3600
    assert await whereabouts.of(film) is None
