"""Who has a broadcast: one server at a time, and none of those that had it before."""

from __future__ import annotations

import asyncio

import pytest

from streamer.live.broadcasts import Broadcasts
from streamer.live.streams import Settings
from streamer.live.tenancy import Held, TakenOver
from streamer.peers import Peers
from streamer.rows import State, StreamState
from tests import lives


@pytest.fixture
def server(back):
    return lambda name: Broadcasts(back.database, back.channels, node=name, clock=back.clock)


@pytest.fixture
async def stream(back):
    return (await back.register.create(title="x", settings=Settings()))[0].id


async def test_what_its_server_has_left_is_for_whoever_takes_it_first(back, server, stream):
    a, b, c = map(server, "abc")
    asset = (await a.begin(stream)).id
    await a.begin_life(asset, lives.life("l1"))
    await a.tenancy.give(asset)
    assert await b.tenancy.take(asset)
    if back.database.shared:
        await Peers(back.database, node="b", url=None).beat()
    assert not await c.tenancy.take(asset)
    assert await b.tenancy.held() == Held(wishes={asset: None})
    assert await a.tenancy.held() == Held()


async def test_nothing_counts_that_an_earlier_server_still_writes(back, server, stream):
    a, b = map(server, "ab")
    asset = (await a.begin(stream)).id
    await a.begin_life(asset, lives.life("l1"))
    await a.tenancy.give(asset)
    await b.tenancy.take(asset)
    a.tenancy.began(asset, 1)  # it has not heard of any of this
    for late in (
        a.begin_life(asset, lives.life("l2", first=5)),
        a.noted(asset, "l1", []),
        a.stand(stream, StreamState.LIVE),
        a.end(asset, []),
    ):
        with pytest.raises(TakenOver):
            await late
    assert await a.tenancy.held() == Held(lost=frozenset({asset}))
    await b.end(asset, [])
    assert (await back.catalog.get(asset)).state is State.FAILED


async def test_the_same_server_has_it_under_another_term_after_a_restart(server, stream):
    before, after = server("a"), server("a")
    asset = (await before.begin(stream)).id
    assert await after.tenancy.take(asset)
    with pytest.raises(TakenOver):
        await before.begin_life(asset, lives.life("l1"))
    await after.begin_life(asset, lives.life("l1"))


async def test_a_server_that_is_there_keeps_what_it_has_until_its_lease_is_over(back, server, stream):
    if not back.database.shared:
        return  # a catalog of one server
    a, b = map(server, "ab")
    peer = Peers(back.database, node="a", url="http://a")
    assert not await peer.beat()
    assert await peer.beat()
    asset = (await a.begin(stream)).id
    assert not await b.tenancy.take(asset)
    assert await b.unfinished() == ()
    await b.tenancy.ask(asset, "end")
    assert await a.tenancy.held() == Held(wishes={asset: "end"})
    tenure = await b.tenancy.of(asset)
    assert (tenure.node, tenure.alive, tenure.term) == ("a", True, 1)
    await peer.leave()
    assert [one.asset.id for one in await b.unfinished()] == [asset]
    assert await b.tenancy.take(asset)
    assert await b.tenancy.held() == Held(wishes={asset: None})


async def test_what_begins_while_the_rows_are_read_is_not_lost(back, server):
    a = server("a")
    first, second = [(await back.register.create(title=one, settings=Settings()))[0].id for one in "xy"]
    begun = (await a.begin(first)).id
    reading = asyncio.create_task(a.tenancy.held())
    await asyncio.sleep(0)
    late = (await a.begin(second)).id
    held = await reading
    assert (held.lost, begun in held.wishes, a.tenancy.has(late)) == (frozenset(), True, True)


async def test_an_heir_has_it_before_anybody_else(server, stream):
    a, b, c = map(server, "abc")
    asset = (await a.begin(stream)).id
    await a.tenancy.give(asset, heir="b")
    assert await b.tenancy.take(asset)
    assert (await c.tenancy.of(asset)).node == "b"


async def test_what_has_ended_is_nobodys(server, stream):
    a = server("a")
    asset = (await a.begin(stream)).id
    await a.end(asset, [])
    assert not a.tenancy.has(asset)
    assert await a.tenancy.of(asset) is None
    assert not await a.tenancy.take(asset)
