"""Several pieces of work at one time, of which none outlives the others' failure."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any


async def jointly(works: Iterable[Coroutine[Any, Any, None]], *, name: str | None = None) -> None:
    """Wait for all of them; the first error ends the others and is raised. `name` is that of their tasks."""
    tasks = [asyncio.create_task(work, name=name) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
