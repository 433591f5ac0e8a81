"""Read fragmented MP4 a second way: a parser of the judges' own, which shares no code with the packager.

Knows what CMAF needs (ISO/IEC 14496-12): mdhd, hdlr, elst, tkhd, mvhd, stsd, trex; tfhd, tfdt, trun.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"mvex", b"moof", b"traf", b"edts"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Init:
    """What an init segment says of its one track; times in ticks of `timescale`.

    `edit` is the sum of media_time of the edit list's entries that show media, 0 without one.
    """

    timescale: int
    track: int
    handler: str
    entry: str
    edit: int
    edits: int
    size: tuple[int, int]
    default_duration: int
    brands: tuple[str, ...]
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One sample in decode order, in ticks of its track."""

    decode: int
    shown: int
    duration: int
    size: int
    sync: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """One moof with its samples; `data` is the length of its mdat's content."""

    sequence: int
    track: int
    tfdt: int
    samples: tuple[Sample, ...]
    data: int


def boxes(data: bytes, begin: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Yield (type, first byte of the body, end) of the boxes in a range; ValueError on a broken one."""
    end = len(data) if end is None else end
    while begin < end:
        if begin + 8 > end:
            raise ValueError("bytes left over after the last box")
        size, kind = struct.unpack_from(">I4s", data, begin)
        head = 8
        if size == 1:
            size, head = struct.unpack_from(">Q", data, begin + 8)[0], 16
        if size < head or begin + size > end:
            raise ValueError(f"box {kind!r} of {size} bytes leaves its parent")
        yield kind, begin + head, begin + size
        begin += size


def walk(data: bytes, begin: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Yield every box of a range, containers before their children."""
    for kind, body, stop in boxes(data, begin, end):
        yield kind, body, stop
        if kind in CONTAINERS:
            yield from walk(data, body, stop)


def _edits(data: bytes, body: int) -> list[int]:
    version, count = data[body], struct.unpack_from(">I", data, body + 4)[0]
    shape, step = (">Qq", 20) if version else (">Ii", 12)
    return [struct.unpack_from(shape, data, body + 8 + n * step)[1] for n in range(count)]


def read_init(init: bytes) -> Init:
    """Read an init segment of exactly one track; ValueError where it is not one."""
    found: dict[bytes, list[int]] = {}
    ends: dict[bytes, int] = {}
    for kind, body, stop in walk(init):
        found.setdefault(kind, []).append(body)
        ends[kind] = stop
    if len(found.get(b"trak", [])) != 1 or b"trex" not in found:
        raise ValueError("not an init segment of one track")
    mdhd, tkhd, ftyp = found[b"mdhd"][0], found[b"tkhd"][0], found[b"ftyp"][0]
    wide = init[tkhd]
    size = struct.unpack_from(">II", init, ends[b"tkhd"] - 8)
    shown = [time for time in _edits(init, found[b"elst"][0]) if time >= 0] if b"elst" in found else []
    return Init(
        timescale=struct.unpack_from(">I", init, mdhd + (20 if init[mdhd] else 12))[0],
        track=struct.unpack_from(">I", init, tkhd + (20 if wide else 12))[0],
        handler=init[found[b"hdlr"][0] + 8 :][:4].decode(),
        entry=init[found[b"stsd"][0] + 12 :][:4].decode(),
        edit=sum(shown),
        edits=len(_edits(init, found[b"elst"][0])) if b"elst" in found else 0,
        size=(size[0] >> 16, size[1] >> 16),
        default_duration=struct.unpack_from(">I", init, found[b"trex"][0] + 12)[0],
        brands=tuple(init[at : at + 4].decode() for at in range(ftyp + 8, ends[b"ftyp"], 4)),
        digest=hashlib.sha256(init).hexdigest(),
    )


def _tfhd(data: bytes, body: int, init: Init) -> tuple[int, dict[str, int]]:
    flags = int.from_bytes(data[body + 1 : body + 4])
    track = struct.unpack_from(">I", data, body + 4)[0]
    place = body + 8
    default = {"duration": init.default_duration, "size": 0, "flags": 0}
    place += 8 * bool(flags & 1) + 4 * bool(flags & 2)
    for bit, name in ((8, "duration"), (16, "size"), (32, "flags")):
        if flags & bit:
            default[name] = struct.unpack_from(">I", data, place)[0]
            place += 4
    return track, default


def _trun(data: bytes, body: int, default: dict[str, int], decode: int) -> list[Sample]:
    version, flags = data[body], int.from_bytes(data[body + 1 : body + 4])
    count = struct.unpack_from(">I", data, body + 4)[0]
    place = body + 8 + 4 * bool(flags & 1)
    first = None
    if flags & 4:
        first = struct.unpack_from(">I", data, place)[0]
        place += 4
    samples = []
    for number in range(count):
        value = dict(default)
        offset = 0
        for bit, name in ((0x100, "duration"), (0x200, "size"), (0x400, "flags")):
            if flags & bit:
                value[name] = struct.unpack_from(">I", data, place)[0]
                place += 4
        if flags & 0x800:
            offset = struct.unpack_from(">i" if version else ">I", data, place)[0]
            place += 4
        if number == 0 and first is not None:
            value["flags"] = first
        sync = not value["flags"] & 0x10000
        samples.append(
            Sample(
                decode=decode,
                shown=decode + offset,
                duration=value["duration"],
                size=value["size"],
                sync=sync,
            )
        )
        decode += value["duration"]
    return samples


def _fragment(data: bytes, moof: tuple[int, int], payload: int, init: Init) -> Fragment:
    sequence = track = tfdt = -1
    default: dict[str, int] = {}
    samples: list[Sample] = []
    for kind, body, _ in walk(data, *moof):
        if kind == b"mfhd":
            sequence = struct.unpack_from(">I", data, body + 4)[0]
        elif kind == b"tfhd":
            track, default = _tfhd(data, body, init)
        elif kind == b"tfdt":
            tfdt = struct.unpack_from(">Q" if data[body] else ">I", data, body + 4)[0]
        elif kind == b"trun":
            decode = samples[-1].decode + samples[-1].duration if samples else tfdt
            samples += _trun(data, body, default, decode)
    if tfdt < 0 or sequence < 0:
        raise ValueError("moof without tfdt or mfhd")
    return Fragment(sequence=sequence, track=track, tfdt=tfdt, samples=tuple(samples), data=payload)


def split(data: bytes) -> tuple[bytes, list[bytes]]:
    """Split a fragmented file into its init and one segment for each moof."""
    cuts = [body - 8 for kind, body, _ in boxes(data) if kind == b"moof"]
    ends = [end for kind, _, end in boxes(data) if kind == b"mdat"]
    return data[: cuts[0]], [data[cut:end] for cut, end in zip(cuts, ends, strict=True)]


def read_segment(segment: bytes, init: Init) -> list[Fragment]:
    """Read the fragments of a media segment; ValueError where moof and mdat do not match up."""
    fragments: list[Fragment] = []
    moof: tuple[int, int] | None = None
    for kind, body, end in boxes(segment):
        if kind == b"moof":
            moof = body, end
        elif kind == b"mdat":
            if moof is None:
                raise ValueError("mdat without moof")
            fragments.append(_fragment(segment, moof, end - body, init))
            moof = None
            if sum(sample.size for sample in fragments[-1].samples) != fragments[-1].data:
                raise ValueError("samples do not fill their mdat")
    if moof is not None or not fragments:
        raise ValueError("moof without mdat, or no fragment at all")
    return fragments


def check(init: bytes, segments: list[bytes], *, borders: list[int], digest: str = "") -> list[str]:
    """Return what is wrong with a video track's segments against their table of borders, in ticks.

    Each must be one fragment of the init's track, begin with a sync sample, have tfdt and earliest
    presentation at its border, durations that reach exactly to the next border, and no time shown twice.
    """
    facts = read_init(init)
    wrong = []
    if digest and facts.digest != digest:
        wrong.append(f"init is {facts.digest}, not {digest}")
    if len(segments) != len(borders) - 1:
        wrong.append(f"{len(segments)} segments for {len(borders) - 1} spans")
    for number, segment in enumerate(segments[: len(borders) - 1]):
        fragments = read_segment(segment, facts)
        samples = [sample for fragment in fragments for sample in fragment.samples]
        shown = sorted(sample.shown for sample in samples)
        border, after = borders[number], borders[number + 1]
        end = samples[-1].decode + samples[-1].duration
        faults = {
            f"{len(fragments)} fragments": len(fragments) != 1,
            f"track {fragments[0].track}": fragments[0].track != facts.track,
            f"tfdt {fragments[0].tfdt}, not {border}": fragments[0].tfdt != border,
            f"first shown at {shown[0]}, not {border}": shown[0] != border,
            f"ends at {end}, not {after}": end != after,
            f"shows {shown[-1]} after its end {after}": shown[-1] >= after,
            "shows a time twice": len(set(shown)) != len(shown),
            "begins with no sync sample": not samples[0].sync,
        }
        wrong += [f"segment {number}: {text}" for text, faulty in faults.items() if faulty]
    return wrong


def seconds(ticks: int, init: Init) -> Fraction:
    """Return a time of the track in seconds, its edit list taken off."""
    return Fraction(ticks - init.edit, init.timescale)
