"""The keys that playback tokens are verified with, as rows; what was read of them is held for moments."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, delete, func, insert, select

from cdn.sign import BadKey, Key, key_of, make_key, read_public
from streamer import schema
from streamer.bus import Alone, Bus
from streamer.database import Database, Transaction
from streamer.errors import InvalidRequest, NoSuchPlaybackKey, TooManyPlaybackKeys
from streamer.rows import Clock, new_id, rfc3339, wall_clock

MOST = 100
FRESH_SECONDS = 10.0
"""How long a key that another server has revoked may go on to open, where no wake-up comes."""

UNKNOWN_SECONDS = 1.0
"""How often rows are read again for a key that is not known here."""

OWN = "server"
"""The name of the key that the server itself signs with."""

_CHANGED = "playback-keys"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackKey:
    """A key as listed. `private` is PEM where the server signs with it; `created` is ms since the epoch."""

    id: str
    name: str
    algorithm: str
    public: str
    private: str | None = field(repr=False)
    created: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """The key that the server signs with: its private half in PEM."""

    id: str
    private: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """The keys that hold now, by id. A ring of other keys has a greater `generation`."""

    keys: Mapping[str, Key]
    generation: int


def show(key: PlaybackKey) -> dict[str, Any]:
    """Return a key as the API shows it: never the private half."""
    return {
        "id": key.id,
        "name": key.name,
        "algorithm": key.algorithm,
        "public_key": key.public,
        "server": key.private is not None,
        "created": rfc3339(key.created),
    }


class PlaybackKeys:
    """Keys over the database. A change here holds at once, one of another server when it wakes this one."""

    def __init__(
        self,
        database: Database,
        *,
        bus: Bus | None = None,
        clock: Clock = wall_clock,
        pace: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the database; `pace` tells seconds that only grow."""
        self._database = database
        self._bus: Bus = bus or Alone()
        self._clock = clock
        self._pace = pace
        self._ring = Ring(keys={}, generation=0)
        self._read = float("-inf")
        self._told = 0
        self._turn = asyncio.Lock()
        self._bus.hear(_CHANGED, lambda *_: self._stale())
        self._bus.regained(self._stale)

    async def create(self, name: str) -> tuple[PlaybackKey, str]:
        """Make a key; return it and its private half, which is not kept. Raise TooManyPlaybackKeys."""
        private, public = make_key()
        return await self._add(name, public), private

    async def adopt(self, name: str, public: str) -> PlaybackKey:
        """Keep somebody's public key, in PEM. Raise InvalidRequest, TooManyPlaybackKeys."""
        return await self._add(name, public)

    async def all(self) -> list[PlaybackKey]:
        """Return every key, oldest first."""
        table = schema.playback_key
        async with self._database.read() as connection:
            rows = await connection.execute(select(table).order_by(table.c.created, table.c.id))
            return [_key(row) for row in rows]

    async def revoke(self, identity: str) -> None:
        """Forget a key; its tokens open nothing from now on. Raise NoSuchPlaybackKey."""
        table = schema.playback_key

        async def work(transaction: Transaction) -> None:
            gone = await transaction.execute(delete(table).where(table.c.id == identity))
            if gone.rowcount == 0:
                raise NoSuchPlaybackKey(identity)

        await self._database.write(work)
        await self._changed()

    async def signer(self) -> Signer:
        """Return the key that the server signs with; it is made where there is none."""
        for key in reversed(await self.all()):
            if key.private is not None:
                return Signer(id=key.id, private=key.private)
        private, public = make_key()
        return Signer(id=(await self._add(OWN, public, private=private)).id, private=private)

    async def ring(self, *, lacking: str = "") -> Ring:
        """Return the keys that hold; they are read again now and then, and where one is `lacking`."""
        missed = bool(lacking) and lacking not in self._ring.keys
        if self._age() >= (UNKNOWN_SECONDS if missed else FRESH_SECONDS):
            async with self._turn:
                if self._age() >= (UNKNOWN_SECONDS if missed else FRESH_SECONDS):
                    await self._load()
        return self._ring

    def _age(self) -> float:
        return self._pace() - self._read

    def _stale(self) -> None:
        self._told += 1
        self._read = float("-inf")

    async def _load(self) -> None:
        began, told = self._pace(), self._told
        found = {key.id: key_of(key.id, key.public) for key in await self.all()}
        if found.keys() != self._ring.keys.keys():  # a key never changes under its id
            self._ring = Ring(keys=found, generation=self._ring.generation + 1)
        if told == self._told:  # else they may have changed since they were read
            self._read = began

    async def _changed(self) -> None:
        self._bus.tell(_CHANGED, "")
        async with self._turn:
            await self._load()

    async def _add(self, name: str, pem: str, *, private: str | None = None) -> PlaybackKey:
        try:
            algorithm, public = await asyncio.to_thread(read_public, pem)
        except BadKey as error:
            raise InvalidRequest(str(error)) from error
        row = {
            "id": new_id(),
            "name": name,
            "algorithm": str(algorithm),
            "public": public,
            "private": private,
            "created": self._clock(),
        }
        table = schema.playback_key

        async def work(transaction: Transaction) -> PlaybackKey:
            counted = await transaction.execute(select(func.count()).select_from(table))
            if counted.scalar_one() >= MOST:
                raise TooManyPlaybackKeys(f"There are {MOST} playback keys at most; delete old ones.")
            return _key((await transaction.execute(insert(table).values(row).returning(table))).one())

        made = await self._database.write(work)
        await self._changed()
        return made


def _key(row: Row[Any]) -> PlaybackKey:
    return PlaybackKey(
        id=row.id,
        name=row.name,
        algorithm=row.algorithm,
        public=row.public,
        private=row.private,
        created=row.created,
    )
