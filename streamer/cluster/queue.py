"""The queue between farms and workers: procrastinate, and everything that knows its tables.

A job carries the id of a Run and nothing else, as its argument and as its queueing lock: so a Run waits once
at most, and is found by an index. procrastinate's tables are its own affair; the few statements here that
name them are pinned to `procrastinate~=3.10` and held by tests/contract/test_queue.py.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import procrastinate
from procrastinate import exceptions, jobs
from procrastinate.job_context import AbortReason
from procrastinate.worker import Worker
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo

from packager.engine import Urgency
from streamer.cluster.patient import PatientConnector
from streamer.postgresql import connection_line

SCHEMA = "procrastinate"
"""The PostgreSQL schema of the queue's tables, apart from the catalog's."""

BEAT_SECONDS = 2.0
STALLED_SECONDS = 10.0
"""A worker whose heartbeat is older has lost its Runs."""

_TASK = "run"
_POLL_SECONDS = 1.0
_PRIORITIES = {Urgency.NOW: 100, Urgency.SOON: 50, Urgency.FILL: 0}
_BULK = 50
_KEPT_HOURS = 1
_LOCK = 0x73747265  # any number, the same for all: only one applies the schema

Carry = Callable[[str, Callable[[], bool]], Awaitable[None]]
"""Carries out the Run of an id. Cancelled, it ends the Run before it returns; the callable then says
whether that is because nobody wants the Run any more, not because the worker stops."""


class _Stopping(Exception):
    """The Run was ended because its worker stops; it is to be queued again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stalled:
    """A job that has begun and that nobody works on any more."""

    job: int
    run: str


def queue_of(build: str, urgency: Urgency) -> str:
    """Return the name of the queue of an encoder build's Runs of one urgency.

    Short, because a notification channel is cut at 63 bytes.
    """
    return f"{urgency.name.lower()}-{hashlib.sha256(build.encode()).hexdigest()[:8]}"


