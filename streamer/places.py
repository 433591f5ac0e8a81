"""A reader's places in channels as one text: the cursor of event streams and polls."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from streamer.errors import InvalidCursor

CURSOR_MAX = 8 << 10
"""Characters of a cursor; what 64 channels need is less than half of that."""

_PLACE = re.compile(r"([A-Za-z0-9:_.-]{1,128})~([A-Za-z0-9]{1,64})~(0|[1-9][0-9]{0,18})", re.ASCII)
_HINTED = re.compile(r"@([1-9][0-9]{0,15})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far a reader has come in one channel."""

    epoch: str
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """How far a reader has come in each of its channels.

    `hinted` is the time, in milliseconds since the epoch, up to which it has the values that have no offset.
    """

    places: Mapping[str, Place] = field(default_factory=dict)
    hinted: int = 0

    def text(self) -> str:
        """Return `channel~epoch~offset` for each channel, by commas, and `@time` where a time is known."""
        named = [f"{channel}~{place.epoch}~{place.offset}" for channel, place in self.places.items()]
        return ",".join([*named, f"@{self.hinted}"] if self.hinted else named)


def parse(text: str) -> Cursor:
    """Return the cursor of a text, the order of which means nothing. Raise InvalidCursor."""
    places: dict[str, Place] = {}
    hinted = 0
    if len(text) > CURSOR_MAX:
        raise InvalidCursor("The cursor is too long.")
    for part in text.split(",") if text else ():
        if time := _HINTED.fullmatch(part):
            hinted = int(time[1])
        elif place := _PLACE.fullmatch(part):
            places[place[1]] = Place(epoch=place[2], offset=int(place[3]))
        else:
            raise InvalidCursor("The cursor is none of this server's.")
    return Cursor(places=places, hinted=hinted)
