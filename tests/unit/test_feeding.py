"""Feeds out of sample tables: nothing that a stretch needs is missing, and every sample keeps its time."""

from __future__ import annotations

import random
import struct
from collections.abc import AsyncIterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from packager import feeding
from packager.boxes import box, find, full_box
from packager.cutter import Cutter
from packager.feed import Feed
from packager.tables import ROW, Tables, TrackTable

SCALE = 1000
MATRIX = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
HEADER = full_box(
    "tkhd", 0, 3, struct.pack(">5I", 0, 0, 7, 0, 0), bytes(16), MATRIX, struct.pack(">2I", 64, 48)
)
DESCRIPTION = full_box("stsd", 0, 0, struct.pack(">I", 1), box("avc1", bytes(78)))
SOURCE = random.Random(4).randbytes(1 << 20)


class Bytes:
    """A source in memory that notes what is read of it."""

    path, received, whole = Path("/nowhere"), len(SOURCE), True

    def __init__(self) -> None:
        self.reads: list[tuple[int, int]] = []

    async def read(self, start: int, stop: int) -> bytes:
        self.reads.append((start, stop))
        return SOURCE[start:stop]

    async def grown(self, beyond: int) -> None:
        """Return at once."""


def table(rows, *, descriptions: int = 1) -> TrackTable:
    stsd = DESCRIPTION[:12] + struct.pack(">I", descriptions) + DESCRIPTION[16:]
    brand = box("ftyp", b"qt  ", bytes(4))
    return TrackTable(
        track=0, timescale=SCALE, end=0, file_type=brand, header=HEADER, stsd=stsd, rows=np.array(rows, ROW)
    )


def pictures(seed: int, groups: int, *, leading: int, first: int = 0):
    """Return rows of groups of pictures in decode order, and for each row the row that its decoder begins at.

    Up to `leading` pictures of each group are shown before its sync sample, and need the group before. Frames
    last 1 to 60 ticks, `first` is when the first one is shown.
    """
    dice = random.Random(seed)
    shown, needs, keys = [], [], []
    time = first
    begins = []
    for group in range(groups):
        before = dice.randint(0, leading if group else 0)
        times = []
        for _ in range(before + dice.randint(1, 12)):
            times.append(time)
            time += dice.randint(1, 60)
        begins.append(len(shown))
        rest = times[:before] + times[before + 1 :]
        dice.shuffle(rest)
        for shown_at in (times[before], *rest):
            keys.append(shown_at == times[before])
            shown.append(shown_at)
            needs.append(begins[-2] if shown_at < times[before] else begins[-1])
    offset, rows = 0, []
    for pts, key in zip(shown, keys, strict=True):
        offset += dice.choice((0, 0, 7))
        size = dice.randint(1, 9)
        rows.append((pts, offset, size, key))
        offset += size
    return rows, needs


def fed(feed: Feed, rows) -> list[int]:
    """Return which samples are in a feed, in their order."""
    inside = [range(*piece) for piece in feed.pieces if isinstance(piece, tuple)]
    return [
        n for n, (_, offset, size, _) in enumerate(rows) if size and any(offset in span for span in inside)
    ]


