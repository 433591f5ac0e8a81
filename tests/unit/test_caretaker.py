"""What a server looks after: nothing is taken up before it is sure to be there itself."""

from __future__ import annotations

import pytest

from streamer.bus import Alone
from streamer.live.caretaker import Caretaker


class Peers:
    def __init__(self):
        self.steady = False

    async def beat(self):
        return self.steady

    async def leave(self):
        pass


class Tenancy:
    async def held(self):
        return {"a": None, "b": "end"}


class Studio:
    def __init__(self):
        self.done = []

    async def take_up(self):
        self.done.append("take up")

    async def follow(self, held):
        self.done.append(held)


@pytest.fixture
def peers():
    return Peers()


@pytest.fixture
def studio():
    return Studio()


@pytest.fixture
def caretaker(peers, studio):
    return Caretaker(peers, Tenancy(), studio, bus=Alone())


async def test_behind_a_database_that_was_away_others_may_say_first_that_they_are_there(
    caretaker, peers, studio
):
    held = {"a": None, "b": "end"}
    await caretaker.beat()
    await caretaker.look()
    assert studio.done == [held]
    peers.steady = True
    await caretaker.beat()
    await caretaker.look()
    assert studio.done == [held, held, "take up"]
