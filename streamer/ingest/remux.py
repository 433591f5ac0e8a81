"""Makes tags of containers that arrive in pieces: an ffmpeg child writes FLV of whatever is sent."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from packager import live_recipe
from packager.child import Command
from packager.errors import ChildFailed
from packager.process import Spawner
from packager.sandbox import Limits
from streamer.ingest import enhanced
from streamer.ingest.errors import BadMedia
from streamer.ingest.flv import FlvReader, Kind, Tag, Unwrapping

WEBM, MPEG_TS = "matroska", "mpegts"
"""What FFmpeg calls the containers."""

_log = logging.getLogger(__name__)

_READ_BYTES = 64 << 10
_HEAD_MAX = 256 << 10
_LIMITS = Limits(memory=2 << 30, cpu_seconds=None, wall_seconds=None)

# Element CodecID of a track that is seen, its length in one to eight bytes (RFC 9559, §5.1.4.1.21 and §12).
_CODEC = re.compile(
    rb"\x86(?:[\x83-\xbf]|\x40.|\x20.{2}|\x10.{3}|\x08.{4}|\x04.{5}|\x02.{6}|\x01.{7})(?=V_)", re.DOTALL
)
_H264 = b"V_MPEG4/ISO/AVC"


async def webm(spawner: Spawner, pieces: AsyncIterator[bytes]) -> AsyncGenerator[Tag, None]:
    """Yield the tags of WebM or Matroska; pictures other than H.264 are encoded. Raise IngestError."""
    head, codec = b"", None
    async for piece in pieces:
        head += piece
        codec = _codec(head)
        if codec is not None or len(head) > _HEAD_MAX:
            break
    if codec is None:
        raise BadMedia("What is sent is no WebM with a picture.")
    copy = codec == _H264
    async with aclosing(remuxed(spawner, _joined(head, pieces), container=WEBM, copy=copy)) as tags:
        async for tag in tags:
            yield tag


async def remuxed(
    spawner: Spawner, pieces: AsyncIterator[bytes], *, container: str, copy: bool
) -> AsyncGenerator[Tag, None]:
    """Yield the tags of a container. Without `copy` the picture is encoded. Raise IngestError."""
    argv = live_recipe.remux(spawner.ffmpeg, container, copy=copy)
    async with aclosing(flv_of(spawner, Command(argv=argv, outputs=1, limits=_LIMITS, stdin=pieces))) as tags:
        async for tag in tags:
            yield tag


async def flv_of(spawner: Spawner, command: Command) -> AsyncGenerator[Tag, None]:
    """Yield the tags of the FLV that a child writes, as it writes them. Raise IngestError.

    What the child's input raises, this raises.
    """
    reader, times = FlvReader(), Unwrapping()
    try:
        async with await spawner.start(command) as child:
            while data := await child.outputs[0].read(_READ_BYTES):
                for tag in reader.feed(data):
                    payload = _plain(tag)
                    if payload is not None:
                        yield times.tag(Tag(kind=tag.kind, time=tag.time, payload=payload))
            await child.wait()
    except ChildFailed as error:
        _log.debug("a remux failed: %s", error.evidence)  # it may quote what a peer has sent
        raise BadMedia("What is sent cannot be read.") from error


def _codec(head: bytes) -> bytes | None:
    """Return the codec of the first picture track of a Matroska file; None while it has not come."""
    found = _CODEC.search(head)
    if found is None:
        return None
    end = found.end() + (found[0][-1] & 0x7F)
    return head[found.end() : end] if len(head) >= end else None


def _plain(tag: Tag) -> bytes | None:
    if tag.kind is Kind.SCRIPT or not tag.payload:
        return None
    return (enhanced.plain_video if tag.kind is Kind.VIDEO else enhanced.plain_audio)(tag.payload)


async def _joined(head: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for piece in rest:
        yield piece
