"""What is wished for in a playback token, read from the JSON of a request or from a command."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cdn.grants import BadClaims, limits_of
from streamer.errors import InvalidRequest

USUAL_SECONDS: Final = 3600
"""How long a token holds where nothing is said."""

VIEWERS_SECONDS: Final = 3600
"""How long the tokens hold that viewers may ask for."""

_OWN = frozenset({"expires_seconds", "not_before"})
_DURATION = re.compile(r"([1-9][0-9]{0,8})([smhd])", re.ASCII)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How long a token is to hold, from when on in seconds since the epoch, and its limits."""

    seconds: int = USUAL_SECONDS
    not_before: int | None = None
    limits: Mapping[str, Any] = field(default_factory=dict)


def wish_of(said: Mapping[str, Any], *, longest: int) -> Wish:
    """Read a request's body; nothing holds for longer than `longest` seconds. Raise InvalidRequest."""
    seconds = said.get("expires_seconds", min(USUAL_SECONDS, longest))
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 0 < seconds <= longest:
        raise InvalidRequest(f"`expires_seconds` is a whole number from 1 to {longest}.")
    begin = said.get("not_before")
    if begin is not None and (isinstance(begin, bool) or not isinstance(begin, int) or begin < 0):
        raise InvalidRequest("`not_before` is a time in whole seconds since 1970.")
    try:
        limits = limits_of({name: value for name, value in said.items() if name not in _OWN})
    except BadClaims as error:
        raise InvalidRequest(error.message) from error
    return Wish(seconds=seconds, not_before=begin, limits=limits)


def seconds_of(text: str) -> int:
    """Return the seconds of a duration such as 90s, 30m, 1h or 7d. Raise InvalidRequest."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise InvalidRequest(f"{text!r} is no duration; write 90s, 30m, 1h or 7d")
    return int(found[1]) * _UNITS[found[2]]
