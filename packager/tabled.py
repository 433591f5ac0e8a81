"""Frame index and reach of tracks by the sample tables of an MP4 or MOV, in the times FFmpeg gives them."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from packager import tables
from packager.boxes import find, walk
from packager.errors import BadBoxes
from packager.index import Flags, Index, Ticks, closed, distinct
from packager.nal import has_nal, is_idr, length_size
from packager.sampletable import SampleTable, Track, fragmented, in_blocks, parse_moov, read_moov

_CANDIDATES = 4096
_PACKETS = 3_000_000
_SHORTEST = 64
_HEADS = (512, 64 * 1024)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tabled:
    """The video track by its table: `end` in ticks; `lost` samples of `total` lie beyond the file's end."""

    index: Index
    end: int
    lost: int
    total: int
    rows: NDArray[Any]


def read_tracks(path: Path) -> tuple[tuple[Track, ...], bool]:
    """Return the tracks of an MP4 or MOV and whether their tables hold all samples, not movie fragments.

    No tracks where there is no whole moov. Raise BadBoxes.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        moov = read_moov(descriptor, os.fstat(descriptor).st_size)
    finally:
        os.close(descriptor)
    if moov is None:
        return (), False
    return parse_moov(moov), not fragmented(moov)


def video(track: Track, path: Path, *, size: int, received: int, codec: str) -> Tabled:
    """Return the index of a video track. Raise BadBoxes where its tables cannot tell the frame times.

    The file will have `size` bytes, of which the first `received` are there: key samples behind those are
    taken to be what the ones before are.
    """
    if not track.simple:
        raise BadBoxes("the edit list joins several pieces")
    whole = track.samples()
    beyond = whole.offsets + whole.sizes > size
    samples = whole.pick(~beyond & (whole.offsets >= 0) & (whole.sizes > 0))
    first, stop = track.shown
    shown = samples.pts >= first
    if stop is not None:
        shown &= samples.pts < stop
    if not shown.any():
        raise BadBoxes("no frame is shown")
    times = samples.pts + track.shift
    # FFmpeg moves the first shown frame to the start of the edit where the cut lies between two frames.
    if track.edits:
        times -= max(0, int(times[shown].min()) - track.shift - first)
    marks = _refreshes(
        samples,
        closed(samples.pts, samples.key) & shown,
        path,
        codec=codec,
        configuration=configuration(track),
        received=received,
    )
    last = int(times[shown].max())
    end = last + max(1, int(samples.durations[-1]))
    if stop is not None and not beyond.any():
        end = max(last + 1, min(end, stop + track.shift))
    index = Index(
        time_base=Fraction(1, track.timescale),
        times=distinct(times[shown]),
        keyframes=distinct(times[marks]),
    )
    rows = table_rows(samples, times)
    return Tabled(index=index, end=end, lost=int(beyond.sum()), total=len(whole), rows=rows)


def table_rows(samples: SampleTable, times: Ticks) -> NDArray[Any]:
    """Return the rows of a TrackTable: the samples' places, at these times."""
    rows = np.empty(len(samples), tables.ROW)
    rows["pts"], rows["offset"], rows["size"], rows["key"] = (
        times,
        samples.offsets,
        samples.sizes,
        samples.key,
    )
    return rows


def audio(track: Track, size: int) -> NDArray[Any] | None:
    """Return an audio track's rows as far as they lie in the file, None where there are absurdly many."""
    if track.duration < track.count * _SHORTEST:
        whole = _pcm(track)  # which has a sample for every tick of its clock
    else:
        whole = track.samples() if track.count <= _PACKETS else None
    if whole is None:
        return None
    inside = whole.pick((whole.offsets + whole.sizes <= size) & (whole.offsets >= 0))
    return table_rows(inside, inside.pts + track.shift)


def _pcm(track: Track) -> SampleTable | None:
    """Return the samples of a track of PCM in blocks, None where their size is not what the track says.

    Old QuickTime files say 1 where they mean a frame of all channels.
    """
    if len(track.stsd) < 16 + 8 + 52 or struct.unpack_from(">I", track.stsd, 12)[0] != 1:
        return None
    version, channels, bits = (struct.unpack_from(">H", track.stsd, 32 + at)[0] for at in (0, 8, 10))
    if version == 2:  # QTFF, sound sample description (version 2)
        channels, bits = (struct.unpack_from(">I", track.stsd, 32 + at)[0] for at in (32, 40))
    found = in_blocks(track)
    if found is None or not len(found) or not channels:
        return None
    frame, rest = divmod(int(found.sizes[0]), int(found.durations[0]))
    return found if not rest and frame * 8 >= channels * min(bits, 32) and not frame % channels else None


def reach(track: Track, size: int) -> tuple[Fraction, Fraction]:
    """Return when an audio track begins and ends, in seconds, as far as its samples are in the file."""
    first, stop = track.shown
    end = track.duration
    if track.last_chunk >= size:
        samples = track.samples()
        inside = samples.offsets + samples.sizes <= size
        end = int((samples.dts + samples.durations)[inside].max()) if inside.any() else first
    if stop is not None:
        end = min(end, stop)
    start = max(0, first)
    return (
        Fraction(start + track.shift, track.timescale),
        Fraction(max(start, end) + track.shift, track.timescale),
    )


def configuration(track: Track) -> bytes:
    """Return the avcC or hvcC content of a track's first sample entry, empty where there is none."""
    try:
        entry = next(walk(track.stsd, 16))
        # VisualSampleEntry: 78 bytes before its boxes (§12.1.3).
        box = find(track.stsd, "avcC" if entry.type.startswith("avc") else "hvcC", entry.body + 78, entry.end)
    except (BadBoxes, StopIteration):
        return b""
    return bytes(track.stsd[box.body : box.end])


def _refreshes(
    samples: SampleTable, key: Flags, path: Path, *, codec: str, configuration: bytes, received: int
) -> Flags:
    """Return which of the key samples are IDR, reading the head of each; of very many only a part.

    Those behind what was received count as IDR while all before them are.
    """
    if not has_nal(codec):
        return key
    places = np.flatnonzero(key)
    places = places[:: max(1, -(-len(places) // _CANDIDATES))]
    size = length_size(codec, configuration)
    marks = np.zeros(len(samples), dtype=np.bool_)
    there = samples.offsets[places] + samples.sizes[places] <= received
    coming, places = places[~there], places[there]
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        for place, offset, length in zip(
            places.tolist(), samples.offsets[places].tolist(), samples.sizes[places].tolist(), strict=True
        ):
            for reading in _HEADS:
                verdict = is_idr(codec, os.pread(descriptor, min(reading, length), offset), size)
                if verdict is not None:
                    marks[place] = verdict
                    break
    finally:
        os.close(descriptor)
    marks[coming] = bool(marks[places].all())
    return marks
