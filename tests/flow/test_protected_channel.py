"""The channel of what is signed: opened by its playback token, over every transport, and ended with it."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest

from streamer.listener import Close
from streamer.live.streams import Settings
from streamer.rows import PlaybackPolicy
from tests.backend import backend
from tests.flow.whole_site import running

AWAY = {"X-Forwarded-For": "203.0.113.7"}
"""Whoever comes through a proxy is not this machine, whose users are administrators."""


@pytest.fixture
async def signed(data_dir):
    """Leave a signed asset and a signed stream in the data folder; return their ids."""
    async with backend(data_dir, "catalog.sqlite") as back:
        asset = await back.planned()
        await back.catalog.set_policy(asset.id, PlaybackPolicy.SIGNED)
        settings = Settings(policy=PlaybackPolicy.SIGNED)
        stream, _ = await back.register.create(title="Evening", settings=settings)
    return asset.id, stream.id


class Now:
    """A wall clock that the test moves: milliseconds since the epoch."""

    now = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock():
    return Now()


@pytest.fixture
async def site(data_dir, signed, clock):
    async with running(data_dir, clock=clock) as made:
        yield made


async def token_of(site, identity: str, *, kind: str = "assets", **wish) -> str:
    path = f"/api/v1/{kind}/{identity}/playback-tokens"
    return (await site.json("POST", path, status=201, json=wish))["token"]


async def said(socket, **message) -> dict:
    if message:
        await socket.send_json(message)
    return await asyncio.wait_for(socket.receive_json(), 10)


async def test_a_socket_needs_the_token_of_what_it_listens_to(site, signed):
    asset, stream = signed
    async with site.session.ws_connect(f"{site.base}/control", headers=AWAY) as socket:
        for channel in (f"asset:{asset}", f"stream:{stream}"):
            assert (await said(socket, type="subscribe", channel=channel))["code"] == Close.FORBIDDEN
        token = await token_of(site, asset)
        assert await said(socket, type="auth", token=token) == {"type": "authenticated", "role": "public"}
        assert (await said(socket, type="subscribe", channel=f"asset:{asset}"))["type"] == "subscribed"
        for channel in (f"stream:{stream}", "assets"):
            assert (await said(socket, type="subscribe", channel=channel))["code"] == Close.FORBIDDEN
        other = await token_of(site, stream, kind="live")
        assert (await said(socket, type="auth", token=other))["type"] == "authenticated"
        ended = await said(socket)
        assert (ended["type"], ended["channel"]) == ("refused", f"asset:{asset}")
        assert (await said(socket, type="subscribe", channel=f"stream:{stream}"))["type"] == "subscribed"


async def test_the_other_transports_take_it_as_a_bearer(site, signed):
    channel = f"asset:{signed[0]}"
    bearer = AWAY | {"Authorization": f"Bearer {await token_of(site, signed[0])}"}
    for headers, kind in ((AWAY, "refused"), (bearer, "subscribed")):
        status, answer, body = await site.ask("GET", f"/control/poll?channel={channel}", headers=headers)
        assert status == 200
        assert answer["Cache-Control"] == "no-store"
        assert [one["type"] for one in json.loads(body)["messages"]] == [kind]
        url = f"{site.base}/control/sse?channel={channel}"
        async with site.session.get(url, headers=headers) as stream:
            while not (line := await asyncio.wait_for(stream.content.readline(), 10)).startswith(b"data: "):
                pass
            assert json.loads(line.removeprefix(b"data: "))["type"] == kind


async def test_a_wrong_token_is_refused(site, signed):
    token = await token_of(site, signed[0])
    async with site.session.ws_connect(f"{site.base}/control", headers=AWAY) as socket:
        await socket.send_json({"type": "auth", "token": token[:-4] + "AAAA"})
        assert (await socket.receive()).data == Close.FORBIDDEN


async def test_its_end_is_told_before_and_the_next_token_goes_on(site, signed, clock):
    channel = f"asset:{signed[0]}"
    short = await token_of(site, signed[0], expires_seconds=60)
    clock.now += 59_500
    url = f"{site.base}/control"
    async with (
        site.session.ws_connect(url, headers=AWAY) as left,
        site.session.ws_connect(url, headers=AWAY) as renewed,
    ):
        for socket in (left, renewed):
            assert (await said(socket, type="auth", token=short))["type"] == "authenticated"
            assert (await said(socket))["type"] == "token.expiring"
            assert (await said(socket, type="subscribe", channel=channel))["type"] == "subscribed"
        lasting = await token_of(site, signed[0])
        assert (await said(renewed, type="auth", token=lasting))["type"] == "authenticated"
        ended = await asyncio.wait_for(left.receive(), 10)
        assert (ended.type, ended.data) == (aiohttp.WSMsgType.CLOSE, Close.FORBIDDEN)
        assert await said(renewed, type="ping") == {"type": "pong"}
