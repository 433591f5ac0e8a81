"""Markers as rows: durable with their event, numbered for ever, bounded."""

from __future__ import annotations

from fractions import Fraction

import pytest

from packager.marker import Splice
from streamer.channel import of_asset
from streamer.errors import NoSuchAsset, NoSuchMarker, TooManyMarkers
from streamer.markers import MOST, Markers, Placed, Wish, show, within
from tests.unit.broadcasts import STARTED, lived, over
from tests.unit.marked import SECTION, marker

WISH = Wish(kind="goal", duration=Fraction(1, 3), data={"a": 1}, scte35=SECTION, splice=Splice.IN)
PLACED = Placed(moment=Fraction(1_800_000_000_125, 1000), media_time=Fraction(1001, 30_000), inband=True)


@pytest.fixture
def markers(back):
    return Markers(back.database, back.channels, clock=back.clock)


async def test_a_marker_is_read_as_it_was_kept(markers, back):
    asset = await back.planned()
    kept = await markers.add(asset.id, WISH, PLACED)
    assert await markers.page(asset.id) == (kept,)
    assert await markers.of(asset.id) == (kept.marker,)
    assert (kept.marker.moment, kept.media_time) == (PLACED.moment, PLACED.media_time)
    assert show(kept) == {
        "id": kept.marker.id,
        "kind": "goal",
        "date": "2027-01-15T08:00:00.125Z",
        "time": 0.033367,
        "duration": 0.333333,
        "data": {"a": 1},
        "scte35": SECTION.hex(),
        "splice": "in",
        "inband": True,
        "created": "2027-01-15T08:00:00.000Z",
    }


async def test_its_event_has_its_time_and_its_offset_is_its_number(markers, back):
    asset = await back.planned()
    subscription = await back.channels.subscribe(of_asset(asset.id))
    kept = await markers.add(asset.id, WISH, PLACED)
    (event,) = subscription.take()
    assert (event.type, event.media_time) == ("marker", PLACED.media_time)
    assert event.data == {"asset": asset.id, **show(kept)}
    assert event.offset == kept.marker.number


async def test_a_number_is_never_used_again(markers, back):
    asset = await back.planned()
    first = await markers.add(asset.id, WISH, PLACED)
    await markers.remove(asset.id, first.marker.id)
    second = await markers.add(asset.id, WISH, PLACED)
    assert second.marker.number > first.marker.number
    assert await markers.of(asset.id) == (second.marker,)


async def test_what_is_not_there_cannot_be_marked_or_forgotten(markers, back):
    with pytest.raises(NoSuchAsset):
        await markers.add("nothing", WISH, PLACED)
    with pytest.raises(NoSuchAsset):
        await markers.page("nothing")
    asset = await back.planned()
    with pytest.raises(NoSuchMarker):
        await markers.remove(asset.id, "nothing")


async def test_an_asset_has_so_many_and_no_more(markers, back, monkeypatch):
    monkeypatch.setattr("streamer.markers.MOST", 2)
    asset = await back.planned()
    kept = [await markers.add(asset.id, WISH, PLACED) for _ in range(2)]
    with pytest.raises(TooManyMarkers):
        await markers.add(asset.id, WISH, PLACED)
    await markers.remove(asset.id, kept[0].marker.id)
    await markers.add(asset.id, WISH, PLACED)
    assert MOST >= 100


def test_a_clip_has_the_markers_within_it():
    begun = Fraction(STARTED, 1000)
    found = within((over(lived(), 2),), [marker(begun + at, number=at) for at in (0, 3, 4)])
    assert [(one.marker.number, one.media_time) for one in found] == [(0, 0), (3, 3)]
