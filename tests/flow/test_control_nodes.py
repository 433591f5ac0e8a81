"""A client that changes servers and transports while both servers publish: everything once, in order."""

from __future__ import annotations

import asyncio
import random

import aiohttp
import pytest

from tests.flow.listening import poll, streaming
from tests.flow.whole_site import running

CHANNEL = "assets"
TOTAL = 120


class Follower:
    """Follows one channel, now this way and now that, and keeps what it sees."""

    def __init__(self, dice, epoch, offset):
        self.dice = dice
        self.epoch = epoch
        self.offset = offset
        self.seen = []

    @property
    def cursor(self):
        return f"{CHANNEL}~{self.epoch}~{self.offset}"

    def take(self, message):
        """Keep a numbered event; it has to be the next one."""
        if message.get("type") == "subscribed":
            assert message["recovered"]
        elif "offset" in message:
            assert (message["epoch"], message["offset"]) == (self.epoch, self.offset + 1)
            self.offset = message["offset"]
            if message["type"] == "custom.count":
                self.seen.append(message["data"])

    async def socket(self, session):
        async with session.ws_connect("/control") as socket:
            resume = {"epoch": self.epoch, "offset": self.offset}
            await socket.send_json({"type": "subscribe", "channel": CHANNEL, **resume})
            for _ in range(self.dice.randint(1, 12)):
                self.take(await socket.receive_json())
                if len(self.seen) == TOTAL:
                    return

    async def stream(self, session):
        async with streaming(session, CHANNEL, last=self.cursor) as stream:
            for _ in range(self.dice.randint(1, 12)):
                self.take(await stream.next())
                if len(self.seen) == TOTAL:
                    return

    async def poll(self, session):
        for message in (await poll(session, CHANNEL, cursor=self.cursor))["messages"]:
            self.take(message)

    async def follow(self, sessions):
        """Change server and transport until all is seen."""
        while len(self.seen) < TOTAL:
            way = self.dice.choice((self.socket, self.stream, self.poll))
            await way(self.dice.choice(sessions))


async def _publish(sessions, dice):
    for number in range(TOTAL):
        event = {"type": "custom.count", "data": number}
        async with dice.choice(sessions).post(f"/api/v1/channels/{CHANNEL}/events", json=event) as response:
            assert response.status == 201
        await asyncio.sleep(dice.random() / 100)


async def test_changing_servers_and_transports_loses_and_repeats_nothing(data_dir, database_url):
    dice = random.Random(11)
    async with (
        running(data_dir, database=database_url, node="a") as a,
        running(data_dir, database=database_url, node="b") as b,
        aiohttp.ClientSession(a.base) as one,
        aiohttp.ClientSession(b.base) as two,
    ):
        sessions = (one, two)
        (place,) = (await poll(one, CHANNEL))["messages"]
        followers = [Follower(random.Random(seed), place["epoch"], place["offset"]) for seed in range(4)]
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            group.create_task(_publish(sessions, dice))
            for follower in followers:
                group.create_task(follower.follow(sessions))
    assert [follower.seen for follower in followers] == [list(range(TOTAL))] * 4


@pytest.mark.soak
async def test_viewers_are_counted_over_all_servers(data_dir, database_url):
    async with (
        running(data_dir, database=database_url, node="a") as a,
        running(data_dir, database=database_url, node="b") as b,
        aiohttp.ClientSession(a.base) as one,
        aiohttp.ClientSession(b.base) as two,
    ):
        made = await a.json("POST", "/api/v1/live", status=201, json={"title": "Evening"})
        channel = f"stream:{made['id']}"
        for number, session in enumerate((one, two, two)):
            told = {"channel": channel, "client": f"client-{number}"}
            async with session.post("/control/presence", json=told) as response:
                assert response.status == 204
        for session in (one, two):
            async with asyncio.timeout(20), session.ws_connect("/control") as socket:
                await socket.send_json({"type": "subscribe", "channel": channel})
                while (await socket.receive_json()).get("data") != {"count": 3}:
                    pass
