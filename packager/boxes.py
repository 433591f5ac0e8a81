"""ISO-BMFF boxes in bytes: walking, finding, writing (ISO/IEC 14496-12)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from packager.errors import BadBoxes

SYNC_SAMPLE = 0x02000000
"""Sample flags of a sample that depends on no other (§8.8.3.1)."""

NON_SYNC_SAMPLE = 0x01010000

_TFHD_DEFAULT_BASE_IS_MOOF = 0x020000
_TFHD_DEFAULT_DURATION = 0x08
_TFHD_DEFAULT_FLAGS = 0x20
_TRUN_DATA_OFFSET = 0x001
_TRUN_DURATION = 0x100
_TRUN_SIZE = 0x200
_TRUN_FLAGS = 0x400
_TRUN_CTS = 0x800


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Where a box lies: `start` of its header, `body` of its content, `end`, as offsets."""

    type: str
    start: int
    body: int
    end: int


def walk(data: bytes | memoryview, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """Yield the boxes that lie one after the other. Raise BadBoxes where a size does not fit."""
    stop = len(data) if end is None else end
    while start < stop:
        box = read_header(data, start)
        if box is None or box.end > stop:
            raise BadBoxes(f"box at byte {start} does not fit into its {stop - start} bytes")
        yield box
        start = box.end


def read_header(data: bytes | bytearray | memoryview, start: int) -> Box | None:
    """Read one box header; None where fewer bytes are there than a header has."""
    if len(data) - start < 8:
        return None
    size, name = struct.unpack_from(">I4s", data, start)
    body = start + 8
    if size == 1:
        if len(data) - start < 16:
            return None
        (size,) = struct.unpack_from(">Q", data, start + 8)
        body = start + 16
    if size < body - start:
        raise BadBoxes(f"box at byte {start} claims {size} bytes, less than its header")
    return Box(type=name.decode("latin-1"), start=start, body=body, end=start + size)


def find(data: bytes | memoryview, path: str, start: int = 0, end: int | None = None) -> Box:
    """Return the first box at a path such as "moov.trak.mdia". Raise BadBoxes where there is none."""
    found: Box | None = None
    for name in path.split("."):
        found = next((box for box in walk(data, start, end) if box.type == name), None)
        if found is None:
            raise BadBoxes(f"no {name} box of {path}")
        start, end = found.body, found.end
    if found is None:
        raise BadBoxes("an empty path names no box")
    return found


def box(name: str, *parts: bytes) -> bytes:
    """Write a box from the parts of its content."""
    size = 8 + sum(len(part) for part in parts)
    return struct.pack(">I4s", size, name.encode("latin-1")) + b"".join(parts)


def full_box(name: str, version: int, flags: int, *parts: bytes) -> bytes:
    """Write a FullBox (§4.2.2)."""
    return box(name, struct.pack(">I", version << 24 | flags), *parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One sample in a track run: ticks, bytes, and the offset from decode to presentation time in ticks."""

    duration: int
    size: int
    sync: bool
    offset: int


def movie_fragment(*, sequence: int, decode_time: int, entries: Sequence[Entry]) -> bytes:
    """Write a moof with one track run whose data follows in the mdat right behind it (§8.8).

    What is equal for all samples stands once in tfhd; offsets are signed (trun version 1), so that no edit
    list is needed: some players ignore edit lists.
    """
    duration = entries[0].duration if len({entry.duration for entry in entries}) == 1 else None
    all_sync = all(entry.sync for entry in entries)
    offsets = any(entry.offset for entry in entries)
    tfhd_flags = _TFHD_DEFAULT_BASE_IS_MOOF
    defaults = b""
    if duration is not None:
        tfhd_flags |= _TFHD_DEFAULT_DURATION
        defaults += struct.pack(">I", duration)
    if all_sync:
        tfhd_flags |= _TFHD_DEFAULT_FLAGS
        defaults += struct.pack(">I", SYNC_SAMPLE)
    trun_flags = _TRUN_DATA_OFFSET | _TRUN_SIZE
    trun_flags |= 0 if duration is not None else _TRUN_DURATION
    trun_flags |= 0 if all_sync else _TRUN_FLAGS
    trun_flags |= _TRUN_CTS if offsets else 0
    table = b"".join(
        _row(entry, duration=duration is None, flags=not all_sync, offset=offsets) for entry in entries
    )
    tfhd = full_box("tfhd", 0, tfhd_flags, struct.pack(">I", 1), defaults)
    trun = (trun_flags, len(entries), table)
    return _moof(sequence=sequence, decode_time=decode_time, tfhd=tfhd, trun=trun)


FULL_ROW = 16
"""Bytes of a sample in `tabled_fragment`'s table: duration, size, flags, signed offset as in Entry."""


def tabled_fragment(*, sequence: int, decode_time: int, table: bytes) -> bytes:
    """Write a moof as `movie_fragment` does, all said of each sample: its size follows from their count."""
    tfhd = full_box("tfhd", 0, _TFHD_DEFAULT_BASE_IS_MOOF, struct.pack(">I", 1))
    flags = _TRUN_DATA_OFFSET | _TRUN_DURATION | _TRUN_SIZE | _TRUN_FLAGS | _TRUN_CTS
    trun = (flags, len(table) // FULL_ROW, table)
    return _moof(sequence=sequence, decode_time=decode_time, tfhd=tfhd, trun=trun)


def _moof(*, sequence: int, decode_time: int, tfhd: bytes, trun: tuple[int, int, bytes]) -> bytes:
    flags, count, table = trun
    head = full_box("mfhd", 0, 0, struct.pack(">I", sequence))
    tfdt = full_box("tfdt", 1, 0, struct.pack(">Q", decode_time))
    # trun: header 8, version and flags 4, count 4, data offset 4, then the table
    size = 8 + len(head) + 8 + len(tfhd) + len(tfdt) + 20 + len(table)
    run = full_box("trun", 1, flags, struct.pack(">Ii", count, size + 8), table)
    return box("moof", head, box("traf", tfhd, tfdt, run))


def _row(entry: Entry, *, duration: bool, flags: bool, offset: bool) -> bytes:
    row = struct.pack(">I", entry.duration) if duration else b""
    row += struct.pack(">I", entry.size)
    if flags:
        row += struct.pack(">I", SYNC_SAMPLE if entry.sync else NON_SYNC_SAMPLE)
    if offset:
        row += struct.pack(">i", entry.offset)
    return row


SEGMENT_TYPE = box("styp", b"cmfs", struct.pack(">I", 0), b"cmfs", b"cmfc", b"msdh")
"""styp of a CMAF segment (ISO/IEC 23000-19 §7.2)."""
