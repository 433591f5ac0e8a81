"""Which asset the address of a stream stands for."""

from __future__ import annotations

import pytest

from streamer.live.aliases import Aliases
from streamer.live.register import Register
from streamer.live.streams import Settings
from tests import lives


class Seconds:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds():
    return Seconds()


@pytest.fixture
def aliases(back, seconds):
    return Aliases(back.database, clock=seconds)


@pytest.fixture
def broadcasts(back):
    return back.broadcasts


@pytest.fixture
async def stream(back):
    register = Register(back.database, back.channels, clock=back.clock)
    return (await register.create(title="a", settings=Settings()))[0].id


async def aired(broadcasts, stream, generation):
    asset = await broadcasts.begin(stream)
    await broadcasts.begin_life(asset.id, lives.life(generation))
    await broadcasts.end(asset.id, [lives.over(lives.life(generation), 1)])
    return asset.id


async def test_an_asset_stands_for_itself(aliases, back):
    asset = await back.planned()
    assert await aliases.resolve(asset.id, "main.m3u8") == asset.id
    assert await aliases.resolve("zzzzzzzzzzzz", "g1/v360/0.m4s") == "zzzzzzzzzzzz"


async def test_a_stream_stands_for_its_newest_broadcast_within_a_second(aliases, broadcasts, stream, seconds):
    assert await aliases.resolve(stream, "main.m3u8") == stream
    first = await aired(broadcasts, stream, "l1")
    seconds.now += 1.1
    assert await aliases.resolve(stream, "main.m3u8") == first
    second = await aired(broadcasts, stream, "l2")
    seconds.now += 1.1
    assert await aliases.resolve(stream, "360p.m3u8") == second


async def test_media_stay_with_the_broadcast_that_made_them(aliases, broadcasts, stream, back):
    first = await aired(broadcasts, stream, "l1")
    second = await aired(broadcasts, stream, "l2")
    assert await aliases.resolve(stream, "l1/360p/0.m4s") == first
    assert await aliases.resolve(stream, "l2/360p/0.m4s") == second
    assert await aliases.resolve(stream, "l3/360p/0.m4s") == stream
    await back.planned(generation="g1")  # what is another's is not found under the stream's address
    assert await aliases.resolve(stream, "g1/v360/0.m4s") == stream
