"""Events and hints as values, each with its JSON envelope encoded once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from streamer.rows import rfc3339, seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A fact, stamped. `offset` is None for a hint.

    `text` is the JSON envelope in UTF-8, `frame` the same as a WebSocket frame: encoded once for everybody.
    """

    channel: str
    epoch: str
    offset: int | None
    type: str
    time: int
    media_time: Fraction | None
    data: Any
    text: bytes
    frame: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """The latest value of something that may be skipped: progress, a viewer count."""

    type: str
    key: str
    data: Any
    time: int


def text_frame(payload: bytes) -> bytes:
    """Return the payload as one unmasked WebSocket text frame (RFC 6455 section 5.2)."""
    size = len(payload)
    if size < 126:
        head = bytes((0x81, size))
    elif size < 1 << 16:
        head = b"\x81\x7e" + size.to_bytes(2)
    else:
        head = b"\x81\x7f" + size.to_bytes(8)
    return head + payload


def stamp(
    channel: str, epoch: str, offset: int | None, *, type_: str, time: int, media: Fraction | None, data: Any
) -> Event:
    """Return the event with its envelope encoded. `time` is wall clock, `media` seconds on the timeline."""
    envelope: dict[str, Any] = {"channel": channel, "epoch": epoch}
    if offset is not None:
        envelope["offset"] = offset
    envelope |= {"type": type_, "time": rfc3339(time)}
    if media is not None:
        envelope["media_time"] = seconds(media)
    envelope["data"] = data
    text = json.dumps(envelope, separators=(",", ":"), ensure_ascii=False).encode()
    return Event(
        channel=channel,
        epoch=epoch,
        offset=offset,
        type=type_,
        time=time,
        media_time=media,
        data=data,
        text=text,
        frame=text_frame(text),
    )
