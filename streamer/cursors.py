"""Pages of lists that begin with the newest: where one ends, as text, and how long it is."""

from __future__ import annotations

import base64
import binascii

from sqlalchemy import ColumnElement, Table, and_, or_

from streamer.errors import InvalidCursor, InvalidRequest


def cursor_of(created: int, identity: str) -> str:
    """Return the cursor of the page that begins behind this row."""
    return base64.urlsafe_b64encode(f"{created}.{identity}".encode()).decode().rstrip("=")


def behind(table: Table, cursor: str) -> ColumnElement[bool]:
    """Return what is true of the rows of a page, which has `created` and `id`. Raise InvalidCursor."""
    created, identity = _parse(cursor)
    return or_(table.c.created < created, and_(table.c.created == created, table.c.id < identity))


def _parse(cursor: str) -> tuple[int, str]:
    try:
        plain = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode(
            "ascii"
        )
        created, _, identity = plain.partition(".")
        return int(created), identity
    except (binascii.Error, ValueError) as error:
        raise InvalidCursor("The cursor is not one that this server gave.") from error


def page_limit(text: str, most: int) -> int:
    """Return how many entries of a list are asked for, 1 to `most`. Raise InvalidRequest."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= most):
        raise InvalidRequest(f"`limit` is a number from 1 to {most}.")
    return int(text)
