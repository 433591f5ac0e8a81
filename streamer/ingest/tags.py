"""Makes tags of RTMP's messages: times that never wrap, one form of media, script data without wrapping."""

from __future__ import annotations

from collections.abc import Iterator

from streamer.ingest import amf, chunks, enhanced
from streamer.ingest.chunks import Message
from streamer.ingest.errors import BadTag
from streamer.ingest.flv import Kind, Tag, Unwrapping

_KINDS = {
    chunks.AUDIO: Kind.AUDIO,
    chunks.VIDEO: Kind.VIDEO,
    chunks.DATA: Kind.SCRIPT,
    chunks.DATA_AMF3: Kind.SCRIPT,
}
_SET_DATA_FRAME = amf.encode("@setDataFrame")
_CLEAR_DATA_FRAME = amf.encode("@clearDataFrame")
_TAG_HEAD = 11
_WRAP = 1 << 32


class TagReader:
    """Reads the messages of one publisher in their order."""

    def __init__(self) -> None:
        self._times = Unwrapping()

    def read(self, message: Message) -> list[Tag]:
        """Return what a message carries: mostly one tag, none where it is no media.

        Raise BadTag, BadAmf, CodecRefused.
        """
        if message.type == chunks.AGGREGATE:
            return [tag for part in _parts(message) for tag in self.read(part)]
        kind = _KINDS.get(message.type)
        if kind is None or not message.body:
            return []
        payload = _payload(kind, message)
        if payload is None:
            return []
        return [self._times.tag(Tag(kind=kind, time=message.time, payload=payload))]


def _payload(kind: Kind, message: Message) -> bytes | None:
    if kind is Kind.VIDEO:
        return enhanced.plain_video(message.body)
    if kind is Kind.AUDIO:
        return enhanced.plain_audio(message.body)
    body = message.body
    if message.type == chunks.DATA_AMF3:
        body = body.removeprefix(b"\0")
    if body.startswith(_CLEAR_DATA_FRAME):
        return None
    body = body.removeprefix(_SET_DATA_FRAME)
    return body if amf.decode(body) else None


def _parts(message: Message) -> Iterator[Message]:
    """Yield the tags of an aggregate as messages, their times moved to the aggregate's (RTMP 1.0, §7.1.6)."""
    body, at, moved = message.body, 0, None
    while at < len(body):
        start = at + _TAG_HEAD
        end = start + int.from_bytes(body[at + 1 : at + 4], "big")
        if end > len(body) or body[at] not in _KINDS:
            raise BadTag("an aggregate's part is longer than the aggregate, or is no media")
        time = int.from_bytes(body[at + 7 : at + 8] + body[at + 4 : at + 7], "big")
        moved = message.time - time if moved is None else moved
        yield Message(type=body[at], body=body[start:end], time=(time + moved) % _WRAP, stream=message.stream)
        at = end + 4
