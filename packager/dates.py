"""Moments of the wall clock as manifests write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction


def iso(milliseconds: int) -> str:
    """Return a time, in milliseconds since the epoch, as ISO 8601 in UTC."""
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC) + timedelta(milliseconds=milliseconds % 1000)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def milliseconds(seconds: Fraction) -> int:
    """Return seconds as the nearest whole milliseconds."""
    return int(seconds * 1000 + Fraction(1, 2))
