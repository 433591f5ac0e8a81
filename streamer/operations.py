"""The operator's view over HTTP: Runs, queues and workers, as JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from packager.engine import Urgency
from packager.foreman import Standing
from streamer.errors import InvalidRequest
from streamer.oversight import Oversight, Queued, Ran, Working
from streamer.rows import Clock, RunState, rfc3339, wall_clock
from streamer.session import answer

RUNS_MAX = 500
_RUNS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """This process's own slots, shown as a worker of this name; `urgent` are those for waiting viewers."""

    name: str
    slots: int
    urgent: int
    encoder: str
    version: str
    started: int


class Operations:
    """Handlers of /api/v1/runs, /api/v1/queue and /api/v1/workers."""

    def __init__(
        self,
        oversight: Oversight,
        *,
        standing: Callable[[], Sequence[Standing]],
        own: Own | None,
        clock: Clock = wall_clock,
    ) -> None:
        """Take the rows, how this process's packagings stand, and its own slots, None where it has none."""
        self._oversight = oversight
        self._standing = standing
        self._own = own
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/api/v1/runs", self.runs, name="runs", allow_head=False),
            web.get("/api/v1/queue", self.queue, name="queue", allow_head=False),
            web.get("/api/v1/workers", self.workers, name="workers", allow_head=False),
        ]

    async def runs(self, request: web.Request) -> web.Response:
        """Answer with Runs: the open ones first, then the last to end."""
        query = request.query
        found = await self._oversight.runs(
            states=[_state(text) for text in query.getall("state", [])],
            asset=query.get("asset"),
            limit=_limit(query.get("limit")),
        )
        return answer({"now": rfc3339(self._clock()), "items": [_run(run) for run in found]})

    async def queue(self, _request: web.Request) -> web.Response:
        """Answer with what waits and runs of each urgency, and how much of each asset is left to make."""
        queues = await self._oversight.queues()
        left = await self._oversight.left()
        standing = self._standing()
        waiting = [urgency for one in standing for urgency in one.queued]
        assets = {one.asset: one for one in standing}
        return answer(
            {
                "urgencies": [
                    self._urgency(urgency, queues[urgency], waiting.count(urgency)) for urgency in Urgency
                ],
                "segments_left": sum(left.values()),
                "assets": [
                    _asset(identity, left.get(identity, 0), assets.get(identity))
                    for identity in dict.fromkeys([*assets, *left])
                ],
            }
        )

    async def workers(self, _request: web.Request) -> web.Response:
        """Answer with the workers, this process's own slots among them."""
        shown = await self._oversight.workers()
        if self._own is not None:
            running = [running for one in self._standing() for running in one.running if running.begun]
            shown.insert(0, self._local(self._own, len(running)))
        return answer({"now": rfc3339(self._clock()), "items": [_worker(worker) for worker in shown]})

    def _local(self, own: Own, busy: int) -> Working:
        return Working(
            name=own.name,
            state="working",
            slots=own.slots,
            urgent=own.urgent,
            busy=busy,
            encoder=own.encoder,
            version=own.version,
            started=own.started,
            seen=self._clock(),
        )

    def _urgency(self, urgency: Urgency, queued: Queued, assets: int) -> dict[str, Any]:
        oldest = None if queued.oldest is None else max(0, self._clock() - queued.oldest) / 1000
        return {
            "urgency": urgency.name.lower(),
            "queued": queued.queued,
            "running": queued.running,
            "oldest_seconds": oldest,
            "assets_waiting": assets,
        }


def _asset(identity: str, left: int, standing: Standing | None) -> dict[str, Any]:
    running = [] if standing is None else [one for one in standing.running if one.begun]
    return {
        "asset": identity,
        "segments_left": left,
        "viewers_waiting": 0 if standing is None else standing.waiting,
        "running": len(running),
    }


def _run(run: Ran) -> dict[str, Any]:
    return {
        "id": run.id,
        "asset": run.asset,
        "title": run.title,
        "state": str(run.state),
        "urgency": run.urgency.name.lower(),
        "rungs": list(run.rungs),
        "first": run.first,
        "last": run.last,
        "worker": run.worker,
        "attempts": run.attempts,
        "lost": run.lost,
        "created": rfc3339(run.created),
        "started": _time(run.started),
        "ended": _time(run.ended),
        "failure": run.failure,
        "code": run.code,
    }


def _worker(worker: Working) -> dict[str, Any]:
    return {
        "name": worker.name,
        "state": worker.state,
        "slots": worker.slots,
        "urgent": worker.urgent,
        "busy": worker.busy,
        "encoder": worker.encoder,
        "version": worker.version,
        "started": rfc3339(worker.started),
        "seen": rfc3339(worker.seen),
    }


def _time(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else rfc3339(milliseconds)


def _state(text: str) -> RunState:
    try:
        return RunState(text)
    except ValueError:
        raise InvalidRequest(f"`state` is one of {', '.join(RunState)}.") from None


def _limit(text: str | None) -> int:
    if text is None:
        return _RUNS
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= RUNS_MAX):
        raise InvalidRequest(f"`limit` is a number from 1 to {RUNS_MAX}.")
    return int(text)
