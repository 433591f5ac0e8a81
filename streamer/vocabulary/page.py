"""The documentation's page of events, written from their definitions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import is_dataclass
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from streamer.vocabulary.kind import Carrier, Kind, Resource
from streamer.vocabulary.members import Member, members

_HEAD = """\
# Events

What comes on the [control channel](control.md), by type. `python -m streamer.vocabulary` writes this page.

*Numbered* events have an `offset`, are kept before anybody sees them, and come again on resuming. Of the
others only the latest value counts: they have no `offset` and are not kept. *Open* ones an application may
publish with `POST /api/v1/channels/{channel}/events`.
"""
_PLAIN = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "true or false",
    NoneType: "null",
    Any: "anything",
}
_RESOURCES = {
    Resource.ASSET: "the asset, as `GET /api/v1/assets/{id}` shows it; on its own channel without log lines.",
    Resource.STREAM: "the stream, as `GET /api/v1/live/{id}` shows it, without `ingest`.",
    Resource.ANYTHING: "any JSON.",
}


def render(kinds: Iterable[type[Kind]]) -> str:
    """Return the page."""
    return _HEAD + "".join(_section(kind) for kind in kinds)


def _section(kind: type[Kind]) -> str:
    about = kind.about
    marks = ["numbered" if about.numbered else "not numbered", *(["open"] if about.open else [])]
    apart = " Its members stand beside `type`." if Carrier.CONNECTION in about.carriers else ""
    carriers = ["every connection" if one is Carrier.CONNECTION else f"`{one}`" for one in about.carriers]
    where = f"{', '.join(marks).capitalize()}; on {', '.join(carriers)}.{apart}"
    head = f"\n## {kind.type}\n{kind.__doc__}\n\n{where} "
    if about.resource is not None:
        return f"{head}Data: {_RESOURCES[about.resource]}\n"
    rows = [line for member in members(kind) for line in _rows(member)]
    return f"{head.rstrip()}\n\n| member | type | |\n|---|---|---|\n" + "".join(rows)


def _rows(member: Member, under: str = "") -> list[str]:
    name = f"{under}{member.name}"
    about = f"{member.about}; may be left out" if member.optional else member.about
    rows = [f"| `{name}` | {_type(member.type)} | {about} |\n"]
    for piece in (member.type, *get_args(member.type)):
        if isinstance(piece, type) and is_dataclass(piece):
            rows += [row for inner in members(piece) for row in _rows(inner, f"{name}[].")]
    return rows


def _type(hint: Any) -> str:
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " or ".join(f"`{one}`" for one in inner)
    if origin in {UnionType, Union}:
        return " or ".join(_type(one) for one in inner)
    if origin is tuple:
        return f"list of {_type(inner[0])}"
    if issubclass(hint, StrEnum):
        return " or ".join(f"`{one}`" for one in hint)
    return "objects"
