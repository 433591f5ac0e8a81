"""The cutter against segments of known samples, in any pieces."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packager import boxes, cutter
from packager.cutter import Cutter, Sample
from packager.errors import BadBoxes, PackagingError, SegmentMismatch
from packager.gather import Pictures, Sound

MOOV = boxes.box("moov", boxes.box("mvex", boxes.full_box("trex", 0, 0, struct.pack(">5I", 1, 1, 0, 0, 0))))
INIT = boxes.box("ftyp", b"iso6" + bytes(4)) + MOOV

# decode order I P B B: shown 0 3 1 2, steps of 100 from 1000
GOP = [
    Sample(time=1000 + 100 * shown, duration=100, sync=shown == 0, data=bytes([shown]) * (shown + 1))
    for shown in (0, 3, 1, 2)
]
TIMES = [1000, 1100, 1200, 1300]


def written():
    return cutter.segment(GOP, number=7, times=TIMES, end=1400)


@given(st.lists(st.integers(1, 60), max_size=20))
def test_what_is_written_is_read_back_in_any_pieces(sizes):
    stream = INIT + written()
    found, cut, at = [], Cutter(), 0
    for size in [*sizes, len(stream)]:
        found += cut.feed(stream[at : at + size])
        at += size
    cut.finish()
    assert cut.init == INIT
    assert [(s.time, s.sync, s.data) for s in found] == [(s.time, s.sync, s.data) for s in GOP]


def test_decode_times_are_the_sorted_presentation_times():
    moof = next(box for box in boxes.walk(written()) if box.type == "moof")
    body = written()
    tfdt = boxes.find(body, "traf.tfdt", moof.body, moof.end)
    assert struct.unpack_from(">Q", body, tfdt.body + 4) == (1000,)


@pytest.mark.parametrize(
    ("samples", "times"),
    [
        (GOP, TIMES[:3]),
        (GOP[:3], TIMES),
        (GOP, [1000, 1100, 1200, 1301]),
        ([GOP[1], GOP[0], *GOP[2:]], TIMES),
    ],
    ids=["one too many", "one lost", "one late", "no sync sample first"],
)
def test_a_segment_that_is_not_as_planned_is_never_written(samples, times):
    with pytest.raises(SegmentMismatch):
        cutter.segment(samples, number=0, times=times, end=1400)


def test_an_output_that_ends_inside_a_fragment_is_no_output():
    cut = Cutter()
    list(cut.feed((INIT + written())[:-1]))
    with pytest.raises(BadBoxes):
        cut.finish()


@given(st.binary(max_size=400), st.integers(0, 300))
def test_any_bytes_give_samples_or_a_named_error(noise, at):
    stream = (INIT + written())[:at] + noise
    cut = Cutter()
    try:
        list(cut.feed(stream))
        cut.finish()
    except PackagingError:
        pass


def test_pictures_close_at_borders_and_report_what_is_missing():
    later = [Sample(time=s.time + 400, duration=100, sync=s.sync, data=s.data) for s in GOP]
    gather = Pictures(first=3, borders=[1000, 1400, 1800], planned=[TIMES, [t + 400 for t in TIMES]])
    ready = [made for sample in (*GOP, *later) for made in gather.add(sample)]
    assert [number for number, _ in [*ready, *gather.end()]] == [3, 4]
    short = Pictures(first=3, borders=[1000, 1400, 1800], planned=[TIMES, TIMES])
    for sample in GOP:
        short.add(sample)
    with pytest.raises(SegmentMismatch):
        short.end()


def test_sound_drops_the_pre_roll_and_the_tail():
    gather = Sound(first=0, borders=[1024 * 2, 1024 * 5, 1024 * 6], drop=2)
    units = [Sample(time=0, duration=1024, sync=True, data=bytes([n])) for n in range(9)]
    made = [one for unit in units for one in gather.add(unit)] + gather.end()
    bodies = [list(read(body)) for _, body in made]
    assert [[s.data[0] for s in body] for body in bodies] == [[2, 3, 4], [5]]
    assert [body[0].time for body in bodies] == [2 * 1024, 5 * 1024]


def read(body):
    cut = Cutter()
    list(cut.feed(INIT))
    return cut.feed(body)
