"""The control channel as long polls: what was missed at once, what happens next when it does."""

from __future__ import annotations

import asyncio
import json

import pytest

from streamer.listener import Close
from streamer.rows import Role
from tests.backend import EVERYWHERE, backend, served
from tests.flow.listening import poll

_SECOND = "public, max-age=1"


@pytest.fixture
async def back(data_dir):
    async with backend(data_dir) as opened:
        yield opened


@pytest.fixture
async def client(back, data_dir, aiohttp_client):
    return await aiohttp_client(served(back, data_dir).app)


async def _held(made, count):
    async with asyncio.timeout(10):
        while made.fallback.clients < count:
            await asyncio.sleep(0.01)


async def test_a_snapshot_first_then_what_was_missed_then_what_happens(back, data_dir, aiohttp_client):
    made = served(back, data_dir)
    client = await aiohttp_client(made.app)
    asset = await back.planned()
    channel = f"asset:{asset.id}"
    first = await poll(client, channel)
    (subscribed,) = first["messages"]
    assert (subscribed["type"], subscribed["recovered"]) == ("subscribed", False)
    assert subscribed["snapshot"]["asset"]["title"] == "Film"
    assert first["cache"] == _SECOND
    for title in ("one", "two"):
        await back.catalog.rename(asset.id, title)
    missed = await poll(client, channel, cursor=first["cursor"])
    assert [event["data"]["title"] for event in missed["messages"]] == ["one", "two"]
    waiting = asyncio.create_task(poll(client, channel, cursor=missed["cursor"]))
    await _held(made, 1)
    await back.catalog.rename(asset.id, "three")
    (event,) = (await waiting)["messages"]
    assert (event["data"]["title"], event["offset"]) == ("three", subscribed["offset"] + 3)


async def test_all_who_wait_at_one_cursor_get_the_same_answer(back, data_dir, aiohttp_client):
    made = served(back, data_dir, polls=50)
    client = await aiohttp_client(made.app)
    asset = await back.planned()
    channel = f"asset:{asset.id}"
    cursor = (await poll(client, channel))["cursor"]
    waiting = [asyncio.create_task(poll(client, channel, cursor=cursor)) for _ in range(50)]
    await _held(made, 50)
    response = await client.get("/control/poll", params={"channel": channel, "cursor": cursor})
    assert (response.status, response.headers["Retry-After"]) == (503, "1")
    await back.catalog.rename(asset.id, "one")
    await back.catalog.rename(asset.id, "two")
    answers = {json.dumps(answer) for answer in await asyncio.gather(*waiting)}
    assert len(answers) == 1
    assert made.fallback.clients == 0


async def test_an_answer_without_news_names_another_cursor(back, data_dir, aiohttp_client):
    client = await aiohttp_client(served(back, data_dir, wait_seconds=0.05).app)
    asset = await back.planned()
    channel = f"asset:{asset.id}"
    first = await poll(client, channel)
    empty = await poll(client, channel, cursor=first["cursor"])
    assert empty["messages"] == []
    assert empty["cursor"] != first["cursor"]
    await back.catalog.rename(asset.id, "New")
    assert len((await poll(client, channel, cursor=empty["cursor"]))["messages"]) == 1


async def test_values_without_an_offset_come_once(back, data_dir, aiohttp_client):
    client = await aiohttp_client(served(back, data_dir, wait_seconds=0.05).app)
    asset = await back.planned()
    channel = f"asset:{asset.id}"
    back.channels.hint(channel, "run.progress", {"frames": 1}, key="r")
    first = await poll(client, channel)
    assert [message["type"] for message in first["messages"]] == ["subscribed", "run.progress"]
    assert (await poll(client, channel, cursor=first["cursor"]))["messages"] == []
    back.clock.now += 1
    back.channels.hint(channel, "run.progress", {"frames": 2}, key="r")
    (hint,) = (await poll(client, channel, cursor=first["cursor"]))["messages"]
    assert hint["data"] == {"frames": 2}


async def test_several_channels_have_one_cursor(back, client):
    asset = await back.planned()
    channel = f"asset:{asset.id}"
    first = await poll(client, "assets", channel)
    assert [message["channel"] for message in first["messages"]] == ["assets", channel]
    await back.catalog.rename(asset.id, "New")
    missed = await poll(client, channel, "assets", cursor=first["cursor"])
    assert {event["channel"] for event in missed["messages"]} == {"assets", channel}


async def test_what_is_not_for_everybody_is_stored_nowhere(back, data_dir, aiohttp_client):
    client = await aiohttp_client(served(back, data_dir, host=EVERYWHERE).app)
    asset = await back.planned()
    _, secret = await back.tokens.create(Role.VIEWER, "v")
    refused = await poll(client, "assets", f"asset:{asset.id}")
    assert [message["type"] for message in refused["messages"]] == ["refused", "subscribed"]
    assert refused["messages"][0]["code"] == Close.FORBIDDEN
    told = await poll(client, "assets", headers={"Authorization": f"Bearer {secret}"})
    assert told["messages"][0]["type"] == "subscribed"
    assert refused["cache"] == told["cache"] == "no-store"
    assert (await poll(client, f"asset:{asset.id}"))["cache"] == _SECOND


async def test_a_long_replay_comes_in_pieces(back, client):
    first = await poll(client, "assets")
    told = [{"n": n} for n in range(600)]
    await back.database.write(lambda t: back.channels.stage_all(t, "assets", "t", told))
    cursor, numbers = first["cursor"], []
    while len(numbers) < 600:
        answer = await poll(client, "assets", cursor=cursor)
        assert len(answer["messages"]) < 600
        cursor = answer["cursor"]
        numbers += [event["data"]["n"] for event in answer["messages"]]
    assert numbers == list(range(600))


async def test_when_the_server_stops_clients_are_asked_to_come_back(back, data_dir, aiohttp_client):
    made = served(back, data_dir)
    client = await aiohttp_client(made.app)
    cursor = (await poll(client, "assets"))["cursor"]
    waiting = asyncio.create_task(poll(client, "assets", cursor=cursor))
    await _held(made, 1)
    await made.fallback.close()
    answer = await waiting
    (closed,) = answer["messages"]
    assert (closed["type"], closed["code"], answer["cache"]) == ("close", Close.SERVER_STOPS, "no-store")
