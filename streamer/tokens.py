"""Tokens and sessions: secrets of 256 bits, of which only the hash is kept."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, func, insert, or_, select, update

from streamer import schema
from streamer.database import Database, Transaction
from streamer.errors import NoSuchToken
from streamer.rows import Clock, Role, new_id, wall_clock

SESSION_SECONDS = 30 * 86_400
_AT_ONCE = 1000  # ids in one statement
_SECRET_MAX = 200  # characters: longer ones are not hashed at all


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token or a session. Times are milliseconds since the epoch; a session has a parent and expires."""

    id: str
    role: Role
    name: str
    created: int
    revoked: int | None
    expires: int | None
    parent: str | None


class Tokens:
    """The tokens of this server."""

    def __init__(self, database: Database, *, clock: Clock = wall_clock) -> None:
        """Take the database."""
        self._database = database
        self._clock = clock

    async def create(self, role: Role, name: str) -> tuple[Token, str]:
        """Make a token; return it and its secret, which is not kept and cannot be shown again."""
        return await self._add(role, name, expires=None, parent=None)

    async def open_session(self, token: Token) -> tuple[Token, str]:
        """Make a session with the token's role; it ends with the token, on `revoke`, or after 30 days."""
        expires = self._clock() + SESSION_SECONDS * 1000
        return await self._add(token.role, token.name, expires=expires, parent=token.id)

    async def all(self) -> tuple[Token, ...]:
        """Return the tokens, oldest first, the revoked ones too, without the sessions."""
        table = schema.token
        asked = select(table).where(table.c.parent.is_(None)).order_by(table.c.created, table.c.id)
        async with self._database.read() as connection:
            return tuple(_token(row) for row in await connection.execute(asked))

    async def find(self, secret: str) -> Token | None:
        """Return the valid token or session with this secret, else None."""
        if not secret or len(secret) > _SECRET_MAX:
            return None
        table = schema.token
        parent = table.alias("parent")
        hashed = _hash(secret)
        asked = (
            select(table)
            .join(parent, table.c.parent == parent.c.id, isouter=True)
            .where(
                table.c.hash == hashed,
                table.c.revoked.is_(None),
                parent.c.revoked.is_(None),
                or_(table.c.expires.is_(None), table.c.expires > self._clock()),
            )
        )
        async with self._database.read() as connection:
            row = (await connection.execute(asked)).one_or_none()
        if row is None or not hmac.compare_digest(row.hash, hashed):
            return None
        return _token(row)

    async def valid(self, ids: Collection[str]) -> frozenset[str]:
        """Return those of the tokens and sessions with these ids that are neither revoked nor gone."""
        table = schema.token
        asked = select(table.c.id).where(table.c.revoked.is_(None))
        listed = sorted(ids)
        found: set[str] = set()
        async with self._database.read() as connection:
            for start in range(0, len(listed), _AT_ONCE):
                some = table.c.id.in_(listed[start : start + _AT_ONCE])
                found.update(await connection.scalars(asked.where(some)))
        return frozenset(found)

    async def has_admin(self) -> bool:
        """Say whether there is a valid administrator token."""
        table = schema.token
        asked = select(func.count()).where(
            table.c.role == str(Role.ADMIN), table.c.revoked.is_(None), table.c.parent.is_(None)
        )
        async with self._database.read() as connection:
            return bool(await connection.scalar(asked))

    async def revoke(self, identity: str) -> None:
        """Make a token or a session useless, at once and for good. Raise NoSuchToken."""
        table = schema.token

        async def work(transaction: Transaction) -> None:
            changed = await transaction.execute(
                update(table)
                .where(table.c.id == identity, table.c.revoked.is_(None))
                .values(revoked=self._clock())
            )
            if changed.rowcount == 0:
                raise NoSuchToken(f"There is no valid token {identity!r}.")
            await transaction.execute(delete(table).where(table.c.parent == identity))

        await self._database.write(work)

    async def _add(
        self, role: Role, name: str, *, expires: int | None, parent: str | None
    ) -> tuple[Token, str]:
        secret = f"str_{secrets.token_urlsafe(32)}"
        table = schema.token
        token = Token(
            id=new_id(),
            role=role,
            name=name,
            created=self._clock(),
            revoked=None,
            expires=expires,
            parent=parent,
        )

        async def work(transaction: Transaction) -> None:
            await transaction.execute(delete(table).where(table.c.expires <= token.created))
            await transaction.execute(
                insert(table).values(
                    id=token.id,
                    hash=_hash(secret),
                    role=str(role),
                    name=name,
                    created=token.created,
                    expires=expires,
                    parent=parent,
                )
            )

        await self._database.write(work)
        return token, secret


def _hash(secret: str) -> str:
    # Random 256-bit secrets need no slow hash: there is nothing to guess.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _token(row: Row[Any]) -> Token:
    return Token(
        id=row.id,
        role=Role(row.role),
        name=row.name,
        created=row.created,
        revoked=row.revoked,
        expires=row.expires,
        parent=row.parent,
    )
