"""What an operator and the gauges want to know of the work: Runs, queues, workers, and how much is left."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select

from packager.engine import Urgency
from streamer import schema
from streamer.database import Database
from streamer.rows import Clock, Fill, RunState, State, wall_clock

STALE_SECONDS = 10
"""A worker that was not seen for so long is taken for lost."""

_OPEN = (str(RunState.QUEUED), str(RunState.RUNNING))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A Run as it is shown. Times are milliseconds since the epoch; `code` names the kind of failure."""

    id: str
    asset: str
    title: str
    state: RunState
    urgency: Urgency
    rungs: tuple[str, ...]
    first: int
    last: int
    worker: str | None
    attempts: int
    lost: int
    created: int
    started: int | None
    ended: int | None
    failure: str | None
    code: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """How many Runs of an urgency wait and run, and since when the oldest waits (milliseconds)."""

    queued: int = 0
    running: int = 0
    oldest: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
    """A worker with how many Runs it executes; `urgent` are slots beyond, for what a viewer waits for."""

    name: str
    state: str
    slots: int
    urgent: int
    busy: int
    encoder: str
    version: str
    started: int
    seen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tallies:
    """Sums over all Runs: attempts beyond the first, and times that a worker went away with one."""

    repeated: int
    lost: int


class Oversight:
    """Reads over the database; nothing here changes anything."""

    def __init__(self, database: Database, *, clock: Clock = wall_clock) -> None:
        self._database = database
        self._clock = clock

    async def runs(
        self, *, states: Collection[RunState] = (), asset: str | None = None, limit: int
    ) -> list[Ran]:
        """Return Runs: first those that are open, the most urgent and oldest first, then the last to end."""
        table = schema.run
        asked = select(table, schema.asset.c.title).join(schema.asset, schema.asset.c.id == table.c.asset)
        if asset is not None:
            asked = asked.where(table.c.asset == asset)
        wanted = [str(state) for state in states or RunState]
        open_ = asked.where(table.c.state.in_([state for state in wanted if state in _OPEN]))
        ended = asked.where(table.c.state.in_([state for state in wanted if state not in _OPEN]))
        ordered = (
            # "running" comes after "queued" in the alphabet, and what runs is shown first.
            open_.order_by(table.c.state.desc(), table.c.urgency, table.c.created, table.c.id),
            ended.order_by(table.c.ended.desc(), table.c.id),
        )
        found: list[Ran] = []
        async with self._database.read() as connection:
            for each in ordered:
                if len(found) < limit:
                    rows = await connection.execute(each.limit(limit - len(found)))
                    found += [_ran(row) for row in rows]
        return found

    async def queues(self) -> dict[Urgency, Queued]:
        """Return what waits and runs of each urgency."""
        table = schema.run
        asked = (
            select(
                table.c.urgency,
                table.c.state,
                func.count().label("runs"),
                func.min(table.c.created).label("oldest"),
            )
            .where(table.c.state.in_(_OPEN))
            .group_by(table.c.urgency, table.c.state)
        )
        async with self._database.read() as connection:
            rows = {(row.urgency, row.state): row for row in await connection.execute(asked)}
        queues = {}
        for urgency in Urgency:
            waiting = rows.get((int(urgency), str(RunState.QUEUED)))
            running = rows.get((int(urgency), str(RunState.RUNNING)))
            queues[urgency] = Queued(
                queued=waiting.runs if waiting else 0,
                running=running.runs if running else 0,
                oldest=waiting.oldest if waiting else None,
            )
        return queues

    async def workers(self) -> list[Working]:
        """Return the workers that have a row, by name; `state` is "lost" of one that has not been seen."""
        table = schema.worker
        busy = (
            select(schema.run.c.worker, func.count().label("runs"))
            .where(schema.run.c.state == str(RunState.RUNNING))
            .group_by(schema.run.c.worker)
        )
        async with self._database.read() as connection:
            runs = {row.worker: row.runs for row in await connection.execute(busy)}
            rows = (await connection.execute(select(table).order_by(table.c.name))).all()
        since = self._clock() - STALE_SECONDS * 1000
        return [
            Working(
                name=row.name,
                state="lost" if row.state != "stopped" and row.seen < since else row.state,
                slots=row.slots,
                urgent=row.urgent,
                busy=runs.get(row.name, 0),
                encoder=row.encoder,
                version=row.version,
                started=row.started,
                seen=row.seen,
            )
            for row in rows
        ]

    async def left(self) -> dict[str, int]:
        """Return how many segments of each asset are still to be made, where all of it is to be."""
        asset, generation, segment = schema.asset, schema.generation, schema.segment
        making = (
            select(asset.c.id, generation.c.rungs)
            .join(generation, (generation.c.asset == asset.c.id) & (generation.c.name == asset.c.generation))
            .where(
                asset.c.state == str(State.PLAYABLE),
                asset.c.fill == str(Fill.FULL),
                asset.c.stream.is_(None),
                asset.c.deleted_at.is_(None),
            )
        )
        async with self._database.read() as connection:
            planned = {
                row.id: {rung["name"]: rung["segments"] for rung in row.rungs if not rung.get("copied")}
                for row in await connection.execute(making)
            }
            stored = (
                select(segment.c.asset, segment.c.rendition, func.count().label("stored"))
                .join(asset, (asset.c.id == segment.c.asset) & (asset.c.generation == segment.c.generation))
                .where(segment.c.asset.in_(planned))
                .group_by(segment.c.asset, segment.c.rendition)
            )
            done = {(row.asset, row.rendition): row.stored for row in await connection.execute(stored)}
        return {
            identity: sum(max(0, count - done.get((identity, name), 0)) for name, count in rungs.items())
            for identity, rungs in planned.items()
        }

    async def tallies(self) -> Tallies:
        """Return sums over all Runs."""
        table = schema.run
        beyond = func.sum(table.c.attempts - 1).filter(table.c.attempts > 1)
        async with self._database.read() as connection:
            repeated, lost = (await connection.execute(select(beyond, func.sum(table.c.lost)))).one()
        return Tallies(repeated=int(repeated or 0), lost=int(lost or 0))

    async def dispatched(self, since: int) -> list[tuple[Urgency, int, int]]:
        """Return (urgency, created, started), in milliseconds, of the Runs started after `since`."""
        table = schema.run
        asked: Select[Any] = (
            select(table.c.urgency, table.c.created, table.c.started)
            .where(table.c.started > since, table.c.lost == 0)
            .order_by(table.c.started)
        )
        async with self._database.read() as connection:
            return [
                (Urgency(row.urgency), row.created, row.started) for row in await connection.execute(asked)
            ]


def _ran(row: Any) -> Ran:
    return Ran(
        id=row.id,
        asset=row.asset,
        title=row.title,
        state=RunState(row.state),
        urgency=Urgency(row.urgency),
        rungs=tuple(row.rungs),
        first=row.first,
        last=row.last,
        worker=row.worker,
        attempts=row.attempts,
        lost=row.lost,
        created=row.created,
        started=row.started,
        ended=row.ended,
        failure=row.failure,
        code=(row.error or {}).get("code"),
    )
