"""How servers wish for broadcasts of others, and how long they wait."""

from __future__ import annotations

import asyncio

import pytest

from streamer.bus import Alone
from streamer.live import succession
from streamer.live.succession import END, Heir, Succession, heir_of, wish_of
from streamer.live.tenancy import Tenure


class Publisher:
    priority = 3


class Row:
    """A tenancy of server b, whose row a test writes. `turns` are called as often as it is looked at."""

    node = "b"

    def __init__(self, tenure, *turns):
        self.tenure = tenure
        self.wishes = []
        self._turns = list(turns)

    async def take(self, asset):
        return self.tenure is not None and self.tenure.node in {None, "b"}

    async def of(self, asset):
        found = self.tenure
        if self._turns:
            self.tenure = self._turns.pop(0)
        return found

    async def ask(self, asset, wish):
        self.wishes.append(wish)

    async def give(self, asset, *, heir):
        self.tenure = Tenure(node=heir, term=1, alive=True, asked=None)


def had(node, term=1, *, alive=True, asked=None):
    return Tenure(node=node, term=term, alive=alive, asked=asked)


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    monkeypatch.setattr(succession, "_LOOK_SECONDS", 0)
    monkeypatch.setattr(succession, "_PATIENCE_SECONDS", 0.2)


def test_a_wish_names_the_heir_and_its_publishers_priority():
    heir = Heir(node="b.example.org", priority=7)
    assert heir_of(wish_of(heir)) == heir
    assert len(wish_of(Heir(node="n" * 48, priority=9))) <= 64
    assert [heir_of(one) for one in (END, "leave", "leave:x:b", "leave:1:", "refill")] == [None] * 5


async def test_whoever_has_it_is_asked_once_and_waited_for():
    row = Row(had("a"), had("a", asked="leave:3:b"), had("a", asked="leave:3:b"), had("b"))
    assert await Succession(row, Alone()).claim("asset", Publisher())
    assert row.wishes == ["leave:3:b"]


async def test_another_one_that_is_faster_is_asked_too():
    row = Row(had("a", alive=False), had("c", term=2), had("c", term=2, asked="leave:3:b"), had("b", term=2))
    assert await Succession(row, Alone()).claim("asset", Publisher())
    assert row.wishes == ["leave:3:b"] * 2


async def test_a_wish_that_is_taken_off_is_refused():
    row = Row(had("a"), had("a", asked="leave:3:b"), had("a"))
    assert not await Succession(row, Alone()).claim("asset", Publisher())


async def test_nobody_waits_for_ever_for_a_server_that_does_nothing():
    row = Row(had("a", asked="leave:3:b"))
    async with asyncio.timeout(5):
        assert not await Succession(row, Alone()).claim("asset", Publisher())


async def test_what_has_ended_meanwhile_is_free_to_begin_anew():
    row = Row(had("a"), None)
    assert await Succession(row, Alone()).claim("asset", Publisher())


async def test_another_server_ends_what_it_has():
    row = Row(had("a"), had("a", asked=END), None)
    assert await Succession(row, Alone()).end("asset")
    assert row.wishes == [END]
    for nobody in (None, had("b"), had("a", alive=False)):
        assert not await Succession(Row(nobody), Alone()).end("asset")
