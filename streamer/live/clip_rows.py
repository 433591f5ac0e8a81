"""Clips as rows: the broadcast that one is cut from, and the asset that it becomes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction

from sqlalchemy import insert, select

from packager.life import Aired, from_json, to_json
from streamer import schema
from streamer.channel import Channels, of_asset
from streamer.database import Database, Transaction
from streamer.errors import WrongState
from streamer.gather import one as one_asset
from streamer.ledger import Stored
from streamer.live.broadcasts import Broadcast, rungs_of
from streamer.markers import Kept, rows_of
from streamer.rows import Asset, Clock, PlaybackPolicy, State, wall_clock
from streamer.telling import tell
from streamer.vocabulary.assets import AssetCreated

_WATCHED = frozenset({State.PLAYABLE, State.COMPLETE})


class ClipRows:
    """Clips over the database. The rows of one and the event that tells of it are one transaction."""

    def __init__(self, database: Database, channels: Channels, *, clock: Clock = wall_clock) -> None:
        self._database = database
        self._channels = channels
        self._clock = clock

    async def source(self, asset: str) -> Broadcast:
        """Return a broadcast that can be watched. Raise NoSuchAsset, and WrongState for any other asset."""
        table = schema.generation
        async with self._database.read() as connection:
            found = await one_asset(connection, asset)
            if found.live is None or found.state not in _WATCHED:
                raise WrongState("Clips are cut from broadcasts that are on air and from recordings.")
            chosen = select(table.c.name, table.c.plan, table.c.rungs).where(table.c.asset == asset)
            rows = (await connection.execute(chosen)).all()
        lives = [from_json(json.dumps(row.plan)) for row in rows]
        return Broadcast(
            asset=found,
            stream=found.live.stream,
            lives=tuple(sorted(lives, key=lambda life: (life.first, life.started))),
            counts={row.name: count for row in rows if (count := row.rungs[0]["segments"])},
        )

    async def keep(
        self,
        identity: str,
        *,
        title: str,
        stream: str,
        lives: Sequence[Aired],
        stored: Mapping[str, Sequence[Stored]],
        markers: Sequence[Kept] = (),
        policy: PlaybackPolicy = PlaybackPolicy.PUBLIC,
    ) -> Asset:
        """Make the asset of a clip whose media and manifests are in the store; `stored` is by generation."""
        now = self._clock()
        size = sum(one.size for every in stored.values() for one in every)
        asset = {
            "id": identity,
            "title": title,
            "folded": title.casefold(),
            "state": str(State.COMPLETE),
            "created": now,
            "updated": now,
            "duration": str(sum((aired.seconds for aired in lives), Fraction(0))),
            "size": size,
            "received": size,
            "warnings": [],
            "stream": stream,
            "policy": str(policy),
            "generation": lives[-1].life.generation,
        }

        async def work(transaction: Transaction) -> Asset:
            await transaction.execute(insert(schema.asset).values(**asset))
            for aired in lives:
                await self._life(transaction, identity, aired, stored[aired.life.generation])
            if markers:
                await transaction.execute(insert(schema.marker), rows_of(identity, markers))
            await self._channels.stage_open(transaction, of_asset(identity))
            return await tell(
                transaction, self._channels, identity, told=AssetCreated, reached=State.COMPLETE
            )

        return await self._database.write(work)

    async def _life(
        self, transaction: Transaction, identity: str, aired: Aired, stored: Sequence[Stored]
    ) -> None:
        life, of = aired.life, {"asset": identity}
        generation = {
            "name": life.generation,
            "plan": json.loads(to_json(life)),
            "rungs": rungs_of(life, aired.segments - aired.begin),
            "created": self._clock(),
        }
        await transaction.execute(insert(schema.generation).values(**of, **generation))
        of = {**of, "generation": life.generation}
        rows = [{**of, "rendition": one.rendition, "number": one.number, "size": one.size} for one in stored]
        await transaction.execute(insert(schema.segment), rows)
