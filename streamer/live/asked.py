"""What a request for a live playlist asks for: the delivery directives of RFC 8216bis §6.2.5."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from multidict import MultiMapping

from packager import live_hls
from packager.life import Aired

MSN = "_HLS_msn"
PART = "_HLS_part"
SKIP = "_HLS_skip"

_AHEAD = 2
"""How many segments behind the last one may be asked for (§6.2.5.2)."""

_NUMBER = re.compile(r"0|[1-9][0-9]{0,9}", re.ASCII)


class BadDirective(ValueError):
    """The delivery directives of a request are none that can be followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Directives as they came. Without `msn` the playlist is asked for as it is."""

    msn: int | None = None
    part: int | None = None
    skip: bool = False


def read(query: MultiMapping[str]) -> Asked:
    """Read the directives of a query. Raise BadDirective."""
    msn, part = _number(query, MSN), _number(query, PART)
    if part is not None and msn is None:
        raise BadDirective(f"{PART} needs {MSN}.")
    skip = _once(query, SKIP)
    if skip not in {None, "YES", "v2"}:
        raise BadDirective(f"{SKIP} is YES or v2.")
    return Asked(msn=msn, part=part, skip=skip is not None)


def position(asked: Asked, last: Aired, carrier: str, *, first: int) -> tuple[int, int]:
    """Return before which (media sequence number, part) all has to be there. Raise BadDirective.

    `last` is the latest life, `first` the number of the broadcast's first segment. Without a directive a
    playlist is sent once it has a segment, because players refuse an empty one. A segment without a part is
    asked for whole; a part behind the last one of its segment is the first of the next segment.
    """
    if asked.msn is None:
        return first + 1, 0
    number, parts = live_hls.edge(last, carrier)
    listed = number if parts else number - 1
    if asked.msn > listed + _AHEAD:
        raise BadDirective(f"{MSN} is more than {_AHEAD} behind the last segment, {listed}.")
    if asked.part is None:
        return max(asked.msn, first) + 1, 0
    if asked.part >= last.life.parts:
        return max(asked.msn + 1, first), 1
    return max(asked.msn, first), asked.part + 1


def _number(query: MultiMapping[str], name: str) -> int | None:
    text = _once(query, name)
    if text is None:
        return None
    if _NUMBER.fullmatch(text) is None:
        raise BadDirective(f"{name} is no number.")
    return int(text)


def _once(query: MultiMapping[str], name: str) -> str | None:
    values: Sequence[str] = query.getall(name, [])
    if len(values) > 1:
        raise BadDirective(f"{name} is given more than once.")
    return values[0] if values else None
