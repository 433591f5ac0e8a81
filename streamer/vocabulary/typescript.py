"""The player's types of events, written from their definitions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from streamer.rows import StreamState
from streamer.vocabulary.kind import CUSTOM, Carrier, Kind, Resource
from streamer.vocabulary.members import members

_HEAD = """\
/** Every type of event and its data. Do not change this: `python -m streamer.vocabulary` writes it. */
import type { Asset, StreamState } from "../api/asset";
import type { Stream } from "../api/stream";
"""
_PLAIN = {
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    NoneType: "null",
    Any: "unknown",
    StreamState: "StreamState",
}
_TOLD = "{ [T in keyof Events]: { type: T; data: Events[T] } }[keyof Events]"
_RESOURCES = {Resource.ASSET: "Asset", Resource.STREAM: "Stream", Resource.ANYTHING: "unknown"}


def render(kinds: Iterable[type[Kind]]) -> str:
    """Return the module."""
    kinds = tuple(kinds)
    records = [kind for kind in kinds if kind.about.resource is None]
    pieces = {piece: None for kind in records for piece in _pieces(kind)}
    written = [_interface(record) for record in (*pieces, *records)]
    events = [kind for kind in kinds if Carrier.CONNECTION not in kind.about.carriers]
    apart = [kind for kind in kinds if kind not in events]
    lines = "".join(f"  /** {kind.__doc__} */\n  {_key(kind)}: {_data(kind)};\n" for kind in events)
    said = " | ".join(kind.__name__ for kind in apart)
    return (
        f"{_HEAD}\n"
        + "\n".join(written)
        + f"\n/** The data of an event by its type. */\nexport interface Events {{\n{lines}}}\n"
        + f"\n/** An event, told by its type. */\nexport type Told = {_TOLD};\n"
        + f"\n/** A message that belongs to no channel. */\nexport type Said = {said};\n"
    )


def _pieces(kind: type[Kind]) -> list[type]:
    """Return the records that members of a type are made of."""
    return [
        piece
        for member in members(kind)
        for piece in (member.type, *get_args(member.type))
        if isinstance(piece, type) and is_dataclass(piece)
    ]


def _interface(record: type) -> str:
    lines = "".join(
        f"  /** {member.about} */\n  {member.name}{'?' if member.optional else ''}: {_type(member.type)};\n"
        for member in members(record)
    )
    if issubclass(record, Kind) and Carrier.CONNECTION in record.about.carriers:
        lines = f"  type: {_name(record)};\n{lines}"
    return f"/** {record.__doc__} */\nexport interface {record.__name__} {{\n{lines}}}\n"


def _data(kind: type[Kind]) -> str:
    return kind.__name__ if kind.about.resource is None else _RESOURCES[kind.about.resource]


def _name(kind: type[Kind]) -> str:
    return f"`{CUSTOM}${{string}}`" if kind.type.startswith(CUSTOM) else f'"{kind.type}"'


def _key(kind: type[Kind]) -> str:
    return f"[custom: {_name(kind)}]" if kind.type.startswith(CUSTOM) else _name(kind)


def _type(hint: Any) -> str:
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " | ".join(f'"{one}"' for one in inner)
    if origin in {UnionType, Union}:
        return " | ".join(_type(one) for one in inner)
    if origin is tuple:
        return f"{_type(inner[0])}[]"
    return str(hint.__name__)