class Queue:
    """Jobs in the database at `url`. Use as an async context manager."""

    def __init__(self, url: str) -> None:
        self._url = url
        # The pool's own way to reconnect takes longer each time; here every call tries anew.
        self._connector = PatientConnector(
            conninfo=_conninfo(url), min_size=1, max_size=4, timeout=2, reconnect_timeout=0.5
        )
        self._app = procrastinate.App(connector=self._connector)
        self._carry: Carry | None = None
        self._app.task(name=_TASK, pass_context=True, retry=_AfterStop())(self._work)
        # Lines for each job, and for each attempt to connect: the run rows and the bus say it better.
        for name in ("procrastinate", "psycopg.pool"):
            logging.getLogger(name).setLevel(logging.ERROR)

    async def __aenter__(self) -> Self:
        await apply_schema(self._url)
        await self._app.open_async()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._app.close_async()

    async def defer(self, runs: Sequence[tuple[str, str, Urgency]]) -> None:
        """Queue Runs, each (id, encoder build, urgency); one that waits already is left as it is."""
        for start in range(0, len(runs), 1000):
            await self._defer(runs[start : start + 1000])
        if len(runs) >= _BULK:
            await self.analyze()

    async def _defer(self, runs: Sequence[tuple[str, str, Urgency]]) -> None:
        made = [
            jobs.Job(
                id=None,
                queue=queue_of(build, urgency),
                lock=None,
                queueing_lock=run,
                task_name=_TASK,
                priority=_PRIORITIES[urgency],
                task_kwargs={"run": run},
            )
            for run, build, urgency in runs
        ]
        try:
            await self._app.job_manager.batch_defer_jobs_async(made)
        except exceptions.AlreadyEnqueued:
            if len(runs) > 1:  # one of them waits already, and took the others along
                for run in runs:
                    await self._defer([run])

    async def promote(self, run: str, build: str, urgency: Urgency) -> bool:
        """Make a waiting job more urgent, and wake whoever it is for; False where it waits no more."""
        # There is no public call for it. Reserved slots do not look at every queue, so that changes too.
        moved = await self._connector.execute_query_all_async(
            "WITH moved AS (UPDATE procrastinate_jobs SET priority = %(priority)s, queue_name = %(queue)s"
            " WHERE queueing_lock = %(run)s AND status = 'todo' AND priority < %(priority)s RETURNING id)"
            " SELECT id, pg_notify('procrastinate_queue_v1#' || %(queue)s,"
            " json_build_object('type', 'job_inserted', 'job_id', id)::text) FROM moved",
            run=run,
            priority=_PRIORITIES[urgency],
            queue=queue_of(build, urgency),
        )
        return bool(moved)

    async def abort(self, run: str) -> None:
        """Take a Run's job back: one that waits is gone, one that runs is cancelled where it runs."""
        for job, _ in await self._open([run]):
            await self._app.job_manager.cancel_job_by_id_async(job, abort=True)

    async def live(self, runs: Iterable[str]) -> set[str]:
        """Return those of the Runs whose job waits or runs."""
        return {run for _, run in await self._open(list(runs))}

    async def _open(self, runs: Sequence[str]) -> list[tuple[int, str]]:
        found = await self._connector.execute_query_all_async(
            "SELECT id, queueing_lock FROM procrastinate_jobs"
            " WHERE queueing_lock = ANY(%(runs)s) AND status = 'todo'"
            " UNION ALL SELECT id, queueing_lock FROM procrastinate_jobs"
            " WHERE queueing_lock = ANY(%(runs)s) AND status = 'doing'",
            runs=list(runs),
        )
        return [(row["id"], row["queueing_lock"]) for row in found]

    async def stalled(self) -> list[Stalled]:
        """Return the jobs whose worker has not been heard of for too long."""
        found = await self._app.job_manager.get_stalled_jobs(
            task_name=_TASK, seconds_since_heartbeat=STALLED_SECONDS
        )
        return [Stalled(job=job.id or 0, run=str(job.task_kwargs["run"])) for job in found]

    async def begun(self, *, before_seconds: float) -> list[Stalled]:
        """Return the jobs that were taken so long ago, of workers that live."""
        # A worker that lost the database while it took a job does not know that it has it.
        found = await self._connector.execute_query_all_async(
            "SELECT job.id, job.queueing_lock FROM procrastinate_jobs job"
            " JOIN procrastinate_events event ON event.job_id = job.id AND event.type = 'started'"
            " WHERE job.status = 'doing' AND job.worker_id IS NOT NULL GROUP BY job.id"
            " HAVING max(event.at) < now() - make_interval(secs => %(seconds)s)",
            seconds=before_seconds,
        )
        return [Stalled(job=row["id"], run=row["queueing_lock"]) for row in found]

    async def again(self, stalled: Stalled) -> None:
        """Let somebody else have a job that has stalled; nothing where it has ended meanwhile."""
        await self._settle("SELECT procrastinate_retry_job_v2(%(job)s, NULL, NULL, NULL, NULL)", stalled.job)

    async def give_up(self, stalled: Stalled) -> None:
        """Mark a job that has stalled as failed; nothing where it has ended meanwhile."""
        await self._settle("SELECT procrastinate_finish_job_v1(%(job)s, 'failed', false)", stalled.job)

    async def _settle(self, statement: Any, job: int) -> None:
        try:
            await self._connector.execute_query_all_async(statement, job=job)
        except exceptions.ConnectorException as error:
            if isinstance(error, exceptions.UniqueViolation):  # it waits already: this one is superfluous
                await self._settle("SELECT procrastinate_finish_job_v1(%(job)s, 'failed', false)", job)

    async def tidy(self) -> None:
        """Delete jobs that ended an hour ago, and let the planner know how many wait."""
        await self._app.job_manager.delete_old_jobs(
            nb_hours=_KEPT_HOURS, include_failed=True, include_cancelled=True, include_aborted=True
        )
        await self._app.job_manager.prune_stalled_workers(60 * STALLED_SECONDS)
        await self.analyze()

    async def analyze(self) -> None:
        """Bring the planner's figures up to date: with stale ones a fetch takes seconds, not milliseconds."""
        await self._connector.execute_query_async("ANALYZE procrastinate_jobs")

    async def work(
        self, carry: Carry, *, names: Sequence[str], slots: int, name: str, drain_seconds: float
    ) -> None:
        """Take jobs of these queues, `slots` at a time, until cancelled; then finish what runs.

        What runs longer than `drain_seconds` after that is cancelled and queued again.
        """
        self._carry = carry
        worker = Worker(
            self._app,
            queues=list(names),
            name=name,
            concurrency=slots,
            fetch_job_polling_interval=_POLL_SECONDS,
            abort_job_polling_interval=_POLL_SECONDS,
            shutdown_graceful_timeout=drain_seconds,
            install_signal_handlers=False,
            update_heartbeat_interval=60 * BEAT_SECONDS,
            stalled_worker_timeout=60 * STALLED_SECONDS,
        )
        beating = asyncio.create_task(self._beat(worker), name="queue heartbeat")
        try:
            await worker.run()  # type: ignore[no-untyped-call]
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    async def _beat(self, worker: Worker) -> None:
        """Beat for a worker: its own heartbeat would end when it is told to stop, before its jobs do."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            if worker.worker_id is not None:
                await self._app.job_manager.update_heartbeat(worker.worker_id)

    async def _work(self, context: procrastinate.JobContext, run: str) -> None:
        if self._carry is None:
            raise RuntimeError("jobs are taken by `work`")

        def withdrawn() -> bool:
            return context.abort_reason() is not AbortReason.SHUTDOWN

        try:
            await self._carry(run, withdrawn)
        except asyncio.CancelledError:
            raise (exceptions.JobAborted if withdrawn() else _Stopping) from None


class _AfterStop(procrastinate.BaseRetryStrategy):
    """Queue a job again whose worker stops; whatever else happens to a Run stands in its row."""

    def get_retry_decision(
        self,
        *,
        exception: BaseException,
        job: jobs.Job,  # noqa: ARG002 - the signature is procrastinate's
    ) -> procrastinate.RetryDecision | None:
        return procrastinate.RetryDecision() if isinstance(exception, _Stopping) else None


async def apply_schema(url: str) -> None:
    """Create the queue's schema and tables where they are missing; safe while others do the same."""
    async with await AsyncConnection.connect(_conninfo(url), autocommit=True) as connection:
        await connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        found = await connection.execute("SELECT to_regclass('procrastinate_jobs')")
        if (await found.fetchone() or (None,))[0] is None:
            async with connection.transaction():
                await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
                await connection.execute(procrastinate.schema.SchemaManager.get_schema())
        await connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))


def _conninfo(url: str) -> str:
    return make_conninfo(
        connection_line(url), options=f"-c search_path={SCHEMA}", application_name="streamer queue"
    )
