"""Requests held for one and the same answer: all of them are written in one go when it is there."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from cdn.policy import Kind
from streamer.answers import absent, judged, refuse
from streamer.conditions import plain
from streamer.files import Reply
from streamer.hot import Entry
from streamer.passage import narrow
from streamer.problems import Problem

Outcome = Reply | Entry | None
"""A reply that is on its way, an entry to answer by the request's conditions, None where there is nothing."""


Ready = Callable[[], Awaitable[Entry | None]]
"""Waits and returns an entry, None where nothing will come. It may be begun anew."""


class TooLate(Exception):
    """What a request was held for has not come in time."""


class Waiting:
    """All requests that are held, by what they wait for."""

    def __init__(self) -> None:
        self._waiters: dict[str, Waiters] = {}

    async def hold(
        self, request: web.Request, name: str, ready: Ready, *, seconds: float
    ) -> web.StreamResponse:
        """Answer a request when `ready` returns, for all that wait under one name by the same answer."""
        waiters = self._waiters.get(name)
        if waiters is None:
            waiters = self._waiters[name] = Waiters(
                ready, seconds=seconds, done=lambda: self._waiters.pop(name, None)
            )
        try:
            outcome = await waiters.hold(request)
        except TooLate:
            return await late(request)
        if outcome is None:
            return await absent(request)
        return await (outcome.send(request) if isinstance(outcome, Reply) else judged(request, outcome))

    async def close(self) -> None:
        """Let go of everybody."""
        for waiters in list(self._waiters.values()):
            await waiters.close()


async def late(request: web.Request) -> web.StreamResponse:
    """Tell that what ought to be there by now is not: it may still come."""
    problem = Problem("live-late", "Not there yet", 503, headers={"Retry-After": "1"})
    return await refuse(request, problem, Kind.LIVE_ABSENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    request: web.Request
    deadline: float
    outcome: asyncio.Future[Outcome]


class Waiters:
    """Holds requests until `ready` returns their entry, each of them for at most `seconds`.

    `done` is told when nobody waits any
    more, and that whoever comes next needs other Waiters.
    """

    def __init__(self, ready: Ready, *, seconds: float, done: Callable[[], object]) -> None:
        self._ready = ready
        self._seconds = seconds
        self._done = done
        self._held: deque[_Held] = deque()
        self._task: asyncio.Task[None] | None = None

    async def hold(self, request: web.Request) -> Outcome:
        """Wait with the others. Raise TooLate."""
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Outcome] = loop.create_future()
        self._held.append(_Held(request=request, deadline=loop.time() + self._seconds, outcome=outcome))
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="held requests")
        return await outcome

    async def close(self) -> None:
        """Let go of everybody."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        try:
            while self._held:
                try:
                    async with asyncio.timeout_at(self._held[0].deadline):
                        entry = await self._ready()
                except TimeoutError:
                    self._expire()
                else:
                    self._release(entry)
        except Exception as error:  # noqa: BLE001 - it ends with those who asked
            self._refuse(error)
        finally:
            self._done()
            for held in self._held:
                held.outcome.cancel()

    def _release(self, entry: Entry | None) -> None:
        """Write the answers, and only then wake anyone: the last one is not to wait for the others' tasks."""
        written: list[tuple[_Held, Outcome]] = []
        while self._held:
            held = self._held.popleft()
            outcome: Outcome = entry
            if held.outcome.done():
                continue
            asked = held.request
            if entry is not None and asked.method == "GET" and plain(asked.headers) and not narrow(asked):
                outcome = Reply(200, entry.whole, entry=entry, stop=entry.size)
                outcome.write_now(asked)
            written.append((held, outcome))
        for held, outcome in written:
            held.outcome.set_result(outcome)

    def _expire(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._held and self._held[0].deadline <= now:
            held = self._held.popleft()
            if not held.outcome.done():
                held.outcome.set_exception(TooLate())

    def _refuse(self, error: Exception) -> None:
        while self._held:
            held = self._held.popleft()
            if not held.outcome.done():
                held.outcome.set_exception(error)
