"""Packets read without decoding: frame times of files that have no table, and the reach of every track."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Protocol

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from packager.index import Index, closed, distinct
from packager.nal import has_nal, is_idr, length_size

_HEAD = 64 * 1024
_FEW = 20  # packets without a time in a hundred that are skipped; above it decode times are taken


@dataclass(slots=True, kw_only=True)
class Reach:
    """What was seen of one track, in ticks of `time_base`; `gap` is the longest stretch without a packet."""

    time_base: Fraction
    start: int | None = None
    end: int = 0
    gap: int = 0

    def see(self, pts: int, duration: int) -> None:
        """Take one packet into account."""
        if self.start is None:
            self.start, self.end = pts, pts
        self.gap = max(self.gap, pts - self.end)
        self.start = min(self.start, pts)
        self.end = max(self.end, pts + duration)


@dataclass(slots=True, kw_only=True)
class Frames:
    """Video packets in decode order."""

    pts: list[int] = field(default_factory=list)
    key: list[bool] = field(default_factory=list)
    hidden: list[bool] = field(default_factory=list)
    timeless: int = 0


class Notes(Protocol):
    """Whoever looks at every packet besides."""

    def take(self, packet: Packet[Any]) -> None:
        """Look at one packet that is not empty."""


@dataclass(slots=True, kw_only=True)
class Scan:
    """The result of reading packets. `complete` tells that the end was reached within the budget."""

    reaches: dict[int, Reach]
    frames: Frames
    decode_times: bool = False
    complete: bool = False
    broken: str = ""
    position: int = 0


def scan(
    container: InputContainer,
    streams: Sequence[Stream],
    *,
    video: Stream | None,
    taste: Callable[[Packet[Any]], None],
    deadline: float,
    notes: Notes | None = None,
) -> Scan:
    """Read the packets of the streams until the end or the deadline (monotonic seconds).

    Every packet is shown to `taste`, which decodes what it still needs, and to `notes`.
    """
    seen = begin(streams)
    idr = idr_test(video)
    try:
        for count, packet in enumerate(container.demux(*streams)):
            taste(packet)
            if packet.size:
                take(seen, packet, video, idr)
                if notes is not None:
                    notes.take(packet)
            if count % 256 == 255 and time.monotonic() > deadline:
                return seen
    except av.FFmpegError as error:
        seen.broken = str(error)
    seen.complete = True
    return seen


def begin(streams: Sequence[Stream]) -> Scan:
    """Return what is known of the streams before any packet."""
    return Scan(
        reaches={stream.index: Reach(time_base=stream.time_base or Fraction(1, 1000)) for stream in streams},
        frames=Frames(),
    )


def table(seen: Scan, time_base: Fraction) -> Index:
    """Return the frame index of a scan; without presentation times no keyframe is known to be closed."""
    frames = seen.frames
    pts = np.array(frames.pts, dtype=np.int64)
    key = np.array(frames.key, dtype=np.bool_)
    shown = ~np.array(frames.hidden, dtype=np.bool_)
    marks = closed(pts, key) & shown if not seen.decode_times else np.zeros(len(pts), dtype=np.bool_)
    return Index(
        time_base=time_base,
        times=distinct(pts[shown]),
        keyframes=distinct(pts[marks]),
        complete=seen.complete,
    )


def take(seen: Scan, packet: Packet[Any], video: Stream | None, idr: Callable[[Packet[Any]], bool]) -> None:
    """Note one packet."""
    index = packet.stream_index
    if packet.pos is not None:
        seen.position = max(seen.position, packet.pos)
    pts = packet.pts
    if video is not None and index == video.index:
        frames = seen.frames
        if pts is None:
            frames.timeless += 1
        if pts is None or seen.decode_times:
            pts = _timeless(seen, packet)
        if pts is None:
            return
        frames.pts.append(pts)
        frames.key.append(packet.is_keyframe and idr(packet))
        frames.hidden.append(packet.is_discard)
    if pts is None:
        return
    skipped = _skipped(packet) if packet.stream.type == "audio" else 0
    if not packet.is_discard:
        seen.reaches[index].see(pts + skipped, max(0, (packet.duration or 0) - skipped))


def _timeless(seen: Scan, packet: Packet[Any]) -> int | None:
    """Return a time for a packet that may lack one: some of AVI's have decode times only."""
    frames = seen.frames
    if not seen.decode_times and frames.timeless * 100 > _FEW * (len(frames.pts) + 1):
        seen.decode_times = True
    return packet.dts if seen.decode_times else None


def _skipped(packet: Packet[Any]) -> int:
    """Return how many ticks at the packet's head are not to be heard: the encoder's delay."""
    if not packet.has_sidedata("skip_samples"):
        return 0
    raw = bytes(packet.get_sidedata("skip_samples"))
    if len(raw) < 4:
        return 0
    samples = struct.unpack_from("<I", raw)[0]
    rate = packet.stream.codec_context.sample_rate
    # Half a tick is rounded up, as FFmpeg does: the 6.5 ms of Opus in Matroska's milliseconds.
    return int(Fraction(samples, rate) / Fraction(packet.time_base) + Fraction(1, 2)) if rate else 0


def idr_test(video: Stream | None) -> Callable[[Packet[Any]], bool]:
    """Return what tells whether a key packet is a clean refresh."""
    if video is None:
        return lambda _packet: False
    codec = video.codec_context.codec.canonical_name
    if not has_nal(codec):
        return lambda _packet: True
    size = length_size(codec, bytes(video.codec_context.extradata or b""))
    return lambda packet: bool(is_idr(codec, bytes(memoryview(packet)[:_HEAD]), size))
