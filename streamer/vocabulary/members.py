"""The members of a record as its annotations tell them."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any, get_args, get_origin, get_type_hints


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member: its type as Python has it, what it means, and whether it may be left out."""

    name: str
    type: Any
    about: str
    optional: bool


def members(record: type) -> tuple[Member, ...]:
    """Return the members of a record class in their order. Raise ValueError where one is not documented."""
    hints = get_type_hints(record, include_extras=True)
    return tuple(
        _member(field.name, hints[field.name], optional=field.default is not MISSING)
        for field in fields(record)
    )


def _member(name: str, hint: Any, *, optional: bool) -> Member:
    plain, *said = get_args(hint) if get_origin(hint) is Annotated else [hint]
    about = next((one for one in said if isinstance(one, str)), None)
    if about is None:
        raise ValueError(f"The member {name} is not documented.")
    return Member(name=name, type=plain, about=about, optional=optional)
