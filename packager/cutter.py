"""The cutter: bytes of a fragmented MP4 in; init, samples and finished segments out. No I/O, no clock."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from packager import boxes
from packager.boxes import Box, Entry
from packager.errors import BadBoxes, SegmentMismatch

_MAX_BOX = 1 << 30
"""A box beyond this is not an encoder's output: it would fill the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One coded frame: presentation time and duration in ticks of its track, and its bytes.

    `offset` is how much later than decoded it is shown.
    """

    time: int
    duration: int
    sync: bool
    data: bytes
    offset: int = 0

    @property
    def decoded(self) -> int:
        """Return its decode time."""
        return self.time - self.offset


class Cutter:
    """Splits one encoder output, fed in pieces of any size, into its init and its samples."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head = bytearray()
        self._fragment: bytes | None = None
        self._default = (0, 0, 0)
        self.init: bytes | None = None

    def feed(self, data: bytes) -> Iterator[Sample]:
        """Take bytes; yield the samples of every fragment that is complete. Raise BadBoxes."""
        self._buffer += data
        start = 0
        while (box := boxes.read_header(self._buffer, start)) is not None:
            if box.end - box.start > _MAX_BOX:
                raise BadBoxes(f"{box.type} box of {box.end - box.start} bytes")
            if box.end > len(self._buffer):
                break
            yield from self._take(box, bytes(self._buffer[box.start : box.end]))
            start = box.end
        del self._buffer[:start]

    def finish(self) -> None:
        """Say that no more bytes come. Raise BadBoxes where a box or a fragment is left incomplete."""
        if self._buffer or self._fragment is not None:
            raise BadBoxes("the encoder's output ends inside a fragment")

    def _take(self, box: Box, data: bytes) -> Iterator[Sample]:
        match box.type:
            case "ftyp":
                self._head += data
            case "moov":
                self._head += data
                self.init = bytes(self._head)
                self._default = _track_defaults(data)
            case "moof":
                self._fragment = data
            case "mdat":
                if self._fragment is None:
                    raise BadBoxes("mdat without a moof before it")
                yield from _samples(self._fragment, data, self._default)
                self._fragment = None
            case _:  # styp, sidx, mfra, free carry no media
                pass


def _track_defaults(moov: bytes) -> tuple[int, int, int]:
    trex = boxes.find(moov, "moov.mvex.trex")
    _, _, duration, size, flags = struct.unpack_from(">5I", moov, trex.body + 4)
    return duration, size, flags


def _samples(moof: bytes, mdat: bytes, default: tuple[int, int, int]) -> Iterator[Sample]:
    traf = boxes.find(moof, "moof.traf")
    duration, size, flags = default
    decode = 0
    for box in boxes.walk(moof, traf.body, traf.end):
        if box.type == "tfhd":
            duration, size, flags = _read_tfhd(moof, box, (duration, size, flags))
        elif box.type == "tfdt":
            version = moof[box.body]
            (decode,) = struct.unpack_from(">Q" if version else ">I", moof, box.body + 4)
            decode = decode - (1 << 64) if decode >= 1 << 63 else decode
        elif box.type == "trun":
            for sample in _read_trun(moof, box, mdat, decode, (duration, size, flags)):
                decode += sample.duration
                yield sample


def _read_tfhd(moof: bytes, box: Box, default: tuple[int, int, int]) -> tuple[int, int, int]:
    (head,) = struct.unpack_from(">I", moof, box.body)
    at = box.body + 8
    at += 8 * bool(head & 0x01) + 4 * bool(head & 0x02)
    values = list(default)
    for index, bit in enumerate((0x08, 0x10, 0x20)):
        if head & bit:
            (values[index],) = struct.unpack_from(">I", moof, at)
            at += 4
    return values[0], values[1], values[2]


def _read_trun(
    moof: bytes, box: Box, mdat: bytes, decode: int, default: tuple[int, int, int]
) -> Iterator[Sample]:
    head, count = struct.unpack_from(">II", moof, box.body)
    at = box.body + 8
    position = 8
    if head & 0x001:
        (offset,) = struct.unpack_from(">i", moof, at)
        position = offset - len(moof)
        at += 4
    first_flags: int | None = None
    if head & 0x004:
        (first_flags,) = struct.unpack_from(">I", moof, at)
        at += 4
    for index in range(count):
        values = list(default)
        for slot, bit in enumerate((0x100, 0x200, 0x400)):
            if head & bit:
                (values[slot],) = struct.unpack_from(">I", moof, at)
                at += 4
        offset = 0
        if head & 0x800:
            (offset,) = struct.unpack_from(">i", moof, at)
            at += 4
        duration, size, flags = values
        if index == 0 and first_flags is not None:
            flags = first_flags
        data = mdat[position : position + size]
        if len(data) != size:
            raise BadBoxes("a sample lies outside its mdat")
        yield Sample(
            time=decode + offset, duration=duration, sync=not flags & 0x10000, data=data, offset=offset
        )
        position += size
        decode += duration


def segment(samples: Sequence[Sample], *, number: int, times: Sequence[int], end: int) -> bytes:
    """Write a finished media segment of samples in decode order, whose presentation times must be `times`.

    Decode times are the sorted presentation times, offsets what remains (negative ones allowed): thus copied
    and encoded rungs agree at every border, with variable frame rate and B-frames too. `end` is the border
    behind the last sample. Raise SegmentMismatch where count, times or the first sync sample differ.
    """
    shown = sorted(sample.time for sample in samples)
    if list(times) != shown:
        raise SegmentMismatch(
            f"segment {number}: {len(shown)} frames where {len(times)} were planned"
            if len(shown) != len(times)
            else f"segment {number}: frame times differ from the plan",
            evidence=_difference(shown, times),
        )
    if not samples[0].sync or samples[0].time != shown[0]:
        raise SegmentMismatch(f"segment {number} does not begin with a sync sample that is shown first")
    ends = [*shown[1:], end]
    entries = [
        Entry(duration=after - decode, size=len(sample.data), sync=sample.sync, offset=sample.time - decode)
        for sample, decode, after in zip(samples, shown, ends, strict=True)
    ]
    moof = boxes.movie_fragment(sequence=number + 1, decode_time=shown[0], entries=entries)
    return boxes.SEGMENT_TYPE + moof + boxes.box("mdat", *(sample.data for sample in samples))


def _difference(shown: Sequence[int], planned: Sequence[int]) -> str:
    at = next(
        (i for i, pair in enumerate(zip(shown, planned, strict=False)) if pair[0] != pair[1]),
        min(len(shown), len(planned)),
    )
    return f"from frame {at}: encoded {list(shown[at : at + 5])}, planned {list(planned[at : at + 5])}"
