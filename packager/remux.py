"""Writes samples of an MP4's track as a fragmented MP4 of its own: everything but the samples' bytes.

Decode times are the sorted presentation times, moved back as far as no composition offset is negative: only
so does FFmpeg's reader give every frame the time that stands there. There is no edit list.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from packager.boxes import NON_SYNC_SAMPLE, SYNC_SAMPLE, box, full_box
from packager.index import Ticks
from packager.tables import TrackTable

_ROW = np.dtype([("duration", ">u4"), ("size", ">u4"), ("flags", ">u4"), ("offset", ">u4")])
_MOST = (1 << 31) - 1
_TRACK = struct.pack(">I", 1)
_IDENTITY = struct.pack(">9I", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
_UNDETERMINED = 0x55C4
_TFHD_DEFAULT_BASE_IS_MOOF = 0x020000
_TRUN_FLAGS = 0xF01
"""Data offset, and of each sample duration, size, flags and composition offset (§8.8.8.1)."""


def head(table: TrackTable) -> bytes:
    """Return ftyp and moov of a file that has this track alone, as number 1, and its samples in fragments.

    The brand is the source's, since a sound description means something else in QuickTime.
    """
    seen = visual(table)
    clock = struct.pack(">IIIIHH", 0, 0, table.timescale, 0, _UNDETERMINED, 0)
    handler = struct.pack(">I4s", 0, b"vide" if seen else b"soun") + bytes(13)
    media = full_box("vmhd", 0, 1, bytes(8)) if seen else full_box("smhd", 0, 0, bytes(4))
    here = full_box("dref", 0, 0, struct.pack(">I", 1), full_box("url ", 0, 1))
    empty = [full_box(name, 0, 0, bytes(4)) for name in ("stts", "stsc", "stco")]
    samples = box("stbl", table.stsd, *empty, full_box("stsz", 0, 0, bytes(8)))
    minf = box("minf", media, box("dinf", here), samples)
    mdia = box("mdia", full_box("mdhd", 0, 0, clock), full_box("hdlr", 0, 0, handler), minf)
    movie = struct.pack(">IIIIIH", 0, 0, 1000, 0, 1 << 16, 1 << 8) + bytes(10) + _IDENTITY + bytes(24)
    mvhd = full_box("mvhd", 0, 0, movie, struct.pack(">I", 2))
    trex = full_box("trex", 0, 0, _TRACK, struct.pack(">4I", 1, 0, 0, 0))
    return table.file_type + box("moov", mvhd, box("trak", _numbered(table.header), mdia), box("mvex", trex))


def visual(table: TrackTable) -> bool:
    """Say whether a track is seen: its header gives it a size, and one that is heard has none (§8.3.2)."""
    return any(table.header[-8:])


def _numbered(header: bytes) -> bytes:
    """Return a tkhd with track number 1, its matrix and size kept."""
    place = 28 if header[8] == 1 else 20
    return header[:place] + _TRACK + header[place + 4 :]


def fragment(rows: NDArray[Any], timescale: int) -> tuple[bytes, int] | None:
    """Return a moof, with the head of its mdat, for the samples in these rows of a table.

    And by how many whole seconds its times lie above theirs, so that no decode time is negative. None where
    times fall together, which leaves no order, or lie too far apart.
    """
    pts: Ticks = rows["pts"].astype(np.int64)
    decode = np.sort(pts)
    durations = np.diff(decode, append=decode[-1])
    durations[-1] = durations[-2] if len(durations) > 1 else 1
    delay = int((decode - pts).max())
    offsets = pts - decode + delay
    if (durations <= 0).any() or durations.max() > _MOST or offsets.max() > _MOST:
        return None
    begin = int(decode[0]) - delay
    shift = max(0, -(begin // timescale))
    table = np.empty(len(rows), _ROW)
    table["duration"], table["size"], table["offset"] = durations, rows["size"], offsets
    table["flags"] = np.where(rows["key"], SYNC_SAMPLE, NON_SYNC_SAMPLE)
    size = int(rows["size"].sum(dtype=np.int64))
    mdat = struct.pack(">I4sQ", 1, b"mdat", 16 + size)
    return _moof(begin + shift * timescale, table, data=len(mdat)) + mdat, shift


def _moof(decode_time: int, table: NDArray[Any], *, data: int) -> bytes:
    """Write a moof with one track run; its samples begin `data` bytes behind it."""
    first = full_box("mfhd", 0, 0, struct.pack(">I", 1))
    tfhd = full_box("tfhd", 0, _TFHD_DEFAULT_BASE_IS_MOOF, _TRACK)
    tfdt = full_box("tfdt", 1, 0, struct.pack(">Q", decode_time))
    # moof 8, traf 8, trun: header 12, count 4, data offset 4
    size = 8 + len(first) + 8 + len(tfhd) + len(tfdt) + 20 + table.nbytes
    run = full_box("trun", 0, _TRUN_FLAGS, struct.pack(">Ii", len(table), size + data), table.tobytes())
    return box("moof", first, box("traf", tfhd, tfdt, run))
