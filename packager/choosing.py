"""Choose the tracks of an open container that are kept."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import NoReturn

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from packager import formats
from packager.errors import CodecNotAllowed, NothingDecodable, OverLimit
from packager.model import TextTrack
from packager.tracks import text_track

SIDE = 8192
PIXELS = 36_000_000
AUDIO_TRACKS = 8
TEXT_TRACKS = 16


class Choosing:
    """One choice among a container's streams; what is lost by it is added to `warnings`."""

    def __init__(self, container: InputContainer, *, left_out: AbstractSet[int], warnings: list[str]) -> None:
        self._container = container
        self._left_out = left_out
        self._warnings = warnings
        self._banned: list[str] = []

    def tracks(self) -> tuple[VideoStream | None, list[AudioStream]]:
        """Choose one video track and up to eight audio tracks among those with an allowed decoder.

        Raise CodecNotAllowed or NothingDecodable where there is none.
        """
        videos = [
            stream
            for stream in self._container.streams.video
            if not stream.disposition & Disposition.attached_pic
            and stream.index not in self._left_out
            and self._allowed(stream)
        ]
        videos.sort(key=lambda stream: not stream.disposition & Disposition.default)
        audio = [stream for stream in self._container.streams.audio if self._allowed(stream)]
        if len(videos) > 1:
            self._warnings.append(f"Only one of {len(videos)} video tracks is kept.")
        if len(audio) > AUDIO_TRACKS:
            self._warnings.append(f"Only the first {AUDIO_TRACKS} of {len(audio)} audio tracks are kept.")
        for stream in videos[:1]:
            refuse_size(stream.codec_context.width, stream.codec_context.height)
        if not videos and not audio:
            self.nothing()
        return (videos[0] if videos else None), audio[:AUDIO_TRACKS]

    def _allowed(self, stream: Stream) -> bool:
        """Say whether a stream's decoder is on the list; note it where not."""
        context = stream.codec_context
        if context is not None and context.codec.name in formats.CODECS:
            return True
        name = "unknown" if context is None else context.codec.name
        self._banned.append(name)
        self._warnings.append(f"Track {stream.index} has a codec that is not supported ({name}).")
        return False

    def texts(self) -> tuple[TextTrack, ...]:
        """Return the text tracks that can become WebVTT."""
        kept = []
        for stream in self._container.streams.subtitles:
            context = stream.codec_context
            name = "unknown" if context is None else context.codec.canonical_name
            if name in formats.TEXT:
                kept.append(text_track(stream, name))
            else:
                self._warnings.append(f"Subtitle track {stream.index} ({name}) is no text and is left out.")
        if len(kept) > TEXT_TRACKS:
            self._warnings.append(f"Only the first {TEXT_TRACKS} of {len(kept)} text tracks are kept.")
        return tuple(kept[:TEXT_TRACKS])

    def nothing(self, evidence: str = "") -> NoReturn:
        """Raise the error for a file of which no track is left."""
        if self._banned and not evidence:
            raise CodecNotAllowed(
                "No track of this file has a supported codec.", evidence=", ".join(self._banned[:20])
            )
        raise NothingDecodable("No video and no audio in this file can be decoded.", evidence=evidence)


def refuse_size(width: int, height: int) -> None:
    """Raise OverLimit for a picture that is too large."""
    if width * height > PIXELS or max(width, height) > SIDE:
        raise OverLimit(
            f"The picture has {width}x{height} pixels; the limits are 36 megapixels and {SIDE} a side."
        )
