"""Read sample tables from boxes built here; whatever is wrong with them is BadBoxes and nothing else."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.boxes import box, full_box
from packager.errors import BadBoxes
from packager.sampletable import Edit, Track, fragmented, in_blocks, parse_moov

DECODE_ORDER = (0, 3, 1, 2, 4, 7, 5, 6)
"""Two groups I P B B: when each sample, in decode order, is shown."""


def table(name: str, rows: Sequence[tuple[int, ...]], *, form: str = "I", version: int = 0) -> bytes:
    packed = b"".join(struct.pack(f">{form * len(row)}", *row) for row in rows)
    return full_box(name, version, 0, struct.pack(">I", len(rows)), packed)


def movie(**changes: bytes) -> bytes:
    """Return a moov with one video track of 8 samples at 100 ticks each, two chunks, a delay of 0.5 s."""
    count = len(DECODE_ORDER)
    offsets = [(1, 100 * (shown - place) + 200) for place, shown in enumerate(DECODE_ORDER)]
    tables = {
        "stsd": full_box("stsd", 0, 0, struct.pack(">I", 1), box("avc1", bytes(78))),
        "stts": table("stts", [(count, 100)]),
        "ctts": table("ctts", offsets),
        "stss": table("stss", [(1,), (5,)]),
        "stsz": full_box("stsz", 0, 0, struct.pack(">II", 0, count), struct.pack(">8I", *range(10, 18))),
        "stsc": table("stsc", [(1, 5, 1), (2, 3, 1)]),
        "stco": table("stco", [(1000,), (5000,)]),
    }
    parts = {**tables, **{name: part for name, part in changes.items() if name in tables or name == "more"}}
    edits = changes.get("elst", table("elst", [(500, 0xFFFFFFFF, 1 << 16), (800, 200, 1 << 16)]))
    return box(
        "moov",
        full_box("mvhd", 0, 0, struct.pack(">IIII", 0, 0, 1000, 0)),
        box(
            "trak",
            full_box("tkhd", 0, 3, struct.pack(">IIIII", 0, 0, 7, 0, 0)),
            box("edts", edits),
            box(
                "mdia",
                full_box("mdhd", 0, 0, struct.pack(">IIIII", 0, 0, 1000, 800, 0)),
                full_box("hdlr", 0, 0, bytes(4), b"vide", bytes(13)),
                box("minf", box("stbl", *parts.values())),
            ),
        ),
        changes.get("mvex", b""),
    )


def only(moov: bytes) -> Track:
    (track,) = parse_moov(moov)
    return track


def test_track():
    track = only(movie())
    assert (track.number, track.handler, track.timescale, track.movie_timescale) == (7, "vide", 1000, 1000)
    assert (track.count, track.duration, track.last_chunk) == (8, 800, 5000)
    assert track.formats == ("avc1",)
    assert not track.protected
    assert track.stsd[4:8] == b"stsd"


def test_edit_list():
    track = only(movie())
    assert track.edits == (
        Edit(duration=500, media_time=-1, rate=65536),
        Edit(duration=800, media_time=200, rate=65536),
    )
    assert track.simple
    assert track.shift == 300
    assert track.shown == (200, 1000)


@pytest.mark.parametrize(
    "rows",
    [
        [(400, 0, 1 << 16), (400, 400, 1 << 16)],
        [(800, 0, 1 << 15)],
        [(400, 0, 1 << 16), (100, 0xFFFFFFFF, 1 << 16)],
        [(400, 0xFFFFFFFF, 1 << 16)],
    ],
)
def test_edit_lists_that_are_not_simple(rows):
    assert not only(movie(elst=table("elst", rows))).simple


def test_long_edit_list_entries():
    rows = struct.pack(">IQqi", 1, 1 << 33, 1 << 34, 1 << 16)
    track = only(movie(elst=full_box("elst", 1, 0, rows)))
    assert track.edits == (Edit(duration=1 << 33, media_time=1 << 34, rate=65536),)


def test_samples():
    samples = only(movie()).samples()
    assert samples.dts.tolist() == [0, 100, 200, 300, 400, 500, 600, 700]
    assert samples.pts.tolist() == [200 + 100 * shown for shown in DECODE_ORDER]
    assert samples.durations.tolist() == [100] * 8
    assert samples.sizes.tolist() == [10, 11, 12, 13, 14, 15, 16, 17]
    assert samples.offsets.tolist() == [1000, 1010, 1021, 1033, 1046, 5000, 5015, 5031]
    assert samples.key.tolist() == [True, False, False, False, True, False, False, False]


def test_negative_offsets_in_a_version_0_table():
    samples = only(movie(ctts=table("ctts", [(8, 0xFFFFFF9C)]))).samples()
    assert samples.pts.tolist() == [time - 100 for time in samples.dts.tolist()]


def test_absent_stss_and_ctts():
    samples = only(movie(ctts=b"", stss=b"")).samples()
    assert samples.key.all()
    assert samples.pts.tolist() == samples.dts.tolist()


def test_one_size_for_all_and_long_offsets():
    stco = full_box("co64", 0, 0, struct.pack(">IQQ", 2, 1 << 33, 1 << 34))
    samples = only(movie(stco=stco, stsz=full_box("stsz", 0, 0, struct.pack(">II", 9, 8)))).samples()
    assert samples.sizes.tolist() == [9] * 8
    assert samples.offsets.tolist()[4:6] == [(1 << 33) + 36, 1 << 34]


@pytest.mark.parametrize(
    ("width", "raw", "sizes"),
    [
        (4, b"\x12\x34\x56\x78", [1, 2, 3, 4, 5, 6, 7, 8]),
        (8, bytes(range(1, 9)), [1, 2, 3, 4, 5, 6, 7, 8]),
        (16, struct.pack(">8H", *range(300, 308)), list(range(300, 308))),
    ],
)
def test_compact_sizes(width: int, raw: bytes, sizes: list[int]):
    compact = full_box("stz2", 0, 0, struct.pack(">II", width, 8), raw)
    assert only(movie(stsz=compact)).samples().sizes.tolist() == sizes


def test_protected():
    entry = box("avc1", bytes(78), box("sinf", box("frma", b"avc1")))
    assert only(movie(stsd=full_box("stsd", 0, 0, struct.pack(">I", 1), entry))).protected
    entry = box("encv", bytes(78))
    assert only(movie(stsd=full_box("stsd", 0, 0, struct.pack(">I", 1), entry))).protected


def test_fragmented():
    assert not fragmented(movie())
    assert fragmented(movie(mvex=box("mvex")))


@pytest.mark.parametrize(
    "changes",
    [
        {"stts": table("stts", [(7, 100)])},
        {"stts": table("stts", [(8, 0xFFFFFF00)])},
        {"ctts": table("ctts", [(7, 0)])},
        {"stsz": full_box("stsz", 0, 0, struct.pack(">II", 1, 0xFFFFFFFF))},
        {"stsz": full_box("stsz", 0, 0, struct.pack(">II", 0, 9), bytes(32))},
        {"stsz": b""},
        {"stsc": table("stsc", [(2, 5, 1)])},
        {"stsc": table("stsc", [(1, 1, 1)])},
        {"stsc": table("stsc", [])},
        {"stco": b""},
    ],
)
def test_contradictions(changes: dict[str, bytes]):
    with pytest.raises(BadBoxes):
        only(movie(**changes)).samples()


def test_counts_beyond_any_memory_are_cut():
    samples = only(movie(stts=table("stts", [(0xFFFFFFFF, 100)] * 3))).samples()
    assert len(samples) == 8


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.integers(0, len(movie()) - 1), st.integers(0, 255)), max_size=12),
    st.integers(0, len(movie())),
)
def test_damage_raises_bad_boxes_only(changes: list[tuple[int, int]], length: int):
    damaged = bytearray(movie())
    for place, value in changes:
        damaged[place] = value
    try:
        for track in parse_moov(bytes(damaged[:length] if length else damaged)):
            assert track.shown[0] >= 0
            samples = track.samples()
            assert len(samples.pts) == len(samples.offsets) == len(samples)
    except BadBoxes:
        return


@settings(max_examples=100)
@given(st.binary(max_size=300))
def test_noise_raises_bad_boxes_only(noise: bytes):
    with pytest.raises(BadBoxes):
        parse_moov(box("moov", noise) + noise if not noise.startswith(b"\0\0\0") else noise)


def test_pcm_is_taken_in_blocks_that_stay_in_their_chunks():
    frames = 10_000
    plain = only(
        movie(
            stts=table("stts", [(frames, 1)]),
            stsz=full_box("stsz", 0, 0, struct.pack(">II", 4, frames)),
            stsc=table("stsc", [(1, 5000, 1)]),
            stco=table("stco", [(1000,), (50_000,)]),
        )
    )
    blocks = in_blocks(plain)
    assert blocks.pts.tolist() == [0, 4096, 5000, 9096]
    assert blocks.offsets.tolist() == [1000, 1000 + 4 * 4096, 50_000, 50_000 + 4 * 4096]
    assert blocks.sizes.tolist() == [4 * 4096, 4 * 904, 4 * 4096, 4 * 904]
    assert in_blocks(only(movie())) is None
