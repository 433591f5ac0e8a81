"""Broadcasts: the assets of live streams from the first frame to the recording, as rows and events."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from packager.life import Aired, Life, from_json, to_json
from streamer import schema
from streamer.channel import Channels, of_asset, of_stream
from streamer.database import Database, Transaction
from streamer.errors import NoSuchAsset, TooManyBroadcasts, WrongState
from streamer.gather import change_asset, gather, insert_new
from streamer.gather import one as one_asset
from streamer.ledger import Stored
from streamer.live.register import one as one_stream
from streamer.live.tenancy import ON_AIR, Tenancy
from streamer.rows import (
    Asset,
    Clock,
    Failure,
    State,
    StreamState,
    failure_json,
    new_id,
    wall_clock,
)
from streamer.telling import tell
from streamer.vocabulary.assets import AssetCreated
from streamer.vocabulary.kind import Kind
from streamer.vocabulary.live import LadderChanged, PassthroughRefused, Picture, StreamStateChanged

_OVER = Failure(step="live", message="The broadcast was over before there was a whole segment of it.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Broadcast:
    """A broadcast with the lives of its encoders, oldest first.

    `counts` are by generation the segments that each has come to, where that is settled.
    """

    asset: Asset
    stream: str
    lives: tuple[Life, ...]
    counts: Mapping[str, int] = field(default_factory=dict)


class Broadcasts:
    """Broadcasts over the database. Every change and the events that tell of it are one transaction.

    `node` is this server's name; it has at most `most` broadcasts on air. Methods that name an asset raise
    NoSuchAsset where there is none or it was deleted, and TakenOver where another server has it by now.
    """

    def __init__(
        self,
        database: Database,
        channels: Channels,
        *,
        node: str = "local",
        most: int = 8,
        clock: Clock = wall_clock,
    ) -> None:
        self._database = database
        self._channels = channels
        self._most = most
        self._clock = clock
        self.tenancy = Tenancy(database, node=node)

    async def begin(self, stream: str) -> Asset:
        """Make the asset of a broadcast that begins now; there is nothing to watch yet.

        Raise NoSuchStream, WrongState where the stream is on air, TooManyBroadcasts.
        """
        identity, now = new_id(), self._clock()

        async def work(transaction: Transaction) -> Asset:
            found = await one_stream(transaction.connection, stream)
            if found.on_air:
                raise WrongState("The stream is on air already.")
            await self._room(transaction.connection)
            await transaction.execute(
                insert(schema.asset).values(
                    id=identity,
                    title=found.title,
                    folded=found.title.casefold(),
                    state=str(State.PROBING),
                    created=now,
                    updated=now,
                    received=0,
                    warnings=[],
                    stream=stream,
                    policy=str(found.settings.policy),
                    maker=self.tenancy.node,
                    term=1,
                )
            )
            transaction.after(lambda: self.tenancy.began(identity, 1))
            await self._channels.stage_open(transaction, of_asset(identity))
            await self._stand(transaction, stream, StreamState.CONNECTING, asset=identity)
            return await tell(transaction, self._channels, identity, told=AssetCreated)

        return await self._database.write(work)

    async def begin_life(self, asset: str, life: Life) -> Asset:
        """Note the life of an encoder, whose inits are stored: from now on the broadcast can be watched.

        Where its pictures are other ones than those of the life before, an event tells of that; so does one
        where they cannot be passed through although that was wished for.
        """
        row: dict[str, Any] = {
            "asset": asset,
            "name": life.generation,
            "plan": json.loads(to_json(life)),
            "rungs": rungs_of(life, 0),
            "created": self._clock(),
        }

        async def work(transaction: Transaction) -> Asset:
            await self.tenancy.check(transaction, asset)
            before = await one_asset(transaction.connection, asset)
            row["poster"] = before.poster
            reached = await change_asset(
                transaction,
                asset,
                updated=self._clock(),
                generation=life.generation,
                duration="0",
                state=str(State.PLAYABLE),
                source={"uncopied": [f"picture: {life.refusal}"]} if life.refusal else None,
            )
            await transaction.execute(insert_new(transaction.connection, schema.generation).values(**row))
            after = await tell(transaction, self._channels, asset, reached=reached)
            await self._tell_ladder(transaction, before, after)
            if life.refusal and after.live is not None:
                stream = after.live.stream
                refused = PassthroughRefused(stream=stream, asset=asset, reason=life.refusal)
                await self._tell_both(transaction, refused, stream=stream, asset=asset)
            return after

        return await self._database.write(work)

    async def noted(self, asset: str, generation: str, stored: Sequence[Stored]) -> None:
        """Note segments that are in the store; repeating it is harmless. No event tells of them."""
        rows = [
            {
                "asset": asset,
                "generation": generation,
                "rendition": one.rendition,
                "number": one.number,
                "size": one.size,
            }
            for one in stored
        ]

        async def work(transaction: Transaction) -> None:
            await self.tenancy.check(transaction, asset)
            await transaction.execute(insert_new(transaction.connection, schema.segment), rows)

        try:
            await self._database.write(work)
        except IntegrityError as error:
            raise NoSuchAsset(asset) from error

    async def stand(self, stream: str, state: StreamState) -> None:
        """Say where a stream that is on air stands; saying it again changes nothing. Raise NoSuchStream.

        Raise WrongState where it is not on air: `begin` and `end` say when it is.
        """

        async def work(transaction: Transaction) -> None:
            found = await one_stream(transaction.connection, stream)
            if not found.on_air or found.asset is None:
                raise WrongState("The stream is not on air.")
            await self.tenancy.check(transaction, found.asset)
            if found.state is not state:
                await self._stand(transaction, stream, state, asset=found.asset)
                await tell(transaction, self._channels, found.asset)

        await self._database.write(work)

    async def end(self, asset: str, aired: Sequence[Aired]) -> Asset:
        """End a broadcast: what was aired is its recording, and without a whole segment it has failed.

        The final manifests are in the store by now. Ending it again changes nothing.
        """
        lasting = [one for one in aired if one.segments]

        async def work(transaction: Transaction) -> Asset:
            found = await one_asset(transaction.connection, asset)
            if not found.on_air or found.live is None:
                return found
            await self.tenancy.check(transaction, asset)
            await self._settle(transaction, asset, lasting)
            changes = await self._recorded(transaction, asset, lasting)
            reached = await change_asset(
                transaction, asset, updated=self._clock(), **changes, maker=None, asked=None
            )
            transaction.after(lambda: self.tenancy.forget(asset))
            await self._stand(transaction, found.live.stream, StreamState.ENDED, asset=asset)
            return await tell(transaction, self._channels, asset, reached=reached)

        return await self._database.write(work)

    async def unfinished(self) -> tuple[Broadcast, ...]:
        """Return the broadcasts that have not ended, of this server or of nobody else who is there."""
        asset, generation = schema.asset, schema.generation
        free = and_(_on_air(), self.tenancy.free())
        async with self._database.read() as connection:
            found = await gather(connection, select(asset).where(free).order_by(asset.c.created))
            plans: dict[str, list[Life]] = {one.id: [] for one in found}
            chosen = select(generation.c.asset, generation.c.plan).where(generation.c.asset.in_(plans))
            for row in await connection.execute(chosen):
                plans[row.asset].append(from_json(json.dumps(row.plan)))
        return tuple(
            Broadcast(
                asset=one,
                stream=one.live.stream,
                lives=tuple(sorted(plans[one.id], key=lambda life: (life.first, life.started))),
            )
            for one in found
            if one.live is not None
        )

    async def room(self) -> None:
        """Raise TooManyBroadcasts where this server can carry no other one."""
        async with self._database.read() as connection:
            await self._room(connection)

    async def _room(self, connection: AsyncConnection) -> None:
        mine = schema.asset.c.maker == self.tenancy.node
        counted = await connection.execute(select(func.count()).where(_on_air(), mine))
        if counted.scalar_one() >= self._most:
            raise TooManyBroadcasts(f"This server carries {self._most} broadcasts at one time.")

    async def _settle(self, transaction: Transaction, asset: str, lasting: Sequence[Aired]) -> None:
        """Note how many segments each life has come to; one without any leaves no trace."""
        table = schema.generation
        names = [one.life.generation for one in lasting]
        await transaction.execute(delete(table).where(table.c.asset == asset, table.c.name.not_in(names)))
        for one in lasting:
            chosen = (table.c.asset == asset, table.c.name == one.life.generation)
            rungs = rungs_of(one.life, one.segments)
            await transaction.execute(update(table).where(*chosen).values(rungs=rungs))

    async def _recorded(
        self, transaction: Transaction, asset: str, lasting: Sequence[Aired]
    ) -> Mapping[str, Any]:
        if not lasting:
            return {"state": str(State.FAILED), "failure": failure_json(_OVER), "generation": None}
        table = schema.segment
        summed = await transaction.execute(select(func.sum(table.c.size)).where(table.c.asset == asset))
        size = int(summed.scalar_one() or 0)
        return {
            "state": str(State.COMPLETE),
            "generation": lasting[-1].life.generation,
            "duration": str(sum((one.seconds for one in lasting), Fraction(0))),
            "size": size,
            "received": size,
        }

    async def _stand(self, transaction: Transaction, stream: str, state: StreamState, *, asset: str) -> None:
        table = schema.stream
        values = {"state": str(state), "asset": asset, "updated": self._clock()}
        await transaction.execute(update(table).where(table.c.id == stream).values(**values))
        told = StreamStateChanged(stream=stream, asset=asset, state=state)
        for channel in (of_stream(stream), of_asset(asset)):
            await self._channels.stage(transaction, channel, told.type, told.json())

    async def _tell_ladder(self, transaction: Transaction, before: Asset, after: Asset) -> None:
        ladders = _pictures(before), _pictures(after)
        if after.live is None or not ladders[0] or ladders[0] == ladders[1]:
            return
        stream = after.live.stream
        told = LadderChanged(stream=stream, asset=after.id, before=ladders[0], after=ladders[1])
        await self._tell_both(transaction, told, stream=stream, asset=after.id)

    async def _tell_both(self, transaction: Transaction, told: Kind, *, stream: str, asset: str) -> None:
        """Tell something of a broadcast on its stream's channel and on its own."""
        for channel in (of_stream(stream), of_asset(asset)):
            await self._channels.stage(transaction, channel, told.type, told.json())


def _on_air() -> ColumnElement[bool]:
    table = schema.asset
    return and_(table.c.stream.is_not(None), table.c.state.in_(ON_AIR), table.c.deleted_at.is_(None))


def rungs_of(life: Life, count: int) -> list[dict[str, Any]]:
    """Return the renditions of a life, each with so many segments, as they stand in a row."""
    pictures: list[dict[str, Any]] = [
        {"name": rung.name, "kind": "video", "width": rung.width, "height": rung.height}
        for rung in life.video
    ]
    if life.passthrough:
        pictures[0]["copied"] = True
    sound: list[dict[str, Any]] = [{"name": life.audio.name, "kind": "audio"}] if life.audio else []
    return [{**rung, "segments": count} for rung in (*pictures, *sound)]


def _pictures(asset: Asset) -> tuple[Picture, ...]:
    return tuple(
        Picture(name=rung.name, width=rung.width, height=rung.height)
        for rung in asset.rungs
        if rung.kind == "video"
    )
