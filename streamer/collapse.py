"""Asks once for all who ask at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Collapsed(Generic[T]):
    """Asks for the value of a name, for everybody who waits for it.

    Whoever asks gets a value that was asked for afterwards: what was under way by then is for those before.
    """

    def __init__(self, ask: Callable[[str], Awaitable[T]]) -> None:
        """Take what finds a value out."""
        self._ask = ask
        self._turns: dict[str, _Turn[T]] = {}

    async def __call__(self, name: str) -> T:
        """Return the value of a name, and raise what asking for it raises."""
        turn = self._turns.setdefault(name, _Turn())
        turn.waiting += 1
        begun = turn.begun
        try:
            async with turn.lock:
                if turn.outcome is None or turn.begun == begun:
                    turn.outcome = await self._answered(turn, name)
                return turn.outcome.result()
        finally:
            turn.waiting -= 1
            if not turn.waiting:
                del self._turns[name]

    async def _answered(self, turn: _Turn[T], name: str) -> asyncio.Future[T]:
        turn.begun += 1
        turn.outcome = None  # where this is cancelled, the next one who waits asks
        outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        try:
            outcome.set_result(await self._ask(name))
        except Exception as error:  # noqa: BLE001 - it is raised for everybody who waits
            outcome.set_exception(error)
        return outcome


class _Turn(Generic[T]):
    """Those who wait for one name; the next of them asks when it has the lock."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.waiting = 0
        self.begun = 0
        self.outcome: asyncio.Future[T] | None = None
