"""The run rows as farms, workers and the reconciler change them: each step one transaction, and told of.

queued → running → done or failed. A worker that stops puts its Runs back; one that is lost has them taken
away, which is counted apart from the failures of an encode.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Update, select, update

from packager.engine import Urgency
from packager.errors import ChildFailed, PackagingError
from packager.farm import Job
from packager.run import Run, from_json, to_json
from streamer import schema
from streamer.channel import Channels, of_asset
from streamer.database import Database, Transaction
from streamer.ledger import OPEN, SqlLedger
from streamer.rows import Clock, NewRun, RunState, wall_clock
from streamer.vocabulary.assets import RunEnded, RunStarted
from streamer.vocabulary.kind import Kind

LOSSES = 4
"""A Run that its worker was lost with so often may be what ends workers: it is given up."""

WITHDRAWN = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A Run to execute, with what names its bytes: `upload` is the source's, None where it is gone."""

    run: Run
    asset: str
    urgency: Urgency
    state: RunState
    upload: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """How far a Run is; `error` is what it ended with."""

    id: str
    state: RunState
    worker: str | None
    error: PackagingError | None

    @property
    def open(self) -> bool:
        """Say whether it has not ended."""
        return self.state in {RunState.QUEUED, RunState.RUNNING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """A Run that has not ended."""

    id: str
    urgency: Urgency
    state: RunState
    rungs: tuple[str, ...]
    first: int
    last: int


_TOLD = tuple(schema.run.c[name] for name in ("id", "asset", "rungs", "first", "last", "state", "failure"))


class Runs:
    """The run rows of a database."""

    def __init__(
        self, database: Database, ledger: SqlLedger, channels: Channels, *, clock: Clock = wall_clock
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._channels = channels
        self._clock = clock

    async def add(self, job: Job) -> None:
        """Queue a Run. Raise NoSuchAsset without its generation."""
        run = job.run
        new = NewRun(
            id=run.id,
            asset=job.asset,
            generation=run.generation,
            first=run.first,
            last=run.last,
            rungs=run.names,
            urgency=job.urgency,
            body=json.loads(to_json(run)),
        )
        await self._ledger.add_runs([new])

    async def order(self, run: str) -> Order | None:
        """Return what is to be executed, None where there is no such Run any more."""
        asked = (
            select(schema.run, schema.asset.c.upload_id)
            .join(schema.asset, schema.asset.c.id == schema.run.c.asset)
            .where(schema.run.c.id == run)
        )
        async with self._database.read() as connection:
            row = (await connection.execute(asked)).one_or_none()
        if row is None:
            return None
        return Order(
            run=from_json(json.dumps(row.body)),
            asset=row.asset,
            urgency=Urgency(row.urgency),
            state=RunState(row.state),
            upload=row.upload_id,
        )

    async def begin(self, run: str, *, worker: str) -> bool:
        """Take a Run for a worker; False where it has ended. One that another worker had is taken over."""
        table = schema.run
        taken = {
            "state": str(RunState.RUNNING),
            "worker": worker,
            "started": self._clock(),
            "ended": None,
            "attempts": table.c.attempts + 1,
        }
        changed = await self._change(
            update(table).where(table.c.id == run, table.c.state.in_(OPEN)).values(taken), _started
        )
        return bool(changed)

    async def done(self, run: str) -> bool:
        """Mark a Run as done, whoever made its segments; False where it has ended already."""
        return await self._end(run, RunState.DONE)

    async def failed(self, run: str, error: PackagingError, *, worker: str | None = None) -> bool:
        """Mark a Run as failed, for `worker` only while it has it; False where that is not so."""
        noted = {"code": error.code, "evidence": error.evidence, "status": getattr(error, "status", None)}
        return await self._end(run, RunState.FAILED, failure=error.message, error=noted, worker=worker)

    async def withdrawn(self, run: str, *, queued_only: bool = False) -> bool:
        """Mark a Run as taken back; False where it has ended already, or has begun and that was excluded."""
        states = (str(RunState.QUEUED),) if queued_only else OPEN
        return await self._end(run, RunState.FAILED, failure=WITHDRAWN, states=states)

    async def put_back(self, run: str, *, worker: str) -> bool:
        """Queue a Run again that its worker has no time for; False where another has it by now."""
        table = schema.run
        mine = (table.c.id == run, table.c.worker == worker, table.c.state == str(RunState.RUNNING))
        again = {"state": str(RunState.QUEUED), "worker": None, "started": None}
        return bool(await self._change(update(table).where(*mine).values(again), None))

    async def lost(self, run: str) -> bool:
        """Queue a Run again whose worker was lost; False where it has ended, or was lost too often."""
        table = schema.run
        open_ = (table.c.id == run, table.c.state.in_(OPEN))
        again = {
            "state": str(RunState.QUEUED),
            "worker": None,
            "started": None,
            "failure": "its worker was lost",
            "lost": table.c.lost + 1,
        }
        changed = await self._change(
            update(table).where(*open_, table.c.lost + 1 < LOSSES).values(again), None
        )
        if not changed:
            why = PackagingError(f"its worker was lost {LOSSES} times while it was made")
            await self.failed(run, why)
        return bool(changed)

    async def raised(self, run: str, urgency: Urgency) -> bool:
        """Make a Run that has not ended more urgent; False where nothing changed."""
        table = schema.run
        chosen = (table.c.id == run, table.c.state.in_(OPEN), table.c.urgency > urgency)
        return bool(await self._change(update(table).where(*chosen).values(urgency=int(urgency)), None))

    async def look(self, runs: Collection[str]) -> tuple[dict[str, Seen], list[tuple[str, str, int, int]]]:
        """Return how far Runs are, and what is stored of them: (run, rendition, number, bytes)."""
        table, stored = schema.run, schema.segment
        states = select(table.c.id, table.c.state, table.c.worker, table.c.failure, table.c.error).where(
            table.c.id.in_(runs)
        )
        begun = (
            select(table.c.id, table.c.rungs, stored.c.rendition, stored.c.number, stored.c.size)
            .join(
                stored,
                (stored.c.asset == table.c.asset)
                & (stored.c.generation == table.c.generation)
                & stored.c.number.between(table.c.first, table.c.last),
            )
            .where(table.c.id.in_(runs), table.c.state != str(RunState.QUEUED))
            .order_by(stored.c.number)
        )
        async with self._database.read() as connection:
            # States first: the segments of a Run that has ended are then all there.
            seen = {row.id: _seen(row) for row in await connection.execute(states)}
            segments = [
                (row.id, row.rendition, row.number, row.size)
                for row in await connection.execute(begun)
                if row.rendition in row.rungs
            ]
        return seen, segments

    async def open(self, *, asset: str | None = None, generation: str | None = None) -> list[Open]:
        """Return the Runs that have not ended, most urgent first: all, or those of a generation."""
        table = schema.run
        asked = (
            select(table.c.id, table.c.urgency, table.c.state, table.c.rungs, table.c.first, table.c.last)
            .where(table.c.state.in_(OPEN))
            .order_by(table.c.urgency, table.c.created)
        )
        if asset is not None:
            asked = asked.where(table.c.asset == asset, table.c.generation == generation)
        async with self._database.read() as connection:
            return [
                Open(
                    id=row.id,
                    urgency=Urgency(row.urgency),
                    state=RunState(row.state),
                    rungs=tuple(row.rungs),
                    first=row.first,
                    last=row.last,
                )
                for row in await connection.execute(asked)
            ]

    async def builds(self, runs: Collection[str]) -> dict[str, str]:
        """Return the encoder builds that Runs are for; those that were never meant for workers have none."""
        table = schema.run
        build = table.c.body["encoder"].as_string()  # the whole body is read: not for many at a time
        async with self._database.read() as connection:
            found = await connection.execute(select(table.c.id, build).where(table.c.id.in_(runs)))
            return {run: name for run, name in found if name is not None}

    async def _end(
        self,
        run: str,
        state: RunState,
        *,
        failure: str | None = None,
        error: dict[str, Any] | None = None,
        worker: str | None = None,
        states: Sequence[str] = OPEN,
    ) -> bool:
        table = schema.run
        chosen = [table.c.id == run, table.c.state.in_(states)]
        if worker is not None:
            chosen.append(table.c.worker == worker)
        ended = {"state": str(state), "failure": failure, "error": error, "ended": self._clock()}
        return bool(await self._change(update(table).where(*chosen).values(ended), _ended))

    async def _change(self, statement: Update, told: Callable[[Row[Any]], Kind] | None) -> list[Row[Any]]:
        """Run an update of one Run, tell of it, and return the row where there was one to change."""

        async def work(transaction: Transaction) -> list[Row[Any]]:
            changed = list(await transaction.execute(statement.returning(*_TOLD)))
            for row in changed:
                if told is not None:
                    event = told(row)
                    await self._channels.stage(transaction, of_asset(row.asset), event.type, event.json())
            return changed

        return await self._database.write(work)


def _started(row: Row[Any]) -> RunStarted:
    return RunStarted(run=row.id, rungs=tuple(row.rungs), first=row.first, last=row.last)


def _ended(row: Row[Any]) -> RunEnded:
    return RunEnded(run=row.id, state=row.state, failure=row.failure or "")


def _seen(row: Any) -> Seen:
    failed = row.state == str(RunState.FAILED)
    error = _error(row.failure or "", row.error or {}) if failed else None
    return Seen(id=row.id, state=RunState(row.state), worker=row.worker, error=error)


def _error(message: str, noted: dict[str, Any]) -> PackagingError:
    """Return the error that a worker noted, of its own class."""
    kind = _kinds(PackagingError).get(noted.get("code", ""), PackagingError)
    if issubclass(kind, ChildFailed):
        return kind(message, evidence=noted["evidence"], status=noted["status"])
    return kind(message, evidence=noted.get("evidence", ""))


def _kinds(kind: type[PackagingError]) -> dict[str, type[PackagingError]]:
    found = {kind.code: kind}
    for derived in kind.__subclasses__():
        found |= _kinds(derived)
    return found
