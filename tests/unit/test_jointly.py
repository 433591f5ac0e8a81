"""The first error ends the others and is raised."""

from __future__ import annotations

import asyncio

import pytest

from packager.jointly import jointly


async def test_the_first_error_ends_the_others_and_is_raised():
    ended: list[str] = []

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("waits")

    async def fails() -> None:
        await asyncio.sleep(0)
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        await jointly([waits(), fails()])
    assert ended == ["waits"]


async def test_all_are_waited_for():
    done: list[int] = []

    async def one(number: int) -> None:
        await asyncio.sleep(0)
        done.append(number)

    await jointly(one(number) for number in range(3))
    assert sorted(done) == [0, 1, 2]