async def everything(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


@settings(max_examples=60)
@given(
    seed=st.integers(0, 1 << 32), groups=st.sampled_from((1, 3, 40, 400)), leading=st.integers(0, 3),
    begin=st.integers(-300, 30_000), length=st.integers(1, 9000), early=st.booleans(),
)  # fmt: skip
def test_all_that_is_shown_is_fed_with_all_that_it_needs(*, seed, groups, leading, begin, length, early):
    rows, needs = pictures(seed, groups, leading=leading, first=-100)
    feeder = feeding.feeder(Tables({0: table(rows)}))
    feed = feeder.stretch(0, Fraction(begin, SCALE), Fraction(begin + length, SCALE), early=early)
    have = fed(feed, rows)
    assert have == list(range(have[0], have[-1] + 1)), "decode order without a hole"
    before = max((row[0] for row in rows if row[0] <= begin), default=rows[0][0])
    shown = [n for n, row in enumerate(rows) if before <= row[0] < begin + length]
    assert set(shown) <= set(have)
    assert all(needs[n] >= have[0] for n in shown)
    assert rows[have[0]][3], "it begins with a sync sample"
    assert feed.reach == max(rows[n][1] + rows[n][2] for n in have)
    if early and have[0]:
        later = fed(feeder.stretch(0, Fraction(begin, SCALE), Fraction(begin + length, SCALE)), rows)
        assert have[0] < later[0]


@settings(max_examples=30)
@given(
    times=st.lists(st.integers(-5000, 5000), min_size=1, max_size=600, unique=True), seed=st.integers(0, 99)
)
def test_even_a_table_without_sense_gives_all_that_is_shown(times, seed):
    dice = random.Random(seed)
    rows = [(time, 10 * n, 10, dice.random() < 0.5) for n, time in enumerate(times)]
    feed = feeding.feeder(Tables({0: table(rows)})).stretch(0, Fraction(-1), Fraction(1))
    have = fed(feed, rows)
    assert {n for n, row in enumerate(rows) if -SCALE <= row[0] < SCALE} <= set(have)


@pytest.mark.parametrize("first", [0, -2500, 90_000])
async def test_samples_keep_their_bytes_and_their_times_above_the_shift(first):
    rows, _ = pictures(3, 30, leading=2, first=first)
    begin = Fraction(first, SCALE) + 1
    feed = feeding.feeder(Tables({0: table(rows)})).stretch(0, begin, begin + 2)
    cutter = Cutter()
    samples = list(cutter.feed(await everything(feed.read(Bytes()))))
    cutter.finish()
    expected = [rows[n] for n in fed(feed, rows)]
    assert [sample.time - feed.shift * SCALE for sample in samples] == [row[0] for row in expected]
    assert [sample.data for sample in samples] == [SOURCE[row[1] : row[1] + row[2]] for row in expected]
    assert [sample.sync for sample in samples] == [bool(row[3]) for row in expected]
    assert feed.shift >= 0


async def test_the_head_keeps_brand_matrix_and_description_and_has_no_edit_list():
    feed = feeding.feeder(Tables({0: table([(0, 0, 10, 1)])})).stretch(0, Fraction(0), Fraction(1))
    head = feed.pieces[0]
    assert head.startswith(box("ftyp", b"qt  ", bytes(4)))
    track = find(head, "moov.trak.tkhd")
    assert MATRIX in head[track.start : track.end]
    assert DESCRIPTION in head
    assert b"edts" not in head
    assert b"vide" in head


def test_where_samples_cannot_be_told_apart_there_is_no_feed():
    rows = [(0, 0, 10, 1), (40, 10, 10, 0), (40, 20, 10, 0)]
    second = (Fraction(0), Fraction(1))
    assert feeding.feeder(Tables({0: table(rows)})).stretch(0, *second) is None
    assert feeding.feeder(Tables({0: table(rows[:2], descriptions=2)})).stretch(0, *second) is None
    assert feeding.feeder(Tables({0: table([])})).stretch(0, *second) is None
    assert feeding.feeder(Tables({})).stretch(0, *second) is None


async def test_near_ranges_are_read_at_once_and_long_ones_in_parts():
    source = Bytes()
    pieces = (b"head", (10, 20), (30, 40), (200_000, 200_010), b"x" * 3_000_000, (0, len(SOURCE)))
    feed = Feed(format="mp4", pieces=pieces)
    blocks = [block async for block in feed.read(source)]
    assert source.reads == [(10, 40), (200_000, 200_010), (0, len(SOURCE))]
    assert max(map(len, blocks)) <= 1 << 20
    assert (
        b"".join(blocks)
        == b"head" + SOURCE[10:20] + SOURCE[30:40] + SOURCE[200_000:200_010] + (b"x" * 3_000_000) + SOURCE
    )


def test_a_feed_survives_json():
    feed = Feed(format="mp4", pieces=(b"\0\xff head", (3, 1 << 40)), stream=1, shift=2)
    kind = TypeAdapter(Feed)
    assert kind.validate_json(kind.dump_json(feed)) == feed
