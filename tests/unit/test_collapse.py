"""One question for all who ask at the same time, asked after they did."""

from __future__ import annotations

import asyncio

import pytest

from streamer.collapse import Collapsed


class Asked:
    """Answers when it is told to, with the count of the question."""

    def __init__(self):
        self.count = 0
        self.begun = asyncio.Event()
        self.go = asyncio.Event()

    async def __call__(self, name):
        self.count += 1
        answer = f"{name}{self.count}"
        self.begun.set()
        await self.go.wait()
        if name == "bad":
            raise ValueError(answer)
        return answer


@pytest.fixture
def asked():
    return Asked()


async def test_who_asks_later_gets_a_later_answer_and_shares_it(asked):
    ask = Collapsed(asked)
    first = asyncio.create_task(ask("a"))
    await asked.begun.wait()
    later = [asyncio.create_task(ask("a")) for _ in range(20)]
    await asyncio.sleep(0)
    asked.go.set()
    assert await first == "a1"
    assert set(await asyncio.gather(*later)) == {"a2"}
    assert await ask("a") == "a3"


async def test_names_do_not_wait_for_each_other(asked):
    ask = Collapsed(asked)
    both = [asyncio.create_task(ask(name)) for name in "ab"]
    async with asyncio.timeout(10):
        while asked.count < 2:
            await asyncio.sleep(0)
    asked.go.set()
    assert await asyncio.gather(*both) == ["a1", "b2"]


async def test_an_error_is_everybodys(asked):
    ask = Collapsed(asked)
    all_of_them = [asyncio.create_task(ask("bad")) for _ in range(5)]
    await asked.begun.wait()
    await asyncio.sleep(0)
    asked.go.set()
    told = await asyncio.gather(*all_of_them, return_exceptions=True)
    assert [str(error) for error in told] == ["bad1", *["bad2"] * 4]


async def test_where_the_one_who_asks_leaves_the_next_one_does(asked):
    ask = Collapsed(asked)
    first = asyncio.create_task(ask("a"))
    others = [asyncio.create_task(ask("a")) for _ in range(3)]
    await asked.begun.wait()
    late = asyncio.create_task(ask("a"))
    await asyncio.sleep(0)
    first.cancel()
    asked.go.set()
    assert set(await asyncio.gather(*others, late)) == {"a2"}
