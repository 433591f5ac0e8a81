"""The control channel of a server that is killed: what was answered is delivered by its next life."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.flow.listening import poll, streaming

HERE = Path(__file__).resolve().parents[2]
SERVE = [sys.executable, "-m", "streamer", "serve", "--port", "0", "--data"]
ENV = {"STREAMER_LIVE_RTMP_PORT": "off", "STREAMER_DISK_RESERVE_BYTES": "0"}
CHANNEL = "assets"


@pytest.fixture
async def start(spawn):
    """Return what starts a server on a directory; its process comes with a client's session."""
    async with contextlib.AsyncExitStack() as stack:

        async def begin(data):
            child = await spawn(*SERVE, data, env=ENV, cwd=HERE)
            line = await child.says("http://", seconds=120)
            base = line[line.index("http://") :].strip()
            return child, await stack.enter_async_context(aiohttp.ClientSession(base))

        yield begin


async def _publish(session, number):
    """Publish an event under a key of its own; return the answer."""
    event, key = {"type": "custom.count", "data": number}, {"Idempotency-Key": f"count-{number}"}
    async with session.post(f"/api/v1/channels/{CHANNEL}/events", json=event, headers=key) as response:
        assert response.status == 201
        return await response.json()


async def _count(session, numbers, sent, answered):
    """Publish one event after the other, until the server is gone."""
    with contextlib.suppress(aiohttp.ClientError):
        for number in numbers:
            sent.append(number)
            answered.append(await _publish(session, number))


async def test_what_was_answered_before_a_crash_is_delivered_after_it(start, data_dir):
    child, session = await start(data_dir)
    first = await poll(session, CHANNEL)
    sent: list[int] = []
    answered: list[dict] = []
    publishing = [asyncio.create_task(_count(session, range(n, 10_000, 4), sent, answered)) for n in range(4)]
    while len(answered) < 40:
        await asyncio.sleep(0)
    os.kill(child.pid, signal.SIGKILL)
    await child.process.wait()
    await asyncio.gather(*publishing)

    _, again = await start(data_dir)
    repeated = [await _publish(again, number) for number in sent]  # whoever got no answer asks again
    assert [event for event in answered if event not in repeated] == []
    missed = (await poll(again, CHANNEL, cursor=first["cursor"]))["messages"]
    begin = first["messages"][0]["offset"]
    assert [event["offset"] for event in missed] == list(range(begin + 1, begin + 1 + len(sent)))
    assert missed == sorted(repeated, key=lambda event: event["offset"])
    async with streaming(again, CHANNEL, last=first["cursor"]) as stream:
        assert (await stream.next())["recovered"]
        assert [await stream.next() for _ in missed] == missed
    async with again.ws_connect("/control") as socket:
        place = first["messages"][0]
        resume = {"epoch": place["epoch"], "offset": place["offset"]}
        await socket.send_json({"type": "subscribe", "channel": CHANNEL, **resume})
        assert (await socket.receive_json())["recovered"]
        assert [await socket.receive_json() for _ in missed] == missed
