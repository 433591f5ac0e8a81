"""What a caller wants told, read from the JSON of a request."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from typing import Any, Final

from packager.marker import Splice
from streamer.errors import InvalidRequest
from streamer.markers import Wish

KIND: Final = "[A-Za-z0-9][A-Za-z0-9._:-]{0,63}"
DATA_MOST = 2048
"""Bytes of `data` as JSON: it stands in every playlist and in a part of every rendition."""
SCTE35_MOST = 1024
"""Bytes of an SCTE-35 message."""
LATEST = 10**9
"""Seconds."""

_FIELDS = frozenset({"kind", "time", "date", "duration", "data", "scte35", "splice"})
_TABLE = 0xFC  # the table_id of a splice_info_section (SCTE 35 §9.6)


def wish_of(wish: Mapping[str, Any]) -> Wish:
    """Return what is wished for. Raise InvalidRequest."""
    if unknown := wish.keys() - _FIELDS:
        raise InvalidRequest(f"There is no `{min(unknown)}` of a marker.")
    time, date = _seconds(wish, "time"), _date(wish.get("date"))
    if time is not None and date is not None:
        raise InvalidRequest("`time` and `date` say the same: give one of them.")
    scte35 = _scte35(wish.get("scte35"))
    splice = wish.get("splice")
    if splice is not None and (not scte35 or splice not in list(Splice)):
        raise InvalidRequest(f"`splice` is one of {', '.join(Splice)}, beside an `scte35`.")
    return Wish(
        kind=_kind(wish.get("kind", "marker")),
        time=time,
        date=date,
        duration=_seconds(wish, "duration"),
        data=_data(wish.get("data")),
        scte35=scte35,
        splice=Splice(splice or Splice.CMD),
    )


def _kind(value: Any) -> str:
    if not isinstance(value, str) or re.fullmatch(KIND, value) is None:
        raise InvalidRequest("`kind` is a word of at most 64 letters, digits, dots, colons and hyphens.")
    return value


def _seconds(wish: Mapping[str, Any], name: str) -> Fraction | None:
    value = wish.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LATEST:
        raise InvalidRequest(f"`{name}` is a number of seconds.")
    return Fraction(str(value))  # what its digits say


def _date(value: Any) -> Fraction | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise InvalidRequest("`date` is a time such as 2026-11-28T12:00:00.250Z.") from error
    if moment.tzinfo is None or not 0 <= moment.timestamp() <= 4 * LATEST:
        raise InvalidRequest("`date` names its offset from UTC, as by a Z, and is of this age.")
    whole = int(moment.replace(microsecond=0).timestamp())
    return Fraction(whole) + Fraction(moment.microsecond, 1_000_000)


def _data(value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise InvalidRequest("`data` is an object.")
    try:
        size = len(json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode())
    except ValueError as error:  # not a number, or half a character
        raise InvalidRequest("`data` cannot be written as JSON.") from error
    if size > DATA_MOST:
        raise InvalidRequest(f"`data` has at most {DATA_MOST} bytes as JSON.")
    return value


def _scte35(value: Any) -> bytes:
    if value is None:
        return b""
    text = value.removeprefix("0x").removeprefix("0X") if isinstance(value, str) else ""
    if re.fullmatch("(?:[0-9A-Fa-f]{2})+", text) is None or len(text) > 2 * SCTE35_MOST:
        raise InvalidRequest(f"`scte35` is a message of at most {SCTE35_MOST} bytes in hexadecimal.")
    section = bytes.fromhex(text)
    if section[0] != _TABLE:
        raise InvalidRequest("`scte35` is no splice_info_section: it begins with FC.")
    return section
