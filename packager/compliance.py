"""Whether a track of an MP4 could be served as it is, by its description and its bytes. Runs in the probe.

What its times and sizes have to be is asked when the borders are known, in packager.copyable.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from packager import aac, avc
from packager.boxes import Box, find, walk
from packager.errors import BadBoxes
from packager.sampletable import Track

_PROFILES = {66: "Baseline", 77: "Main", 100: "High"}
_LEVEL, _LARGE_LEVEL = 42, 51
_LARGE = 1920 * 1088
_YUV420 = 1
_RATES = {44_100, 48_000}
_STEREO = 2
_KEYS = 4096
_HEADS = (512, 64 * 1024)
# a, b, u, c, d, v, x, y, w of the matrix in tkhd (§8.3.2): nothing is turned, mirrored or moved.
_UPRIGHT = b"".join(n.to_bytes(4, "big") for n in (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30))


def picture(track: Track, rows: NDArray[Any], path: Path, *, received: int) -> tuple[str, ...]:
    """Return why a video track cannot be served as it is, as far as its first `received` bytes tell.

    `rows` are its samples that lie in the file, with the fields of packager.tables.ROW.
    """
    if set(track.formats) != {"avc1"}:
        return (f"its format is {', '.join(sorted(set(track.formats)))}",)
    try:
        entry = _entry(track)
        inner = {
            box.type: track.stsd[box.body : box.end] for box in walk(track.stsd, entry.body + 78, entry.end)
        }
        configured = avc.configuration(inner.get("avcC", b""))
        sequences = [avc.sequence(unit) for unit in configured.sequences]
    except BadBoxes:
        return ("its description cannot be read",)
    large = int.from_bytes(track.stsd[entry.body + 24 : entry.body + 26], "big") * int.from_bytes(
        track.stsd[entry.body + 26 : entry.body + 28], "big"
    )
    reasons = [] if len(track.formats) == len(sequences) == 1 else ["its description changes on the way"]
    for one in sequences:
        reasons += sequence(one, pixels=large)
    if _stretched(inner.get("pasp", b"")) or "clap" in inner:
        reasons.append("its pixels are not square, or some are cut off")
    if not _upright(track.header):
        reasons.append("it is turned or mirrored")
    reasons += _sample_reasons(track, rows)
    if not reasons and _changes(rows, path, configured, received=received):
        reasons.append("its parameter sets change on the way")
    return tuple(dict.fromkeys(reasons))


def sequence(one: avc.Sequence, *, pixels: int) -> Iterator[str]:
    """Say why pictures with this parameter set cannot be served as they are."""
    level = _LARGE_LEVEL if pixels > _LARGE else _LEVEL
    if one.profile not in _PROFILES or one.chroma != _YUV420 or one.depth != 8:
        yield "it is not 8-bit 4:2:0 in Baseline, Main or High profile"
    if one.level > level:
        yield f"its level is {one.level / 10}, more than many devices decode"
    if not one.frames_only:
        yield "its pictures may be interlaced"
    if one.aspect not in {None, 1}:
        yield "its pixels are not square, or some are cut off"
    if one.full_range:
        yield "its colours use the full range"


def sound(track: Track, rows: NDArray[Any]) -> tuple[str, ...]:
    """Return why an audio track cannot be served as it is."""
    if set(track.formats) != {"mp4a"}:
        return (f"its format is {', '.join(sorted(set(track.formats)))}",)
    try:
        entry = _entry(track)
        # AudioSampleEntry: 28 bytes before its boxes (§12.2.3); QuickTime's later versions have more.
        if track.stsd[entry.body + 8 : entry.body + 10] != b"\0\0":
            return ("its description is QuickTime's",)
        box = find(track.stsd, "esds", entry.body + 28, entry.end)
        said = aac.sound(track.stsd[box.body : box.end])
    except BadBoxes:
        return ("its description cannot be read",)
    reasons = [] if len(track.formats) == 1 else ["its description changes on the way"]
    if said.kind != aac.LOW_COMPLEXITY or said.extended or said.frame != 1024:
        reasons.append("it is not plain AAC-LC")
    if not 1 <= said.channels <= _STEREO:
        reasons.append("it has more than two channels")
    if said.rate not in _RATES or track.timescale != said.rate:
        reasons.append("its rate is neither 44.1 nor 48 kHz, or not its clock")
    return (*reasons, *_sample_reasons(track, rows))


def _entry(track: Track) -> Box:
    """Return the first sample entry of a track. Raise BadBoxes."""
    entry = next(walk(track.stsd, 16), None)
    if entry is None or entry.end - entry.body < 28:
        raise BadBoxes("no sample entry")
    return entry


def _sample_reasons(track: Track, rows: NDArray[Any]) -> Iterator[str]:
    if not track.simple:
        yield "its edit list joins several pieces"
    if len(rows) != track.count or not len(rows) or not rows["size"].min():
        yield "some of its samples are empty or lie outside the file"


def _stretched(pasp: bytes) -> bool:
    """Say whether a pasp box asks for pixels that are not square (§12.1.4)."""
    return len(pasp) >= 8 and pasp[:4] != pasp[4:8]


def _upright(header: bytes) -> bool:
    """Say whether a tkhd box leaves the picture as it is."""
    place = 8 + (52 if header[8:9] == b"\1" else 40)
    return header[place : place + len(_UPRIGHT)] == _UPRIGHT


def _changes(rows: NDArray[Any], path: Path, configured: avc.Configuration, *, received: int) -> bool:
    """Say whether key samples carry parameter sets other than the description's, which avc1 forbids."""
    known = {unit.rstrip(b"\0") for unit in (*configured.sequences, *configured.pictures)}
    keys = rows[np.flatnonzero(rows["key"])]
    keys = keys[:: max(1, -(-len(keys) // _KEYS))]
    keys = keys[keys["offset"] + keys["size"] <= received]
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        for offset, size in zip(keys["offset"].tolist(), keys["size"].tolist(), strict=True):
            for reading in _HEADS:
                found = avc.leading_sets(
                    os.pread(descriptor, min(reading, size), offset), configured.length_size
                )
                if found is not None:
                    break
            if found is None or not {unit.rstrip(b"\0") for unit in found} <= known:
                return True
    finally:
        os.close(descriptor)
    return False
