"""What an owner wants of a stream, read from the JSON of a request."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from streamer.assets import clean_title
from streamer.config import DVR_MOST, PART_LEAST, PART_MOST, RECONNECT_MOST, Config
from streamer.errors import InvalidRequest
from streamer.live.streams import Settings, Takeover
from streamer.policy_wish import policy_of
from streamer.rows import PlaybackPolicy

DVR_LEAST = 30
"""Seconds: a shorter window would take from viewers what they are just loading."""


def configured(config: Config) -> Settings:
    """Return the settings of a stream that wishes for nothing."""
    return Settings(
        part_seconds=config.live_part_seconds,
        dvr_seconds=config.live_dvr_seconds or None,
        reconnect_seconds=config.live_reconnect_seconds,
        destination=config.live_destination,
        policy=PlaybackPolicy(config.playback_policy),
    )


def title_of(wish: Mapping[str, Any]) -> str | None:
    """Return the title that is wished for, None where there is none. Raise InvalidRequest."""
    title = wish.get("title")
    if title is None:
        return None
    if not isinstance(title, str):
        raise InvalidRequest("`title` is a text.")
    return clean_title(title)


def settings_of(
    wish: Mapping[str, Any], settings: Settings, *, destinations: Container[str] = ()
) -> Settings:
    """Return the settings with what is wished for in place of what they were. Raise InvalidRequest.

    `destinations` are the names of those that are configured.
    """
    for name in wish:
        if name != "title" and name not in _READ:
            raise InvalidRequest(f"There is no setting `{name}`.")
    read = {name: reader(wish[name]) for name, reader in _READ.items() if name in wish}
    if (named := read.get("destination")) is not None and named not in destinations:
        raise InvalidRequest(f"No destination is named {named!r} in the configuration.")
    return replace(settings, **read)


def _part(value: Any) -> Fraction:
    # A JSON number is what its digits say: 0.333 is 333/1000.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidRequest("`part_seconds` is a number.")
    if not PART_LEAST <= value <= PART_MOST:
        raise InvalidRequest("`part_seconds` is between 0.1 and 2.")
    return Fraction(str(value))


def _dvr(value: Any) -> int | None:
    return None if value is None else _whole("dvr_seconds", value, DVR_LEAST, DVR_MOST)


def _reconnect(value: Any) -> int:
    return _whole("reconnect_seconds", value, 0, RECONNECT_MOST)


def _whole(name: str, value: Any, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidRequest(f"`{name}` is a whole number from {least} to {most}.")
    return value


def _passthrough(value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidRequest("`passthrough` is true or false.")
    return value


def _takeover(value: Any) -> Takeover:
    if not isinstance(value, str) or value not in list(Takeover):
        raise InvalidRequest(f"`takeover` is one of {', '.join(Takeover)}.")
    return Takeover(value)


def _destination(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise InvalidRequest("`destination` is the name of a configured destination, or null.")
    return value


_READ: Mapping[str, Callable[[Any], Any]] = {
    "part_seconds": _part,
    "dvr_seconds": _dvr,
    "reconnect_seconds": _reconnect,
    "passthrough": _passthrough,
    "takeover": _takeover,
    "destination": _destination,
    "policy": policy_of,
}
