"""Enhanced RTMP's heads of sound and pictures, brought into the plain form (Veovera E-RTMP v2).

H.264 and AAC may come under a FourCC too. Every other codec is refused by name, and so are several tracks in
one stream.
"""

from __future__ import annotations

from streamer.ingest import flv
from streamer.ingest.errors import BadTag, CodecRefused

FOURCCS = ("avc1", "mp4a")
"""What a server says it takes."""

_EXTENDED_VIDEO = 0x80
_EXTENDED_AUDIO = 9
_AAC_FLAGS = 0xAF  # AAC always says 44 kHz, 16 bits, stereo; its configuration tells the truth (§E.4.2.1)
_START, _FRAMES, _FRAMES_WITHOUT_OFFSET = 0, 1, 3
_MULTITRACK = {"video": 6, "audio": 5}
_MODIFIED = 7
_VIDEO_CODECS = {1: "JPEG", 2: "H.263", 3: "Screen", 4: "VP6", 5: "VP6", 6: "Screen", 12: "H.265", 13: "AV1"}
_AUDIO_CODECS = {2: "MP3", 3: "PCM", 5: "Nellymoser", 6: "Nellymoser", 11: "Speex", 13: "Opus", 14: "MP3"}
_NAMES = {
    b"hvc1": "H.265",
    b"av01": "AV1",
    b"vp08": "VP8",
    b"vp09": "VP9",
    b"vvc1": "H.266",
    b"Opus": "Opus",
    b"fLaC": "FLAC",
    b"ac-3": "AC-3",
    b"ec-3": "E-AC-3",
    b".mp3": "MP3",
}


def plain_video(payload: bytes) -> bytes | None:
    """Return a picture in the plain form; None where it shows and describes nothing.

    Raise CodecRefused, BadTag.
    """
    if payload[0] & _EXTENDED_VIDEO:
        return _extended_video(payload)
    if payload[0] & 15 != flv.AVC:
        raise _refusal("video", _VIDEO_CODECS.get(payload[0] & 15))
    return _whole(payload, flv.VIDEO_HEAD) if payload[0] >> 4 != flv.COMMAND_FRAME else None


def plain_audio(payload: bytes) -> bytes | None:
    """Return sound in the plain form; None where there is nothing to hear or to describe.

    Raise CodecRefused, BadTag.
    """
    if payload[0] >> 4 == _EXTENDED_AUDIO:
        kind, body = _unwrapped("audio", payload, b"mp4a")
        return bytes([_AAC_FLAGS, kind]) + body if kind in {_START, _FRAMES} and body else None
    if payload[0] >> 4 != flv.AAC:
        raise _refusal("audio", _AUDIO_CODECS.get(payload[0] >> 4))
    return _whole(payload, flv.AUDIO_HEAD)


def _extended_video(payload: bytes) -> bytes | None:
    frame = payload[0] >> 4 & 7
    kind, body = _unwrapped("video", payload, b"avc1")
    if frame == flv.COMMAND_FRAME or not body:
        return None
    flags = bytes([frame << 4 | flv.AVC])
    if kind == _FRAMES:
        return _whole(flags + bytes([flv.MEDIA]) + body, flv.VIDEO_HEAD)
    if kind == _FRAMES_WITHOUT_OFFSET:
        return flags + bytes([flv.MEDIA, 0, 0, 0]) + body
    return flags + bytes([flv.CONFIGURATION, 0, 0, 0]) + body if kind == _START else None


def _unwrapped(medium: str, payload: bytes, wanted: bytes) -> tuple[int, bytes]:
    """Return the packet type and what follows the FourCC, which must be the one wanted."""
    kind = payload[0] & 15
    if kind == _MULTITRACK[medium]:
        raise CodecRefused(f"The {medium} has several tracks in one stream; send one.")
    if kind == _MODIFIED:
        raise CodecRefused(f"The {medium} has times finer than a millisecond; turn that off.")
    if len(payload) < 5:
        raise BadTag(f"{medium} is shorter than its head")
    if payload[1:5] != wanted:
        raise _refusal(medium, _NAMES.get(payload[1:5]))
    return kind, payload[5:]


def _refusal(medium: str, codec: str | None) -> CodecRefused:
    return CodecRefused(f"The {medium} is {codec or 'of an unknown codec'}; send H.264 video and AAC audio.")


def _whole(payload: bytes, head: int) -> bytes | None:
    """Return a payload that has something behind its head; None for what only ends a sequence."""
    if len(payload) < head:
        raise BadTag("sound or a picture is shorter than its head")
    return payload if payload[1] in {flv.CONFIGURATION, flv.MEDIA} and len(payload) > head else None
