"""Conditional and range requests as RFC 9110 has them, decided from header values alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from multidict import istr

IF_MATCH = istr("If-Match")
IF_NONE_MATCH = istr("If-None-Match")
IF_RANGE = istr("If-Range")
RANGE = istr("Range")
ACCEPT_ENCODING = istr("Accept-Encoding")

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_ONE_RANGE = re.compile(
    r"bytes\s*=\s*(?:(?P<first>[0-9]+)\s*-\s*(?P<last>[0-9]*)|-\s*(?P<suffix>[0-9]+))\s*",
    re.IGNORECASE | re.ASCII,
)
_DIGITS = 18


class Fields(Protocol):
    """The header fields of a request."""

    def __contains__(self, name: object, /) -> bool:
        """Say whether a field is there."""

    def getall(self, name: str, default: list[str], /) -> list[str]:
        """Return all values of a field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How to answer: the status, and which bytes of the representation (stop excluded)."""

    status: int
    start: int = 0
    stop: int = 0


def plain(fields: Fields) -> bool:
    """Say whether a request has neither conditions nor ranges."""
    return not (RANGE in fields or IF_NONE_MATCH in fields or IF_MATCH in fields)


def judge(fields: Fields, *, method: str, etag: str, size: int) -> Verdict:
    """Decide on a GET or HEAD for a representation that exists, in the order of RFC 9110 section 13.2.2.

    There is no Last-Modified, so conditions on dates are as if they were not there.
    """
    if IF_MATCH in fields and not _matches(fields.getall(IF_MATCH, []), etag, weak=False):
        return Verdict(status=412)
    if IF_NONE_MATCH in fields and _matches(fields.getall(IF_NONE_MATCH, []), etag, weak=True):
        return Verdict(status=304)
    if method == "GET" and RANGE in fields and _same(fields.getall(IF_RANGE, []), etag):
        return _ranged(fields.getall(RANGE, []), size)
    return Verdict(status=200, stop=size)


def accepts_gzip(fields: Fields) -> bool:
    """Say whether gzip is an acceptable content coding (RFC 9110 section 12.5.3)."""
    quality = {}
    for item in ",".join(fields.getall(ACCEPT_ENCODING, [])).lower().split(","):
        name, _, weight = item.partition(";")
        _, _, value = weight.partition("=")
        quality[name.strip()] = not re.fullmatch(r"0(\.0*)?", value.strip())
    return quality.get("gzip", quality.get("*", False))


def _matches(values: list[str], etag: str, *, weak: bool) -> bool:
    """Compare by section 8.8.3.2: the weak comparison does not look at W/, the strong one refuses it."""
    listed = ",".join(values)
    if listed.strip() == "*":
        return True
    return any(found[2] == etag and (weak or not found[1]) for found in _TAG.finditer(listed))


def _same(values: list[str], etag: str) -> bool:
    """Say whether If-Range lets a range through: absent, or this very entity tag (never a date, never W/)."""
    return not values or [value.strip() for value in values] == [f'"{etag}"']


def _ranged(values: list[str], size: int) -> Verdict:
    """Take one range of bytes; several, other units and nonsense get the whole (section 14.2)."""
    whole = Verdict(status=200, stop=size)
    found = _ONE_RANGE.fullmatch(values[0].strip()) if len(values) == 1 else None
    if found is None:
        return whole
    if found["suffix"] is not None:
        length = _number(found["suffix"])
        start, stop = max(0, size - length), size
    else:
        start = _number(found["first"])
        last = _number(found["last"]) if found["last"] else max(start, size - 1)
        if last < start:
            return whole
        stop = min(size, last + 1)
    if start >= size or start >= stop:
        return Verdict(status=416)
    return Verdict(status=206, start=start, stop=stop)


def _number(digits: str) -> int:
    """Read a number; beyond any size there is it only matters that it is beyond."""
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) <= _DIGITS else 10**_DIGITS
