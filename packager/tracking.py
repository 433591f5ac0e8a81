"""Read a source from standard input as it arrives, in the sandbox, and tell what has come. Runs in a child.

Never import this file to call it in the server's process: it runs decoders on bytes from strangers.
Output 0 is a row of reports: a line of JSON, the video's new packets in decode order as VIDEO, and the new
rows of an MP4's tables, track after track.
"""

from __future__ import annotations

import json
import os
import select
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
from av.container import InputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from packager import formats, fragments, heads, marking, scanning, tables, transport
from packager.assembly import Assembly, Found, Inspected, Undecodable
from packager.choosing import PIXELS, Choosing
from packager.errors import BadBoxes, Encrypted, NothingDecodable, OverLimit, Refused
from packager.inspection import OPTIONS, SOURCE, refusal, refuse_container
from packager.model import AudioTrack, Source, VideoTrack
from packager.sampletable import Track, parse_moov
from packager.tasting import Taster

VIDEO = np.dtype([("pts", "<i8"), ("flags", "u1")])
"""One packet of video: presentation time, and whether it is a CLEAN refresh and HIDDEN."""

CLEAN, HIDDEN = 1, 2
FRAMES = 3_000_000
PACKETS = 12_000_000

_BLOCK = 1 << 16
_HEAD = 4096
_TRANSPORT_HEAD = 32 << 10
_EVERY = 0.1
_EVERY_FRAME = 4e-6
_YOUNG = Fraction(12)
"""Seconds of media after which a track that has not shown itself is left out, and rates are settled."""


class Unfollowable(Exception):
    """What this source is can be told only when it is whole."""


class Arriving:
    """Standard input as a file that cannot seek. Every block is shown to `see` before it is read."""

    def __init__(self) -> None:
        self.taken = 0
        self.see: Callable[[int, bytes], None] = lambda _at, _block: None
        self.idle: Callable[[], float] = lambda: 0
        self._ahead = b""

    def peek(self, size: int) -> bytes:
        """Return the first `size` bytes, fewer only where there are no more; nothing may have been read."""
        while len(self._ahead) < size and (block := os.read(0, _BLOCK)):
            self._ahead += block
        return self._ahead[:size]

    def read(self, size: int = _BLOCK) -> bytes:
        """Return what is there, at most `size` bytes; wait only where nothing is."""
        if self._ahead:
            block, self._ahead = self._ahead[:size], self._ahead[size:]
        else:
            pause = 0.0
            while not select.select([0], [], [], pause)[0] and (pause := self.idle()):
                pass
            block = os.read(0, min(size, _BLOCK))
        self.see(self.taken, block)
        self.taken += len(block)
        return block


def main(_arguments: Sequence[str], outputs: Sequence[BinaryIO]) -> None:
    """Follow standard input to its end."""
    try:
        _Tracking(outputs[0]).run()
    except Refused as error:
        said: dict[str, Any] = refusal(error)
    except MemoryError:
        said = refusal(OverLimit("Reading this file takes too much memory."))
    except (Unfollowable, Undecodable) as error:
        said = {"unfollowable": repr(error)}
    else:
        return
    outputs[0].write(json.dumps(said).encode() + b"\n")


