"""Placements as rows: what survives, what is told, and what is taken up by which server."""

from __future__ import annotations

import pytest

from streamer.channel import of_asset
from streamer.errors import NoSuchAsset
from streamer.placements import Placements, Stand, Trouble, show
from streamer.rows import State
from tests.backend import Backend


@pytest.fixture
def placements(back):
    return Placements(back.database, back.channels, node="one", clock=back.clock)


async def told(back: Backend, asset: str) -> list[tuple[str, dict]]:
    """Return what the asset's channel has said of publishing since it was made."""
    listening = await back.channels.subscribe(of_asset(asset))
    epoch = listening.epoch
    listening.close()
    again = await back.channels.subscribe(of_asset(asset), epoch=epoch, offset=0)
    events = [(event.type, event.data) for event in again.take() if event.type.startswith("publish")]
    again.close()
    return events


async def test_the_life_of_a_placement_is_kept_and_told(back, placements):
    asset = (await back.planned()).id
    begun = await placements.begin(asset, "cdn", Stand.PUBLISHING, all_of_it=True)
    assert (begun.state, begun.all_of_it) == (Stand.PUBLISHING, True)
    assert await placements.under_way() == [begun]
    back.clock.now += 5000
    done = await placements.done(begun, Stand.PUBLISHED, objects=7, size=700, uploaded=3)
    assert await placements.under_way() == []
    assert await placements.of(asset) == [done]
    assert (done.objects, done.bytes, done.uploaded, done.updated - done.created) == (7, 700, 3, 5000)
    gone = await placements.begin(asset, "cdn", Stand.WITHDRAWING)
    assert (await placements.done(gone, Stand.WITHDRAWN)).objects == 0
    kinds = [(kind, data["state"]) for kind, data in await told(back, asset)]
    assert kinds == [
        ("publish.started", "publishing"),
        ("publish.done", "published"),
        ("publish.started", "withdrawing"),
        ("publish.done", "withdrawn"),
    ]


async def test_a_failure_is_told_to_everybody_by_its_code_only(back, placements):
    asset = (await back.planned()).id
    begun = await placements.begin(asset, "cdn", Stand.PUBLISHING)
    failed = await placements.failed(begun, Trouble(code="no-such-bucket", message="there is no 'secret'"))
    assert show(failed)["failure"] == {"code": "no-such-bucket", "message": "there is no 'secret'"}
    kind, data = (await told(back, asset))[-1]
    assert (kind, data) == ("publish.failed", {"id": asset, "destination": "cdn", "code": "no-such-bucket"})
    again = await placements.begin(asset, "cdn", Stand.PUBLISHING)
    assert (again.failure, again.created) == (None, begun.created)


async def test_an_asset_is_taken_by_rule_once(back, placements):
    asset = (await back.planned()).id
    assert await placements.never("cdn") == []
    await back.catalog.set_state(asset, State.COMPLETE)
    assert await placements.never("cdn") == [asset]
    begun = await placements.begin_new(asset, "cdn")
    assert begun is not None
    assert await placements.begin_new(asset, "cdn") is None
    assert await placements.never("cdn") == []
    assert await placements.never("another") == [asset]
    await placements.done(begun, Stand.WITHDRAWN)
    assert await placements.never("cdn") == []


async def test_a_server_goes_on_with_what_it_began_itself(back, placements):
    asset = (await back.planned()).id
    await placements.begin(asset, "cdn", Stand.PUBLISHING)
    other = Placements(back.database, back.channels, node="two", clock=back.clock)
    assert await other.under_way() == []
    taken = await other.begin(asset, "cdn", Stand.PUBLISHING)
    assert await other.under_way() == [taken]
    assert await placements.under_way() == []


async def test_a_deleted_asset_takes_its_placements_along(back, placements):
    asset = (await back.planned()).id
    begun = await placements.begin(asset, "cdn", Stand.PUBLISHING)
    await back.catalog.delete(asset)
    with pytest.raises(NoSuchAsset):
        await placements.begin(asset, "cdn", Stand.PUBLISHING)
    await back.catalog.purge(asset)
    assert await placements.done(begun, Stand.PUBLISHED) is None
