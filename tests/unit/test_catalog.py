"""Assets: their life, the pages of the list, and the events that tell of them."""

from __future__ import annotations

import asyncio
import json
from fractions import Fraction

import pytest
from sqlalchemy import func, select

from streamer import schema
from streamer.channel import of_asset
from streamer.errors import InvalidCursor, NoSuchAsset, NoSuchCaption, NoSuchChannel
from streamer.ledger import Stored
from streamer.rows import Caption, Failure, State, show
from tests.backend import backend


async def _told(back, channel="assets", after=0):
    epoch = (await back.channels.subscribe(channel)).epoch
    subscription = await back.channels.subscribe(channel, epoch=epoch, offset=after)
    return [(event.type, event.data) for event in subscription.take(1000) if event.offset]


async def _rows(back, table):
    async with back.database.read() as connection:
        return await connection.scalar(select(func.count()).select_from(table))


async def test_an_asset_from_upload_to_complete(back):
    asset = await back.catalog.create_asset(title="Film", size=100, upload_id="u1")
    assert (asset.state, asset.received, asset.size) == (State.UPLOADING, 0, 100)
    await back.catalog.set_received(asset.id, 100)
    await back.catalog.set_state(asset.id, State.PROBING)
    planned = await back.plan(asset.id, segments=2)
    assert planned.state is State.PLAYABLE
    assert planned.duration == Fraction(1001, 125)
    for rung in planned.rungs:
        for number in range(2):
            await back.ledger.add_segment(asset.id, "g1", Stored(rendition=rung.name, number=number, size=1))
    assert [rung.done for rung in (await back.catalog.get(asset.id)).rungs] == [2, 2]
    whole = await back.catalog.set_state(asset.id, State.COMPLETE)
    assert [rung.done for rung in whole.rungs] == [2, 2]
    assert whole == await back.catalog.get(asset.id)
    told = await _told(back)
    assert [(kind, data["state"]) for kind, data in told] == [
        ("asset.created", "uploading"),
        ("asset.changed", "probing"),
        ("asset.changed", "playable"),
        ("asset.playable", "playable"),
        ("asset.changed", "complete"),
        ("asset.complete", "complete"),
    ]
    assert told[-1][1] == json.loads(json.dumps(show(whole)))


async def test_a_state_is_told_once_for_every_time_that_it_is_reached(back):
    asset = await back.planned()
    await back.plan(asset.id)
    await back.catalog.rename(asset.id, "Other")
    await back.catalog.fail(asset.id, step="encode", message="no", log=["line"])
    await back.catalog.set_state(asset.id, State.PLAYABLE)
    reached = ("asset.playable", "asset.complete", "asset.failed")
    own = [(kind, data) for kind, data in await _told(back, f"asset:{asset.id}") if kind in reached]
    assert [kind for kind, _ in own] == ["asset.playable", "asset.failed", "asset.playable"]
    assert own[1][1]["failure"] == {"step": "encode", "message": "no", "log": []}


async def test_the_state_and_what_tells_of_it_are_one_transaction(back, peek):
    asset = await back.catalog.create_asset(title="Film")
    listening = await back.channels.subscribe(f"asset:{asset.id}")
    planning = asyncio.create_task(back.plan(asset.id))
    async for event in listening:
        assert event.type == "asset.changed"
        assert peek("select count(*) from event where type = 'asset.playable'") == [(2,)]
        break
    await planning


async def test_received_is_kept_and_only_hinted(back):
    asset = await back.catalog.create_asset(title="Film", size=100)
    before = len(await _told(back))
    await back.catalog.set_received(asset.id, 60, seekable=Fraction(5, 2))
    assert (await back.catalog.get(asset.id)).received == 60
    assert len(await _told(back)) == before
    assert [hint.data for hint in back.channels.hints("assets")] == [
        {"id": asset.id, "received": 60, "size": 100, "seekable": 2.5}
    ]


async def test_everything_survives_a_restart(tmp_path, either_url):
    async with backend(tmp_path, url=either_url) as first:
        asset = await first.planned(title="Größe")
        await first.catalog.put_caption(asset.id, Caption(language="en", label="English", key="c/x"))
        await first.catalog.warn(asset.id, "a track was left out")
        before = await first.catalog.get(asset.id)
    async with backend(tmp_path, url=either_url) as second:
        assert await second.catalog.get(asset.id) == before
        assert before.warnings == ("a track was left out",)


async def test_failures_name_the_step_and_are_forgotten_by_a_retry(back):
    asset = await back.catalog.create_asset(title="Film")
    failed = await back.catalog.fail(asset.id, step="probe", message="nothing", log=["/data/x: bad"])
    assert failed.failure == Failure(step="probe", message="nothing", log=("/data/x: bad",))
    told = (await _told(back, of_asset(asset.id)))[-1][1]
    assert told["failure"] == {"step": "probe", "message": "nothing", "log": []}
    assert (await _told(back))[-1][1]["failure"]["log"] == ["/data/x: bad"]
    again = await back.catalog.set_state(asset.id, State.PROBING)
    assert again.failure is None


async def test_a_warning_is_kept_once(back):
    asset = await back.catalog.create_asset(title="Film")
    for _ in range(2):
        await back.catalog.warn(asset.id, "truncated")
    assert (await back.catalog.get(asset.id)).warnings == ("truncated",)
    assert [kind for kind, _ in await _told(back)] == ["asset.created", "asset.changed"]


