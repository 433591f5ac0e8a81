"""Decode one frame of each track: proof that it decodes, and what only pictures tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Stream
from av.video.frame import VideoFrame

_TOGETHER = 400
_ALONE = 400


class Taster:
    """Keeps the first frame of each track, by stream index."""

    def __init__(self, streams: Sequence[Stream], *, pixels: int) -> None:
        self.frames: dict[int, VideoFrame | AudioFrame] = {}
        self.faults: dict[int, str] = {}
        self._tries = dict.fromkeys((stream.index for stream in streams), 0)
        for stream in streams:
            stream.codec_context.thread_count = 1
            stream.codec_context.options = {"max_pixels": str(pixels)}

    @property
    def hungry(self) -> bool:
        """Say whether any track still lacks its frame."""
        return any(index not in self.frames for index in self._tries)

    def taste(self, packet: Packet[Any]) -> None:
        """Decode the packet where its track lacks a frame; damage is no reason to give up at once."""
        index = packet.stream_index
        if index in self.frames or self._tries.get(index, _ALONE) >= _ALONE:
            return
        self._tries[index] += 1
        try:
            frame = next(iter(packet.decode()), None)
        except av.FFmpegError as error:
            self.faults[index] = str(error)
            return
        if isinstance(frame, VideoFrame | AudioFrame):
            self.frames[index] = frame

    def taste_each(self, container: InputContainer, streams: Sequence[Stream]) -> None:
        """Taste from the file's start, then each track that begins later at its own start."""
        self._read(container, streams, _TOGETHER)
        for stream in streams:
            if stream.index in self.frames:
                continue
            for other in container.streams:
                other.discard = Discard.default if other is stream else Discard.all
            container.seek(stream.start_time or 0, stream=stream)
            self._read(container, [stream], _ALONE)

    def _read(self, container: InputContainer, streams: Sequence[Stream], most: int) -> None:
        """Taste up to so many packets."""
        try:
            for count, packet in enumerate(container.demux(*streams)):
                self.taste(packet)
                if count >= most or all(stream.index in self.frames for stream in streams):
                    return
        except av.FFmpegError as error:
            for stream in streams:
                self.faults.setdefault(stream.index, str(error))
