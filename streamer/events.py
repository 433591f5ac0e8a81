"""Events and hints as values, each with its JSON envelope encoded once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from streamer.deflate import deflate
from streamer.frames import frame
from streamer.rows import rfc3339, seconds

DEFLATED_FROM = 128
"""Texts from so many bytes on are deflated: of a shorter one a tenth is saved, and every client inflates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A fact, stamped. `offset` is None for a hint.

    `text` is the JSON envelope in UTF-8, `frames` the same for WebSockets: encoded once for everybody.
    """

    channel: str
    epoch: str
    offset: int | None
    type: str
    time: int
    media_time: Fraction | None
    data: Any
    text: bytes
    frames: Frames


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """The latest value of something that may be skipped: progress, a viewer count."""

    type: str
    key: str
    data: Any
    time: int


class Frames:
    """A text as the WebSocket frames that carry it, each made when it is first asked for, for everybody."""

    __slots__ = ("_deflated", "_plain", "_text")

    def __init__(self, text: bytes) -> None:
        """Take the text in UTF-8."""
        self._text = text
        self._plain: bytes | None = None
        self._deflated: bytes | None = None

    def get(self, *, deflated: bool) -> bytes:
        """Return a frame, for those who agreed on deflating or for the others."""
        made = self._deflated if deflated else self._plain
        if made is None:
            made = text_frame(self._text, deflated=deflated)
            if deflated:
                self._deflated = made
            else:
                self._plain = made
        return made


def text_frame(text: bytes, *, deflated: bool) -> bytes:
    """Return the text as one frame: deflated where that is agreed on and shorter."""
    if deflated and len(text) >= DEFLATED_FROM:
        packed = deflate(text)
        if len(packed) < len(text):
            return frame(packed, deflated=True)
    return frame(text)


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
        frames=Frames(text),
    )