class _Tracking:
    """One source from its first byte to its last."""

    def __init__(self, output: BinaryIO) -> None:
        self._output = output
        self._input = Arriving()
        self._tracks: tuple[Track, ...] = ()
        self._described: Found | None = None
        self._young = True
        self._told = self._told_packets = 0
        self._due = 0.0
        self._packets = 0

    def run(self) -> None:
        """Read it all. Raise Refused, Unfollowable, Undecodable."""
        name, head = self._start()
        self._layout = marking.layout(name)
        if self._layout is not None:
            self._input.see = self._layout.see
        self._file_type = fragments.file_type(head)
        self._state = Inspected(path=Path(), size=0, received=0, head=head[:_HEAD], deadline=0)
        with _open(self._input, name) as container:
            refuse_container(container)
            self._container = container
            video, audio = Choosing(container, left_out=frozenset(), warnings=[]).tracks()
            streams: list[Stream] = [*([video] if video else []), *audio]
            self._begin(video, streams)
            try:
                self._follow(streams)
            except av.FFmpegError as error:
                self._seen.broken = str(error)
            self._report(ended=True)

    def _start(self) -> tuple[str, bytes]:
        """Return the container's name and the head by which it is known."""
        head = self._input.peek(_HEAD)
        formats.refuse_posing(head)
        while (name := heads.followed(head)) is None:
            more = self._input.peek(len(head) + _BLOCK)
            if len(more) == len(head):
                raise Unfollowable("it ends within its head")
            head = more
        if not name:
            raise Unfollowable("its container says where everything lies only as a whole")
        if name == "mpegts":
            transport.refuse(self._input.peek(_TRANSPORT_HEAD))
        if name == "mov":
            self._moov(head)
        return name, head

    def _moov(self, head: bytes) -> None:
        try:
            self._tracks = parse_moov(heads.moov(head) or b"")
        except BadBoxes as error:
            raise Unfollowable("its moov cannot be read") from error
        if any(track.protected for track in self._tracks):
            raise Encrypted("The media in this file is encrypted.", evidence="sinf")

    def _begin(self, video: VideoStream | None, streams: Sequence[Stream]) -> None:
        self._video = video
        self._idr = scanning.idr_test(video)
        self._taster = Taster(streams, pixels=PIXELS)
        self._seen = scanning.begin(streams)
        self._notes: marking.Marking | fragments.Samples
        if self._layout is None:
            self._notes = fragments.Samples(streams)
        else:
            self._notes = marking.Marking(self._layout, streams)
        self._input.idle = self._idle

    def _follow(self, streams: Sequence[Stream]) -> None:
        for packet in self._container.demux(*streams):
            self._taster.taste(packet)
            if not packet.size:
                continue
            scanning.take(self._seen, packet, self._video, self._idr)
            self._notes.take(packet)
            self._packets += 1
            if self._seen.decode_times:
                raise Unfollowable("its packets lack presentation times")
            if self._packets > PACKETS or len(self._seen.frames.pts) > FRAMES:
                raise OverLimit("The file has more packets than a video may have.")
            if time.monotonic() >= self._due:
                self._report()

    def _reach(self) -> Fraction:
        """Return how many seconds of media have come."""
        reaches = [reach for reach in self._seen.reaches.values() if reach.start is not None]
        lengths = ((reach.end - (reach.start or 0)) * reach.time_base for reach in reaches)
        return max(lengths, default=Fraction(0))

    def _idle(self) -> float:
        """Tell what is left before a wait; return after how many seconds to ask again, 0 for never.

        FFmpeg is in the middle of a read: do not ask it anything.
        """
        if self._described is None or self._packets == self._told_packets:
            return 0
        early = self._due - self._pause * 3 / 4 - time.monotonic()
        if early <= 0:
            self._tell(self._described.source, ended=False)
        return max(0, early)

    def _report(self, *, ended: bool = False) -> None:
        """Tell what has come since the last report, once every track has shown what it is."""
        if not ended and self._taster.hungry and self._reach() < _YOUNG:
            return
        self._state.size = self._input.taken
        self._seen.complete = True
        if self._young or ended or self._described is None:
            fresh = Assembly(self._state, self._container)
            self._described = fresh.arrived(self._seen, self._taster, ended=ended)
            self._young = self._reach() < _YOUNG
        self._tell(self._described.source, ended=ended)

    @property
    def _pause(self) -> float:
        """Return how many seconds apart reports are: whoever reads one looks at all frames again."""
        return max(_EVERY, len(self._seen.frames.pts) * _EVERY_FRAME)

    def _tell(self, source: Source, *, ended: bool) -> None:
        self._due = time.monotonic() + self._pause
        frames = self._seen.frames
        rows = np.empty(len(frames.pts) - self._told, VIDEO)
        rows["pts"] = frames.pts[self._told :]
        rows["flags"] = np.array(frames.key[self._told :], bool) * CLEAN
        rows["flags"] += (np.array(frames.hidden[self._told :], bool) * HIDDEN).astype("u1")
        self._told, self._told_packets = len(frames.pts), self._packets
        said: dict[str, Any] = {
            "source": json.loads(SOURCE.dump_json(source if ended else self._arrived(source))),
            "rows": len(rows),
            "tables": [],
            "ended": ended,
        }
        if self._video is not None:
            base = self._seen.reaches[self._video.index].time_base
            said["time_base"] = [base.numerator, base.denominator]
        bodies = [rows.tobytes()]
        if isinstance(self._notes, marking.Marking):
            said["marks"] = self._marks(self._notes, ended=ended)
        else:
            news = self._notes.news(self._tracks, self._file_type)
            said["tables"] = [tables.describe(one) for one in news]
            bodies += [one.rows.tobytes() for one in news]
        self._output.write(json.dumps(said).encode() + b"\n" + b"".join(bodies))
        self._output.flush()

    def _arrived(self, source: Source) -> Source:
        """Return a source as it was described, with the ends that its tracks have by now."""
        ends = {
            number: reach.end * reach.time_base
            for number, reach in self._seen.reaches.items()
            if reach.start is not None
        }
        video = source.video and replace(source.video, end=ends[source.video.index])
        audio = tuple(replace(track, end=ends[track.index]) for track in source.audio)
        tracks: list[VideoTrack | AudioTrack] = [*audio, *([video] if video else [])]
        span = max(track.end for track in tracks) - min(track.start for track in tracks)
        return replace(source, size=self._input.taken, duration=span, video=video, audio=audio)

    def _marks(self, notes: marking.Marking, *, ended: bool) -> dict[str, Any] | None:
        """Return the marks that are new; None where stretches cannot be cut out."""
        if notes.head is None:
            return None
        return {
            "format": notes.layout.format,
            "head": [piece.hex() if isinstance(piece, bytes) else piece for piece in notes.head],
            "end": self._input.taken if ended else 0,
            "groups": [
                [track, base.numerator, base.denominator, first, columns]
                for track, first, columns in notes.news()
                for base in [notes.groups[track].time_base]
            ],
        }


def _open(arriving: Arriving, name: str) -> InputContainer:
    """Open what arrives. Raise NothingDecodable."""
    try:
        return av.open(arriving, "r", format=name, options=dict(OPTIONS), buffer_size=_BLOCK)
    except av.FFmpegError as error:
        raise NothingDecodable("No media can be found in this file.", evidence=str(error)) from error
