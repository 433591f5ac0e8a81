"""Broadcasts: assets that are on air, then recordings."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import pytest

from packager.life import Reach
from streamer.channel import of_asset, of_stream
from streamer.errors import NoSuchAsset, NoSuchStream, TooManyBroadcasts, WrongState
from streamer.ledger import Stored
from streamer.live.broadcasts import Broadcasts
from streamer.live.streams import Settings
from streamer.peers import Peers
from streamer.rows import State, StreamState, show
from tests import lives


@pytest.fixture
def register(back):
    return back.register


@pytest.fixture
def broadcasts(back):
    return back.broadcasts


@pytest.fixture
async def stream(register):
    return (await register.create(title="Évening", settings=Settings()))[0]


async def told(back, channel):
    epoch = (await back.channels.subscribe(channel)).epoch
    subscription = await back.channels.subscribe(channel, epoch=epoch, offset=0)
    return [(event.type, event.data) for event in subscription.take(1000) if event.offset]


def stored(lived, *numbers, size=100):
    return [Stored(rendition=name, number=n, size=size) for name in lived.names for n in numbers]


async def test_a_broadcast_from_the_first_frame_to_the_recording(back, register, broadcasts, stream):
    asset = await broadcasts.begin(stream.id)
    assert (asset.title, asset.state, asset.on_air) == ("Évening", State.PROBING, True)
    assert (show(asset)["live"], show(asset)["playback"]) == (
        {"stream": stream.id, "state": "connecting"},
        None,
    )
    lived = lives.life()
    on_air = await broadcasts.begin_life(asset.id, lived)
    assert (on_air.state, on_air.generation, on_air.duration, on_air.arriving) == (
        State.PLAYABLE,
        "l1",
        0,
        False,
    )
    assert show(on_air)["playback"]["hls"] == f"/v/{asset.id}/main.m3u8"
    await broadcasts.stand(stream.id, StreamState.LIVE)
    assert (await register.get(stream.id)).state is StreamState.LIVE
    for _ in range(2):
        await broadcasts.noted(asset.id, "l1", stored(lived, 0, 1, 2))
    assert [rung.done for rung in (await back.catalog.get(asset.id)).rungs] == [3, 3, 3]
    recording = await broadcasts.end(asset.id, [lives.over(lived, 3)])
    assert (recording.state, recording.duration, recording.size, recording.on_air) == (
        State.COMPLETE,
        6,
        900,
        False,
    )
    assert [(rung.name, rung.kind, rung.segments, rung.done) for rung in recording.rungs] == [
        ("360p", "video", 3, 3),
        ("180p", "video", 3, 3),
        ("audio-0", "audio", 3, 3),
    ]
    assert show(recording)["live"] == {"stream": stream.id, "state": "ended"}
    found = await register.get(stream.id)
    assert (found.state, found.asset) == (StreamState.ENDED, asset.id)


async def test_rule_every_change_is_told_where_it_is_looked_for(back, broadcasts, stream):
    asset = await broadcasts.begin(stream.id)
    await broadcasts.begin_life(asset.id, lives.life())
    for state in (StreamState.LIVE, StreamState.LIVE, StreamState.SLATE):
        await broadcasts.stand(stream.id, state)
    recording = await broadcasts.end(asset.id, [lives.over(lives.life(), 1)])
    states = ["connecting", "live", "slate", "ended"]
    assert await told(back, of_stream(stream.id)) == [
        ("stream.state", {"stream": stream.id, "asset": asset.id, "state": state}) for state in states
    ]
    own = await told(back, of_asset(asset.id))
    assert [data["state"] for kind, data in own if kind == "stream.state"] == states
    library = await told(back, "assets")
    assert [(kind, data["state"], data["live"]["state"]) for kind, data in library] == [
        ("asset.created", "probing", "connecting"),
        ("asset.changed", "playable", "connecting"),
        ("asset.playable", "playable", "connecting"),
        ("asset.changed", "playable", "live"),
        ("asset.changed", "playable", "slate"),
        ("asset.changed", "complete", "ended"),
        ("asset.complete", "complete", "ended"),
    ]
    assert library[-1][1] == json.loads(json.dumps(show(recording)))


async def test_two_lives_are_one_recording_and_an_empty_one_leaves_no_trace(back, broadcasts, stream):
    asset = await broadcasts.begin(stream.id)
    made = [lives.life("l1"), lives.life("l2", first=2, heights=(180,)), lives.life("l3", first=3)]
    for lived in made:
        await broadcasts.begin_life(asset.id, lived)
    short = lives.over(made[1], 1)
    reach = {name: Reach(segments=1, end=made[1].border(name, 0, 3)) for name in made[1].names}
    aired = [lives.over(made[0], 2), replace(short, reach=reach), lives.over(made[2], 0)]
    recording = await broadcasts.end(asset.id, aired)
    assert recording.duration == 4 + Fraction(6, 5)
    assert (recording.generation, [rung.segments for rung in recording.rungs]) == ("l2", [1, 1])
    assert [one.name for one in await back.catalog.generations(asset.id)] == ["l1", "l2"]


async def test_a_broadcast_without_a_whole_segment_has_failed(back, broadcasts, stream):
    asset = await broadcasts.begin(stream.id)
    await broadcasts.begin_life(asset.id, lives.life())
    ended = await broadcasts.end(asset.id, [lives.over(lives.life(), 0)])
    assert (ended.state, ended.failure.step, ended.generation) == (State.FAILED, "live", None)


async def test_ending_it_again_changes_nothing(back, broadcasts, stream):
    asset = await broadcasts.begin(stream.id)
    await broadcasts.begin_life(asset.id, lives.life())
    recording = await broadcasts.end(asset.id, [lives.over(lives.life(), 2)])
    before = await told(back, of_asset(asset.id))
    assert await broadcasts.end(asset.id, []) == recording
    assert await told(back, of_asset(asset.id)) == before


async def test_a_stream_has_one_broadcast_at_a_time_and_another_one_after(broadcasts, register, stream):
    first = await broadcasts.begin(stream.id)
    with pytest.raises(WrongState):
        await broadcasts.begin(stream.id)
    await broadcasts.end(first.id, [])
    second = await broadcasts.begin(stream.id)
    assert (await register.get(stream.id)).asset == second.id != first.id


async def test_a_stream_that_is_not_on_air_does_not_stand_anywhere(broadcasts, stream):
    with pytest.raises(WrongState):
        await broadcasts.stand(stream.id, StreamState.LIVE)
    with pytest.raises(NoSuchStream):
        await broadcasts.stand("zzzzzzzzzzzz", StreamState.LIVE)


async def test_a_server_carries_so_many_broadcasts(back, register):
    narrow = Broadcasts(back.database, back.channels, node="a", most=1, clock=back.clock)
    other = Broadcasts(back.database, back.channels, node="b", most=1, clock=back.clock)
    made = [(await register.create(title="x", settings=Settings()))[0].id for _ in range(3)]
    on_air = await narrow.begin(made[0])
    with pytest.raises(TooManyBroadcasts):
        await narrow.begin(made[1])
    with pytest.raises(TooManyBroadcasts):
        await narrow.room()
    assert (await register.get(made[1])).state is StreamState.IDLE
    await other.begin(made[1])
    await narrow.end(on_air.id, [])
    await narrow.begin(made[2])


async def test_a_crash_leaves_the_unfinished_to_their_own_server(back, register):
    mine = Broadcasts(back.database, back.channels, node="a", clock=back.clock)
    other = Broadcasts(back.database, back.channels, node="b", clock=back.clock)
    made = [(await register.create(title="x", settings=Settings()))[0].id for _ in range(2)]
    asset = await mine.begin(made[0])
    for lived in (lives.life("l2", first=3), lives.life("l1")):
        await mine.begin_life(asset.id, lived)
    await other.begin(made[1])
    if back.database.shared:
        await Peers(back.database, node="b", url=None).beat()
    (found,) = await mine.unfinished()
    assert (found.asset.id, found.stream) == (asset.id, made[0])
    assert found.lives == (lives.life("l1"), lives.life("l2", first=3))
    await mine.end(asset.id, [])
    assert await mine.unfinished() == ()


async def test_a_broadcast_that_was_deleted_is_told_as_missing(back, broadcasts, stream):
    asset = await broadcasts.begin(stream.id)
    await broadcasts.begin_life(asset.id, lives.life())
    await back.catalog.delete(asset.id)
    for call in (broadcasts.begin_life(asset.id, lives.life("l2")), broadcasts.end(asset.id, [])):
        with pytest.raises(NoSuchAsset):
            await call
    await back.catalog.purge(asset.id)
    with pytest.raises(NoSuchAsset):
        await broadcasts.noted(asset.id, "l1", stored(lives.life(), 0))


async def test_pictures_that_cannot_be_passed_through_are_told_with_the_reason(back, broadcasts, stream):
    asset = await broadcasts.begin(stream.id)
    refused = replace(lives.life(), refusal="its pictures may be interlaced")
    shown = show(await broadcasts.begin_life(asset.id, refused))
    assert shown["uncopied"] == ["picture: its pictures may be interlaced"]
    for channel in (of_asset(asset.id), of_stream(stream.id)):
        assert [data for type_, data in await told(back, channel) if type_ == "passthrough.refused"] == [
            {"stream": stream.id, "asset": asset.id, "reason": "its pictures may be interlaced"}
        ]
    passed = replace(lives.life("l2", first=1), passthrough=True)
    shown = show(await broadcasts.begin_life(asset.id, passed))
    assert (shown["uncopied"], [rung["copied"] for rung in shown["rungs"]]) == ([], [True, False, False])


async def test_a_life_with_other_pictures_is_told_on_both_channels(back, broadcasts, stream):
    asset = await broadcasts.begin(stream.id)
    for first, (name, heights) in enumerate([("l1", (360, 180)), ("l2", (360, 180)), ("l3", (180,))]):
        await broadcasts.begin_life(asset.id, lives.life(name, first=first, heights=heights))
    for channel in (of_asset(asset.id), of_stream(stream.id)):
        assert [data for type_, data in await told(back, channel) if type_ == "ladder.changed"] == [
            {
                "stream": stream.id,
                "asset": asset.id,
                "before": [
                    {"name": "360p", "width": 720, "height": 360},
                    {"name": "180p", "width": 360, "height": 180},
                ],
                "after": [{"name": "180p", "width": 360, "height": 180}],
            }
        ]
