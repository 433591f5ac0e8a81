"""Parts: every sample once, borders where the life says, and a segment that is its parts."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import pytest

from packager import boxes, parts
from packager.cutter import Cutter, Sample
from packager.errors import SegmentMismatch
from tests.unit.test_life import lived


def frame(number: int, *, sync: bool = False, step: int = 1000) -> Sample:
    return Sample(time=number * step, duration=step, sync=sync, data=number.to_bytes(2))


def unit(number: int, *, start: int = 0) -> Sample:
    return Sample(time=start + (number - 1) * 1024, duration=1024, sync=True, data=number.to_bytes(2))


def samples_of(found: list[parts.Part]) -> Iterator[Sample]:
    cut = Cutter()
    cut._default = (0, 0, 0)
    return (sample for part in found for sample in cut.feed(part.body))


def test_every_frame_comes_out_once_and_at_its_time():
    life = lived(Fraction(25))
    gather = parts.gather(life, "360p")
    frames = (frame(n, sync=n % life.segment_frames == 0) for n in range(3 * life.segment_frames))
    found = [part for one in frames for part in gather.add(one)]
    assert [(part.segment, part.number) for part in found] == [(s, p) for s in range(3) for p in range(6)]
    assert [part.independent for part in found] == [part.number == 0 for part in found]
    assert [part.last for part in found] == [part.number == 5 for part in found]
    samples = list(samples_of(found))
    assert [(one.time, one.data) for one in samples] == [(n * 1000, n.to_bytes(2)) for n in range(144)]


def test_a_part_is_given_out_with_its_last_frame():
    life = lived(Fraction(25))
    gather = parts.gather(life, "360p")
    assert [len(gather.add(frame(n, sync=n == 0))) for n in range(8)] == [0] * 7 + [1]


def test_the_priming_of_the_sound_is_dropped_and_its_borders_follow_the_picture():
    life = lived(Fraction(25))
    gather = parts.gather(life, "audio-0")
    found = [part for n in range(400) for part in gather.add(unit(n))]
    for part in found:
        assert part.begin == life.border("audio-0", part.segment, part.number)
        assert part.end == life.border("audio-0", part.segment, part.number + 1)
    assert next(samples_of(found)).data == (1).to_bytes(2)


@pytest.mark.parametrize(("start", "missing"), [(500, 0), (520, 1), (2048, 2), (30_000, 29)])
def test_sound_that_begins_late_is_filled_up_to_its_time(start, missing):
    gather = parts.gather(lived(Fraction(25)), "audio-0")
    found = [part for n in range(100) for part in gather.add(unit(n, start=start))]
    assert [part.number for part in found[:3]] == [0, 1, 2]
    units = list(samples_of(found))
    assert [one.time for one in units] == [n * 1024 for n in range(len(units))]
    assert [int.from_bytes(one.data) for one in units[: missing + 2]] == [0] * missing + [1, 2]


def test_what_is_left_at_the_end_is_a_last_shorter_part():
    life = lived(Fraction(25))
    gather = parts.gather(life, "360p")
    for n in range(11):
        gather.add(frame(n, sync=n == 0))
    (left,) = gather.end()
    assert (left.segment, left.number, left.begin, left.end, left.last) == (0, 1, 8000, 11000, True)
    assert gather.end() == []


@pytest.mark.parametrize(("number", "sync"), [(2, False), (1, True), (0, False)])
def test_what_is_not_the_next_frame_is_refused(number, sync):
    gather = parts.gather(lived(Fraction(25)), "360p")
    first = number == 0
    if not first:
        gather.add(frame(0, sync=True))
    if number == 1:
        assert gather.add(frame(1, sync=sync)) == []  # more IDR pictures than needed do no harm
        return
    with pytest.raises(SegmentMismatch):
        gather.add(frame(number, sync=sync))


def test_the_wall_clock_stands_before_every_part():
    life = lived(Fraction(25))
    gather = parts.gather(life, "360p")
    found = [part for n in range(16) for part in gather.add(frame(n, sync=n == 0))]
    second = list(boxes.walk(found[1].body))
    assert [box.type for box in second] == ["prft", "moof", "mdat"]
    body = found[1].body
    ntp = int.from_bytes(body[16:24])
    assert ntp >> 32 == 2_208_988_800
    assert (ntp & 0xFFFFFFFF) * 1000 >> 32 in {319, 320}
    assert int.from_bytes(body[24:32]) == 8000
    assert next(box.type for box in boxes.walk(found[0].body)) == "styp"


def test_where_the_parts_of_a_segment_lie_is_read_from_its_bytes():
    life = lived(Fraction(25))
    gather = parts.gather(life, "360p")
    frames = [frame(n, sync=n == 0) for n in range(life.segment_frames)]
    found = [part.body for one in frames for part in gather.add(one)]
    assert parts.sizes(b"".join(found)) == [len(body) for body in found]
    assert parts.sizes(b"") == []
