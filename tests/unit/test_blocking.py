"""Blocking work in threads: who cancels it goes on only when it has ended."""

from __future__ import annotations

import asyncio
import threading

import pytest

from packager.blocking import blocking


async def test_the_result_and_the_error_come_through():
    assert await blocking(None, divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await blocking(None, divmod, 7, 0)


@pytest.mark.parametrize("fails", [False, True])
async def test_cancelling_waits_for_the_end(fails):
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        assert go_on.wait(10)
        ended.set()
        if fails:
            raise OSError("the disk")

    task = asyncio.create_task(blocking(None, work))
    assert await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
