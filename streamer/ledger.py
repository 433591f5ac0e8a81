"""Runs and segments: what is wanted, who does it, and what is stored. One transaction each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from streamer import schema
from streamer.channel import Channels, of_asset
from streamer.database import Database, Transaction
from streamer.errors import NoSuchAsset, NoSuchRun
from streamer.gather import insert_new
from streamer.rows import Clock, Coverage, NewRun, RunRow, RunState, Urgency, wall_clock
from streamer.vocabulary.assets import RunEnded, RunStarted, SegmentStored

OPEN = (str(RunState.QUEUED), str(RunState.RUNNING))

_CHUNK = 500  # rows in one insert: databases bound the parameters of a statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A verified segment in the store; `size` in bytes."""

    rendition: str
    number: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Planning:
    """What planning decides from: the open Runs of a generation, most urgent first, and what is stored."""

    open: tuple[RunRow, ...]
    coverage: Coverage


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What planning decided: Runs to queue, to make more urgent (id → urgency), and to take back (ids)."""

    add: tuple[NewRun, ...] = ()
    raised: tuple[tuple[str, Urgency], ...] = ()
    cancel: tuple[str, ...] = ()


class SqlLedger:
    """The ledger over the database. Repeating a call is harmless."""

    def __init__(self, database: Database, channels: Channels, *, clock: Clock = wall_clock) -> None:
        """Take the database and the channels that tell of segments and Runs."""
        self._database = database
        self._channels = channels
        self._clock = clock

    async def add_runs(self, runs: Sequence[NewRun]) -> None:
        """Queue Runs; one whose id is known is left as it is. Raise NoSuchAsset without its generation."""
        try:
            await self._database.write(lambda transaction: self._add(transaction, runs))
        except IntegrityError as error:
            raise NoSuchAsset(runs[0].asset) from error

    async def plan(self, asset: str, generation: str, decide: Callable[[Planning], Changes]) -> Changes:
        """Let `decide` see Runs and segments of a generation, and apply its answer, all in one transaction.

        No other planning of the asset comes in between. `decide` must be pure and quick.
        """

        async def work(transaction: Transaction) -> Changes:
            await self._serialise(transaction, asset)
            table = schema.run
            asked = _ordered(
                select(table).where(
                    table.c.asset == asset, table.c.generation == generation, table.c.state.in_(OPEN)
                )
            )
            seen = Planning(
                open=tuple(_run(row) for row in await transaction.execute(asked)),
                coverage=await _coverage(transaction.connection, asset, generation),
            )
            changes = decide(seen)
            await self._add(transaction, changes.add)
            for run, urgency in changes.raised:
                await transaction.execute(
                    update(table).where(table.c.id == run, table.c.urgency > urgency).values(urgency=urgency)
                )
            if changes.cancel:
                await transaction.execute(
                    delete(table).where(table.c.id.in_(changes.cancel), table.c.state.in_(OPEN))
                )
            return changes

        try:
            return await self._database.write(work)
        except IntegrityError as error:
            raise NoSuchAsset(asset) from error

    async def claim(
        self, worker: str, *, limit: int = 1, least: Urgency = Urgency.FILL
    ) -> tuple[RunRow, ...]:
        """Take up to `limit` queued Runs, the most urgent first, none less urgent than `least`."""
        table = schema.run
        asked = _ordered(
            select(table.c.id).where(table.c.state == str(RunState.QUEUED), table.c.urgency <= least)
        )

        async def work(transaction: Transaction) -> tuple[RunRow, ...]:
            chosen = [
                row.id
                for row in await transaction.execute(asked.limit(limit).with_for_update(skip_locked=True))
            ]
            if not chosen:
                return ()
            taken = await transaction.execute(
                update(table)
                .where(table.c.id.in_(chosen))
                .values(
                    state=str(RunState.RUNNING),
                    worker=worker,
                    started=self._clock(),
                    ended=None,
                    attempts=table.c.attempts + 1,
                )
                .returning(table)
            )
            runs = {row.id: _run(row) for row in taken}
            for identity in chosen:
                run = runs[identity]
                await self._tell_started(transaction, run)
            return tuple(runs[identity] for identity in chosen)

        return await self._database.write(work)

    async def begin(self, run: NewRun, *, worker: str) -> None:
        """Note a Run that a worker has started by itself, as the embedded farm does."""

        async def work(transaction: Transaction) -> None:
            await self._add(transaction, [run])
            taken = {
                "state": str(RunState.RUNNING),
                "worker": worker,
                "started": self._clock(),
                "attempts": 1,
            }
            await transaction.execute(update(schema.run).where(schema.run.c.id == run.id).values(taken))
            await self._tell_started(transaction, run)

        try:
            await self._database.write(work)
        except IntegrityError as error:
            raise NoSuchAsset(run.asset) from error

    async def finish(self, run: str) -> None:
        """Mark a Run as done. Raise NoSuchRun where it was taken back."""
        await self._end(run, RunState.DONE, failure=None)

    async def fail_run(self, run: str, failure: str, *, again: bool = False) -> None:
        """Mark a Run as failed for good, or with `again` put it back into the queue. Raise NoSuchRun."""
        await self._end(run, RunState.QUEUED if again else RunState.FAILED, failure=failure)

    async def close_runs(self, worker: str) -> None:
        """Mark what a worker was executing when its process ended as failed; what is missing is run anew."""
        table = schema.run
        closed = {"state": str(RunState.FAILED), "ended": self._clock(), "failure": "the server was stopped"}
        chosen = (table.c.worker == worker, table.c.state == str(RunState.RUNNING))
        await self._database.write(
            lambda transaction: transaction.execute(update(table).where(*chosen).values(closed))
        )

    async def release(self, worker: str) -> int:
        """Put back what a worker had claimed and did not end, for after its restart; return how many."""
        table = schema.run

        async def work(transaction: Transaction) -> int:
            freed = await transaction.execute(
                update(table)
                .where(table.c.worker == worker, table.c.state == str(RunState.RUNNING))
                .values(state=str(RunState.QUEUED), worker=None, started=None)
            )
            return int(freed.rowcount)

        return await self._database.write(work)

    async def runs(
        self, asset: str | None = None, *, generation: str | None = None, states: Iterable[RunState] = ()
    ) -> tuple[RunRow, ...]:
        """Return Runs, the most urgent first, of an asset, a generation, in these states; all by default."""
        table = schema.run
        asked = select(table)
        if asset is not None:
            asked = asked.where(table.c.asset == asset)
        if generation is not None:
            asked = asked.where(table.c.generation == generation)
        wanted = [str(state) for state in states]
        if wanted:
            asked = asked.where(table.c.state.in_(wanted))
        async with self._database.read() as connection:
            return tuple(_run(row) for row in await connection.execute(_ordered(asked)))

    async def counts(self) -> dict[RunState, int]:
        """Return how many Runs are in each state."""
        async with self._database.read() as connection:
            found = await connection.execute(
                select(schema.run.c.state, func.count()).group_by(schema.run.c.state)
            )
            counted = {RunState(state): count for state, count in found}
        return {state: counted.get(state, 0) for state in RunState}

    async def add_segment(self, asset: str, generation: str, stored: Stored) -> None:
        """Note one stored segment, and tell of it unless it was known."""
        await self.add_segments(asset, generation, [stored])

    async def add_segments(self, asset: str, generation: str, stored: Sequence[Stored]) -> None:
        """Note stored segments and tell of those that were not known, in one transaction.

        Raise NoSuchAsset where the generation is gone.
        """

        async def work(transaction: Transaction) -> None:
            for start in range(0, len(stored), _CHUNK):
                await self._store(transaction, asset, generation, stored[start : start + _CHUNK])

        try:
            await self._database.write(work)
        except IntegrityError as error:
            raise NoSuchAsset(asset) from error

    async def remove_segments(self, asset: str, generation: str) -> None:
        """Forget a generation's segments, for when its media turned out to be gone."""
        table = schema.segment
        chosen = (table.c.asset == asset, table.c.generation == generation)
        await self._database.write(lambda transaction: transaction.execute(delete(table).where(*chosen)))

    async def coverage(self, asset: str, generation: str) -> Coverage:
        """Return which segments are stored, as ranges per rendition."""
        async with self._database.read() as connection:
            return await _coverage(connection, asset, generation)

    async def sizes(self, asset: str, generation: str) -> dict[str, dict[int, int]]:
        """Return rendition → segment number → bytes."""
        table = schema.segment
        asked = select(table.c.rendition, table.c.number, table.c.size).where(
            table.c.asset == asset, table.c.generation == generation
        )
        sizes: dict[str, dict[int, int]] = {}
        async with self._database.read() as connection:
            for rendition, number, size in await connection.execute(asked):
                sizes.setdefault(rendition, {})[number] = size
        return sizes

    async def _serialise(self, transaction: Transaction, asset: str) -> None:
        # SQLite's write transactions are one at a time anyhow.
        if transaction.connection.dialect.name == "postgresql":
            await transaction.execute(select(func.pg_advisory_xact_lock(func.hashtext(asset))))

    async def _add(self, transaction: Transaction, runs: Sequence[NewRun]) -> None:
        for run in runs:
            await transaction.execute(
                insert_new(transaction.connection, schema.run).values(
                    id=run.id,
                    asset=run.asset,
                    generation=run.generation,
                    body=dict(run.body),
                    first=run.first,
                    last=run.last,
                    rungs=list(run.rungs),
                    state=str(RunState.QUEUED),
                    urgency=int(run.urgency),
                    attempts=0,
                    created=self._clock(),
                )
            )

    async def _end(self, run: str, state: RunState, *, failure: str | None) -> None:
        table = schema.run
        queued = state is RunState.QUEUED
        values = {"state": str(state), "failure": failure, "ended": None if queued else self._clock()}
        if queued:
            values |= {"worker": None, "started": None}

        async def work(transaction: Transaction) -> None:
            ended = await transaction.execute(
                update(table).where(table.c.id == run).values(**values).returning(table.c.asset)
            )
            row = ended.one_or_none()
            if row is None:
                raise NoSuchRun(f"There is no Run {run!r}.")
            told = RunEnded(run=run, state=str(state), failure=failure or "")
            await self._channels.stage(transaction, of_asset(row.asset), told.type, told.json())

        await self._database.write(work)

    async def _tell_started(self, transaction: Transaction, run: NewRun | RunRow) -> None:
        told = RunStarted(run=run.id, rungs=run.rungs, first=run.first, last=run.last)
        await self._channels.stage(transaction, of_asset(run.asset), told.type, told.json())

    async def _store(
        self, transaction: Transaction, asset: str, generation: str, stored: Sequence[Stored]
    ) -> None:
        table = schema.segment
        rows = [
            {
                "asset": asset,
                "generation": generation,
                "rendition": segment.rendition,
                "number": segment.number,
                "size": segment.size,
                "watched": self._clock(),
            }
            for segment in stored
        ]
        fresh = await transaction.execute(
            insert_new(transaction.connection, table)
            .values(rows)
            .returning(table.c.rendition, table.c.number, table.c.size)
        )
        told = [
            SegmentStored(
                generation=generation, rendition=row.rendition, number=row.number, size=row.size
            ).json()
            for row in sorted(fresh.all(), key=lambda row: (row.number, row.rendition))
        ]
        if told:
            await self._channels.stage_all(transaction, of_asset(asset), SegmentStored.type, told)


