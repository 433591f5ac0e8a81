"""What a type of event is: its name, its documented fields, who carries it and who may publish it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from typing import Any, ClassVar

CUSTOM = "custom."
"""What the types of an application's own events begin with."""


class Carrier(StrEnum):
    """Where events of a type come: a kind of channel, or the connection itself."""

    ASSETS = "assets"
    ASSET = "asset:{id}"
    STREAM = "stream:{id}"
    CONNECTION = "the connection"


ASSETS, ASSET, STREAM = Carrier.ASSETS, Carrier.ASSET, Carrier.STREAM


class Resource(StrEnum):
    """What of the API the data of an event can be, whole."""

    ASSET = "Asset"
    STREAM = "Stream"
    ANYTHING = "Anything"


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What holds for all events of a type.

    Numbered ones are durable and replayed; of the others only the latest value counts. `open` ones may be
    published by an application. The data is a `resource` where that is said, else the fields of the type.
    """

    carriers: tuple[Carrier, ...]
    numbered: bool = True
    open: bool = False
    resource: Resource | None = None


class Kind:
    """A type of event. Its fields are the members of `data`."""

    __slots__ = ()

    type: ClassVar[str]
    about: ClassVar[About]

    def json(self) -> dict[str, Any]:
        """Return the data as JSON."""
        return {field.name: _json(getattr(self, field.name)) for field in fields(self)}  # type: ignore[arg-type]


def _json(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [_json(one) for one in value]
    if isinstance(value, Mapping):
        return dict(value)
    return str(value) if isinstance(value, StrEnum) else value
