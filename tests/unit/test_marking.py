"""Markers find their moment on air, and reach the server that shows it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from fractions import Fraction

import pytest

from streamer.errors import InvalidRequest, WrongState
from streamer.live.clip_rows import ClipRows
from streamer.live.cues import Cues
from streamer.live.marking import Marking
from streamer.live.onair import OnAir
from streamer.live.streams import Settings
from streamer.markers import Markers, Placed, Wish
from tests.unit.broadcasts import CODECS, STARTED, lived
from tests.unit.test_cues import made

BEGUN = Fraction(STARTED, 1000)
LIFE = lived()


@dataclass
class Line:
    """A bus whose other end is the test."""

    shared: bool = False
    sent: list[tuple[str, str]] = field(default_factory=list)
    heard: dict = field(default_factory=dict)

    def tell(self, topic, key, value=None):
        self.sent.append((topic, key))

    def hear(self, topic, heard):
        self.heard[topic] = heard


class Desk:
    """A broadcast on air of which so many parts are cut, and what marks it."""

    def __init__(self, back) -> None:
        self.back = back
        self.bus = Line()
        self.changed: list[str] = []
        self.markers = Markers(back.database, back.channels, clock=back.clock)

    async def begin(self, parts: int) -> None:
        stream, _ = await self.back.register.create(title="a", settings=Settings())
        self.asset = (await self.back.broadcasts.begin(stream.id)).id
        self.onair, self.ahead = OnAir(self.asset), Cues(since=STARTED)
        rows = ClipRows(self.back.database, self.back.channels)

        async def changed(asset):
            self.changed.append(asset)

        self.marking = Marking(
            self.markers,
            rows,
            None,
            self,
            asset=self.back.catalog.get,
            changed=changed,
            bus=self.bus,
            clock=self.back.clock,
        )
        if not parts:
            return
        await self.back.broadcasts.begin_life(self.asset, LIFE)
        self.onair.begin(LIFE, dict.fromkeys(LIFE.names, b""), CODECS)
        self.ahead.begin(LIFE, lambda: 0)
        for number in range(parts):
            for name in LIFE.names:
                self.onair.take(self.ahead.put(made(name, number)))

    def find(self, asset):
        return self.onair if asset == self.asset else None

    def cues(self, asset):
        return self.ahead if asset == self.asset else None


@pytest.fixture
async def desk(back):
    opened = Desk(back)
    await opened.begin(4)
    yield opened
    await opened.marking.close()


async def test_a_marker_is_now_and_told_by_the_parts_to_come(desk):
    kept = await desk.marking.add(desk.asset, Wish(kind="goal"))
    assert kept.marker.inband
    assert desk.ahead.edge <= kept.marker.moment == BEGUN + kept.media_time
    assert desk.onair.markers == (kept.marker,)
    assert desk.changed == [desk.asset]
    assert desk.bus.sent == [("marked", desk.asset)]
    assert b"emsg" in desk.ahead.put(made("720p", 4)).body


@pytest.mark.parametrize(
    ("wish", "moment", "inband"),
    [
        ({"time": Fraction(1)}, BEGUN + 1, False),
        ({"date": BEGUN + Fraction(1, 2)}, BEGUN + Fraction(1, 2), False),
        ({"time": Fraction(60)}, BEGUN + 60, True),
    ],
)
async def test_what_has_been_cut_is_not_told_by_segments(desk, wish, moment, inband):
    kept = await desk.marking.add(desk.asset, Wish(kind="goal", **wish))
    assert (kept.marker.moment, kept.marker.inband) == (moment, inband)


@pytest.mark.parametrize("wish", [{"date": BEGUN - 1}, {"time": Fraction(4000)}])
async def test_a_moment_outside_the_broadcast_is_refused(desk, wish):
    with pytest.raises(InvalidRequest):
        await desk.marking.add(desk.asset, Wish(kind="goal", **wish))
    assert await desk.markers.of(desk.asset) == ()


async def test_before_there_is_a_picture_nothing_can_be_marked(back):
    desk = Desk(back)
    await desk.begin(0)
    with pytest.raises(WrongState):
        await desk.marking.add(desk.asset, Wish(kind="goal"))


async def test_until_the_next_life_begins_now_is_what_the_clock_shows(desk, back):
    desk.onair.over_life()
    desk.ahead = Cues(since=back.clock())
    kept = await desk.marking.add(desk.asset, Wish(kind="goal"))
    assert kept.marker.moment == Fraction(back.clock(), 1000)
    assert (kept.marker.inband, kept.media_time) == (True, 4 * LIFE.part_seconds)
    following = replace(LIFE, generation="l2", started=back.clock() + 3000)
    desk.ahead.begin(following, lambda: 0)
    assert b"emsg" in desk.ahead.put(made("720p", 0, following)).body


async def test_a_deleted_marker_is_not_told_any_more(desk):
    kept = await desk.marking.add(desk.asset, Wish(kind="goal"))
    await desk.marking.remove(desk.asset, kept.marker.id)
    assert desk.onair.markers == ()
    assert b"emsg" not in desk.ahead.put(made("720p", 4)).body


async def test_what_another_server_has_taken_is_told_here(desk):
    placed = Placed(moment=desk.ahead.edge, media_time=Fraction(2), inband=True)
    kept = await desk.markers.add(desk.asset, Wish(kind="goal"), placed)
    desk.bus.heard["marked"](desk.asset, None)
    desk.bus.heard["marked"]("elsewhere", None)
    async with asyncio.timeout(10):
        while not desk.onair.markers:
            await asyncio.sleep(0)
    assert desk.onair.markers == (kept.marker,)
    assert b"emsg" in desk.ahead.put(made("720p", 4)).body