async def test_pages_hold_every_asset_once_newest_first(back):
    made = []
    for number in range(25):
        back.clock.now += number % 3  # some share a millisecond
        made.append((back.clock.now, (await back.catalog.create_asset(title=f"Film {number}")).id))
    cursor, seen = None, []
    while True:
        page = await back.catalog.page(cursor=cursor, limit=7)
        seen += [asset.id for asset in page.items]
        cursor = page.next
        if cursor is None:
            break
        assert len(page.items) == 7
        await back.catalog.create_asset(title="new meanwhile")
        back.clock.now += 1
    assert seen == [identity for _, identity in sorted(made, reverse=True)]


async def test_an_exact_page_has_no_next(back):
    for number in range(4):
        await back.catalog.create_asset(title=str(number))
    assert (await back.catalog.page(limit=4)).next is None
    assert (await back.catalog.page(limit=3)).next is not None


@pytest.mark.parametrize("cursor", ["", "x", "!!!!", "é", "MQ", "LTE"])
async def test_a_made_up_cursor_is_refused_or_harmless(back, cursor):
    await back.catalog.create_asset(title="Film")
    try:
        page = await back.catalog.page(cursor=cursor)
    except InvalidCursor:
        return
    assert page.items == ()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("GRÖSSE", ["Größe 100%"]),
        ("100%", ["Größe 100%"]),
        ("%", ["Größe 100%"]),
        ("_", []),
        ("film", ["Film"]),
    ],
)
async def test_titles_are_searched_in_any_case_and_literally(back, query, found):
    await back.catalog.create_asset(title="Größe 100%")
    await back.catalog.create_asset(title="Film")
    assert [asset.title for asset in (await back.catalog.page(query=query)).items] == found


async def test_renaming_changes_what_is_found(back):
    asset = await back.catalog.create_asset(title="Old")
    assert (await back.catalog.rename(asset.id, "New")).title == "New"
    assert (await back.catalog.page(query="old")).items == ()


async def test_a_second_generation_stands_beside_the_first(back):
    asset = await back.planned()
    await back.ledger.add_segment(asset.id, "g1", Stored(rendition="v360", number=0, size=1))
    again = await back.plan(asset.id, generation="g2")
    assert (again.generation, again.rungs[0].done) == ("g2", 0)
    await back.catalog.retire_generation(asset.id, "g1")
    assert [g.name for g in await back.catalog.generations(asset.id)] == ["g1", "g2"]
    assert await back.catalog.retired(back.clock.now) == ()
    assert [g.name for g in await back.catalog.retired(back.clock.now + 1)] == ["g1"]
    await back.catalog.drop_generation(asset.id, "g1")
    assert [g.name for g in await back.catalog.generations(asset.id)] == ["g2"]
    assert await _rows(back, schema.segment) == 0


async def test_setting_the_same_generation_again_keeps_its_plan(back):
    asset = await back.planned()
    await back.catalog.retire_generation(asset.id, "g1")
    again = await back.plan(asset.id, segments=11)
    assert again.rungs[0].segments == 11
    (generation,) = await back.catalog.generations(asset.id)
    assert (generation.plan, generation.retired_at) == ({"preset": "veryfast"}, None)


async def test_captions_are_one_for_each_language(back):
    asset = await back.planned()
    await back.catalog.put_caption(asset.id, Caption(language="en", label="A", key="c1"))
    changed = await back.catalog.put_caption(asset.id, Caption(language="en", label="B", key="c2"))
    assert changed.captions == (Caption(language="en", label="B", key="c2"),)
    assert (await back.catalog.delete_caption(asset.id, "en")).captions == ()
    with pytest.raises(NoSuchCaption):
        await back.catalog.delete_caption(asset.id, "en")


async def test_a_deleted_asset_is_gone_for_everybody_and_leaves_no_row(back):
    asset = await back.planned()
    listening = await back.channels.subscribe(of_asset(asset.id))
    await back.catalog.delete(asset.id)
    assert [event.type for event in listening.take()] == ["asset.deleted"]
    assert (await _told(back))[-1] == ("asset.deleted", {"id": asset.id})
    for call in (
        back.catalog.get(asset.id),
        back.catalog.rename(asset.id, "x"),
        back.catalog.set_received(asset.id, 1),
        back.catalog.delete(asset.id),
        back.plan(asset.id),
        back.catalog.put_caption(asset.id, Caption(language="en", label="A", key="c1")),
    ):
        with pytest.raises(NoSuchAsset):
            await call
    with pytest.raises(NoSuchChannel):
        await back.channels.subscribe(of_asset(asset.id))
    # A Run that was under way still reports.
    await back.ledger.add_segment(asset.id, "g1", Stored(rendition="v360", number=0, size=1))
    assert await back.catalog.tombstones() == (asset.id,)
    await back.catalog.purge(asset.id)
    with pytest.raises(NoSuchAsset):
        await back.ledger.add_segment(asset.id, "g1", Stored(rendition="v360", number=1, size=1))
    for table in (schema.asset, schema.generation, schema.segment, schema.run, schema.caption):
        assert await _rows(back, table) == 0
    assert await _rows(back, schema.channel) == 1


async def test_purge_leaves_the_living_alone(back):
    asset = await back.planned()
    await back.catalog.purge(asset.id)
    assert (await back.catalog.get(asset.id)).id == asset.id


async def test_a_restart_finds_what_it_has_to_go_on_with(back):
    first = await back.catalog.create_asset(title="a", upload_id="u1")
    back.clock.now += 1
    second = await back.planned()
    assert [asset.id for asset in await back.catalog.in_state(State.UPLOADING, State.PLAYABLE)] == [
        first.id,
        second.id,
    ]
    assert await back.catalog.in_state(State.FAILED) == ()
    assert (await back.catalog.by_upload("u1")).id == first.id
    assert await back.catalog.by_upload("u2") is None