async def _coverage(connection: AsyncConnection, asset: str, generation: str) -> Coverage:
    # Numbers in a row have one difference from their rank: each such island is a range.
    table = schema.segment
    rank = func.row_number().over(partition_by=table.c.rendition, order_by=table.c.number)
    ranked = (
        select(table.c.rendition, table.c.number, (table.c.number - rank).label("island"))
        .where(table.c.asset == asset, table.c.generation == generation)
        .subquery()
    )
    first = func.min(ranked.c.number)
    asked = (
        select(ranked.c.rendition, first, func.max(ranked.c.number))
        .group_by(ranked.c.rendition, ranked.c.island)
        .order_by(ranked.c.rendition, first)
    )
    coverage: Coverage = {}
    for rendition, lowest, highest in await connection.execute(asked):
        coverage.setdefault(rendition, []).append([lowest, highest])
    return coverage


def _ordered(asked: Select[Any]) -> Select[Any]:
    table = schema.run
    return asked.order_by(table.c.urgency, table.c.created, table.c.first, table.c.id)


def _run(row: Row[Any]) -> RunRow:
    return RunRow(
        id=row.id,
        asset=row.asset,
        generation=row.generation,
        body=row.body,
        first=row.first,
        last=row.last,
        rungs=tuple(row.rungs),
        state=RunState(row.state),
        urgency=Urgency(row.urgency),
        attempts=row.attempts,
        worker=row.worker,
        created=row.created,
        started=row.started,
        ended=row.ended,
        failure=row.failure,
    )
