"""Calls of blocking work from the event loop, which are never left running behind the back of who cancels."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

_T = TypeVar("_T")


async def blocking(executor: Executor | None, work: Callable[..., _T], *args: object) -> _T:
    """Return what the work returns in a thread of the executor; None is the loop's own.

    A thread cannot be stopped: whoever is cancelled here goes on only when the work has ended, so that
    nothing is written after its owner has been told that all of it has stopped.
    """
    working = asyncio.get_running_loop().run_in_executor(executor, work, *args)
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait({working})
        if not working.cancelled():
            working.exception()  # seen: it is of no use to who has gone
        raise
