"""Streams in the register: keys, pages, changes, and the events that tell of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streamer.channel import of_stream
from streamer.errors import NoSuchChannel, NoSuchStream, WrongState
from streamer.live.streams import Settings, show
from streamer.rows import StreamState

SETTINGS = Settings(dvr_seconds=600)


@pytest.fixture
def register(back):
    return back.register


@pytest.fixture
def broadcasts(back):
    return back.broadcasts


async def test_a_new_stream_is_idle_and_keeps_what_was_set(register):
    stream, _ = await register.create(title="Evening", settings=SETTINGS)
    assert (stream.title, stream.state, stream.settings, stream.asset) == (
        "Evening",
        StreamState.IDLE,
        SETTINGS,
        None,
    )
    assert await register.get(stream.id) == stream


async def test_a_key_opens_its_own_stream_only_and_is_stored_as_a_hash(register, peek):
    first, key = await register.create(title="a", settings=SETTINGS)
    _, other = await register.create(title="b", settings=SETTINGS)
    assert len(key) >= 32
    assert key != other
    assert await register.by_key(key) == first
    for wrong in ("", key[:-1], key + "x", "x" * 1000, "\ud800", key.upper()):
        assert await register.by_key(wrong) is None
    assert all(key not in str(row) for row in peek("SELECT * FROM stream"))


async def test_another_key_takes_the_place_of_the_old_one(register):
    stream, key = await register.create(title="a", settings=SETTINGS)
    changed, new = await register.rotate_key(stream.id)
    assert await register.by_key(key) is None
    assert await register.by_key(new) == changed


async def test_a_change_is_told_on_the_streams_channel(register, back):
    stream, _ = await register.create(title="a", settings=SETTINGS)
    listening = await back.channels.subscribe(of_stream(stream.id))
    changed = await register.change(stream.id, title="b")
    assert (changed.title, changed.settings) == ("b", SETTINGS)
    again = await register.change(stream.id, settings=replace(SETTINGS, reconnect_seconds=7))
    assert (again.title, again.settings.reconnect_seconds) == ("b", 7)
    told = [(event.type, event.data) for event in listening.take()]
    assert told == [("stream.changed", show(changed)), ("stream.changed", show(again))]


async def test_pages_hold_every_stream_once_newest_first(register, back):
    made = []
    for number in range(7):
        back.clock.now += number % 2
        made.append((back.clock.now, (await register.create(title="x", settings=SETTINGS))[0].id))
    cursor, seen = None, []
    while True:
        page = await register.page(cursor=cursor, limit=3)
        seen += [stream.id for stream in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert seen == [identity for _, identity in sorted(made, reverse=True)]


async def test_a_deleted_stream_is_gone_for_everybody(register, back):
    stream, key = await register.create(title="a", settings=SETTINGS)
    listening = await back.channels.subscribe(of_stream(stream.id))
    await register.delete(stream.id)
    assert [(event.type, event.data) for event in listening.take()] == [("stream.deleted", {"id": stream.id})]
    assert await register.by_key(key) is None
    assert (await register.page()).items == ()
    for call in (
        register.get(stream.id),
        register.change(stream.id, title="x"),
        register.rotate_key(stream.id),
        register.delete(stream.id),
    ):
        with pytest.raises(NoSuchStream):
            await call
    with pytest.raises(NoSuchChannel):
        await back.channels.subscribe(of_stream(stream.id))


async def test_what_is_on_air_is_not_deleted(register, broadcasts):
    stream, _ = await register.create(title="a", settings=SETTINGS)
    asset = await broadcasts.begin(stream.id)
    with pytest.raises(WrongState):
        await register.delete(stream.id)
    await broadcasts.end(asset.id, [])
    await register.delete(stream.id)


async def test_a_stream_whose_recording_was_deleted_is_idle(register, broadcasts, back):
    stream, _ = await register.create(title="a", settings=SETTINGS)
    asset = await broadcasts.begin(stream.id)
    await broadcasts.end(asset.id, [])
    assert (await register.get(stream.id)).state is StreamState.ENDED
    await back.catalog.delete(asset.id)
    found = await register.get(stream.id)
    assert (found.state, found.asset) == (StreamState.IDLE, None)
    await back.catalog.purge(asset.id)
    assert await register.get(stream.id) == found
