"""Webhooks of the whole server: over its API, through the sample's receiver, and over a kill."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path

import aiohttp

from tests.backend import Ticking
from tests.flow.whole_site import Client, running
from tests.receiver import receiving

HERE = Path(__file__).resolve().parents[2]
SAMPLE = HERE / "samples" / "webhooks.py"
HOOKS = "/api/v1/webhooks"
EVENTS = "/api/v1/channels/assets/events"
ALLOWED = {"outbound_allow": ("127.0.0.1",)}
SERVE = [sys.executable, "-m", "streamer", "serve", "--port", "0", "--data"]
ENV = {
    "STREAMER_LIVE_RTMP_PORT": "off",
    "STREAMER_DISK_RESERVE_BYTES": "0",
    "STREAMER_OUTBOUND_ALLOW": "127.0.0.1",
}


async def create(client: Client, url: str, **more) -> dict:
    return await client.json("POST", HOOKS, status=201, json={"url": url, "events": ["custom.*"], **more})


async def publish(client: Client, number: int) -> dict:
    return await client.json("POST", EVENTS, status=201, json={"type": "custom.count", "data": number})


async def waiting(client: Client, hook: dict, state: str) -> list[dict]:
    return (await client.json("GET", f"{HOOKS}/{hook['id']}/deliveries?state={state}"))["items"]


async def test_the_sample_takes_what_is_signed_with_its_secret(data_dir, spawn, free_port):
    async with running(data_dir, **ALLOWED) as site:
        hook = await create(site, f"http://127.0.0.1:{free_port}/")
        env = {"WEBHOOK_SECRET": hook["secret"]}
        child = await spawn(sys.executable, SAMPLE, "--port", str(free_port), env=env)
        await child.says("Running on")
        event = await publish(site, 1)
        name, _, body = (await child.says("custom.count")).partition(" ")
        assert name == f"{event['epoch']}-{event['offset']}"
        assert json.loads(body) == event
        renewed = await site.json("POST", f"{HOOKS}/{hook['id']}/secret")
        await publish(site, 2)
        await child.says('"data":2')
        assert renewed["secret"] != hook["secret"]
        assert renewed["former_until"] > renewed["updated"]
        async with site.session.post(f"http://127.0.0.1:{free_port}/", json=event) as response:
            assert response.status == 401


async def test_a_secret_is_shown_once_and_repeated_requests_make_one(data_dir):
    async with running(data_dir, **ALLOWED) as site:
        wish = {"url": "http://127.0.0.1:1/", "events": ["asset.*", "stream.state"], "channel": "asset:*"}
        options = {"json": wish, "headers": {"Idempotency-Key": "k"}, "status": 201}
        made = await site.json("POST", HOOKS, **options)
        again = await site.json("POST", HOOKS, **options)
        assert made["secret"].startswith("whs_")
        assert again == {**made, "secret": None}
        del made["secret"]
        assert made["former_until"] is None
        path = f"{HOOKS}/{made['id']}"
        assert (await site.json("GET", HOOKS))["items"] == [made] == [await site.json("GET", path)]
        changed = await site.json("PATCH", path, json={"events": ["*"], "enabled": False})
        assert (changed["events"], changed["enabled"], changed["channel"]) == (["*"], False, "asset:*")
        await site.json("DELETE", path, status=204)
        await site.json("GET", path, status=404)


async def test_addresses_within_the_network_are_refused(data_dir):
    async with running(data_dir) as site:
        for url in ("http://10.0.0.1/", "http://[::1]/", "http://127.0.0.1:9001/"):
            await site.json("POST", HOOKS, status=400, json={"url": url, "events": ["*"]})
        assert (await site.json("GET", HOOKS))["items"] == []


async def test_the_most_talkative_log_has_no_secret(data_dir, spawn, free_port):
    async with aiohttp.ClientSession() as session:
        env = {**ENV, "STREAMER_LOG_LEVEL": "debug"}
        child = await spawn(*SERVE, data_dir, env=env, cwd=HERE)
        line = await child.says("http://", seconds=120)
        client = Client(session, line[line.index("http://") :].strip())
        hook = await create(client, f"http://127.0.0.1:{free_port}/token-in-a-path")
        await publish(client, 1)
        async with asyncio.timeout(20):
            while not (await waiting(client, hook, "pending"))[0]["attempts"]:
                await asyncio.sleep(0.02)
        await child.stop()
        assert " DEBUG " in child.output
        assert hook["secret"] not in child.output
        assert "token-in-a-path" not in child.output


async def test_what_was_parked_is_listed_and_replayed(data_dir):
    clock = Ticking()
    async with receiving() as receiver, running(data_dir, clock=clock, **ALLOWED) as site:
        receiver.answer = lambda _: 500
        hook = await create(site, receiver.url)
        await publish(site, 1)
        async with asyncio.timeout(30):
            while not (await waiting(site, hook, "pending"))[0]["attempts"]:
                await asyncio.sleep(0.01)
            clock.now += 3_600_000
            while len(parked := await waiting(site, hook, "parked")) < 1:
                await asyncio.sleep(0.01)
        assert (parked[0]["type"], parked[0]["failure"]) == ("custom.count", "It answered 500.")
        assert 'streamer_webhook_deliveries{state="parked"} 1' in (await site.get("/metrics")).decode()
        receiver.answer = lambda _: 204
        receiver.requests.clear()
        chosen = {"deliveries": [parked[0]["id"]]}
        replayed = await site.json("POST", f"{HOOKS}/{hook['id']}/replay", status=202, json=chosen)
        assert replayed == {"replayed": 1}
        await receiver.has(1)
        assert receiver.told == [1]


async def test_what_was_answered_before_a_kill_is_delivered_after_it(data_dir, spawn):
    async with receiving() as receiver, aiohttp.ClientSession() as session:

        async def started():
            child = await spawn(*SERVE, data_dir, env=ENV, cwd=HERE)
            line = await child.says("http://", seconds=120)
            return child, Client(session, line[line.index("http://") :].strip())

        receiver.answer = lambda _: 503
        child, client = await started()
        hook = await create(client, receiver.url)
        answered = []

        async def publishing():
            with contextlib.suppress(aiohttp.ClientError):
                for number in range(10_000):
                    answered.append(await publish(client, number))

        task = asyncio.create_task(publishing())
        await receiver.has(1)
        while len(answered) < 20:
            await asyncio.sleep(0)
        os.kill(child.pid, signal.SIGKILL)
        await child.process.wait()
        await task
        receiver.answer = lambda _: 204
        receiver.requests.clear()
        _, client = await started()
        await receiver.has(len(answered))
        async with asyncio.timeout(20):
            while await waiting(client, hook, "pending"):
                await asyncio.sleep(0.02)
        # One more may have been kept whose answer was lost.
        assert [one.event for one in receiver.requests][: len(answered)] == answered
        assert len(receiver.requests) <= len(answered) + 1
