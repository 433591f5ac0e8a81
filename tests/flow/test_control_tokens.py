"""Tokens over a control socket: in a message, never in the address; a connection ends with its token."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from streamer.listener import Close
from streamer.rows import Role
from tests.backend import EVERYWHERE, backend, served
from tests.flow.listening import streaming


@pytest.fixture
async def back(data_dir):
    async with backend(data_dir) as opened:
        yield opened


@pytest.fixture
async def client(back, data_dir, aiohttp_client):
    return await aiohttp_client(served(back, data_dir, host=EVERYWHERE).app)


async def _said(socket, **message):
    if message:
        await socket.send_json(message)
    return await asyncio.wait_for(socket.receive_json(), 10)


async def _closed(socket):
    while True:
        message = await asyncio.wait_for(socket.receive(), 10)
        if message.type is aiohttp.WSMsgType.CLOSE:
            return message.data


async def test_a_token_in_the_first_message_opens_what_it_is_for(back, client):
    _, secret = await back.tokens.create(Role.VIEWER, "v")
    async with client.ws_connect("/control") as socket:
        assert (await _said(socket, type="subscribe", channel="assets"))["code"] == Close.FORBIDDEN
        assert await _said(socket, type="auth", token=secret) == {"type": "authenticated", "role": "viewer"}
        assert (await _said(socket, type="subscribe", channel="assets"))["type"] == "subscribed"


@pytest.mark.parametrize(
    ("token", "code"), [("str_wrong", Close.FORBIDDEN), ("", Close.FORBIDDEN), (7, Close.BAD_MESSAGE)]
)
async def test_a_wrong_token_means_go_away(client, token, code):
    async with client.ws_connect("/control") as socket:
        await socket.send_json({"type": "auth", "token": token})
        assert await _closed(socket) == code


async def test_after_many_wrong_tokens_one_has_to_wait(back, client):
    codes = []
    for _ in range(21):
        async with client.ws_connect("/control") as socket:
            await socket.send_json({"type": "auth", "token": "str_wrong"})
            codes.append(await _closed(socket))
    assert codes == [Close.FORBIDDEN] * 20 + [Close.BUSY]
    _, secret = await back.tokens.create(Role.VIEWER, "v")
    async with client.ws_connect("/control") as socket:
        assert (await _said(socket, type="auth", token=secret))["role"] == "viewer"


async def test_a_revoked_token_ends_what_it_has_opened(back, data_dir, aiohttp_client):
    made = served(back, data_dir, host=EVERYWHERE)
    client = await aiohttp_client(made.app)
    gone, secret = await back.tokens.create(Role.VIEWER, "gone")
    _, session = await back.tokens.open_session(gone)
    _, other = await back.tokens.create(Role.VIEWER, "other")
    by_token, by_session, by_other = (
        {"Authorization": f"Bearer {value}"} for value in (secret, session, other)
    )
    async with (
        streaming(client, "assets", headers=by_token) as stream,
        client.ws_connect("/control", headers=by_session) as socket,
        client.ws_connect("/control", headers=by_other) as lasting,
    ):
        await stream.next()
        await back.tokens.revoke(gone.id)
        await made.vigil.look()
        assert (await stream.next())["code"] == Close.FORBIDDEN
        assert await _closed(socket) == Close.FORBIDDEN
        assert (await _said(lasting, type="subscribe", channel="assets"))["type"] == "subscribed"


async def test_a_session_that_ends_is_told_before_and_a_new_token_goes_on(back, client):
    token, lasting = await back.tokens.create(Role.VIEWER, "v")
    session, secret = await back.tokens.open_session(token)
    back.clock.now = session.expires - 500
    headers = {"Authorization": f"Bearer {secret}"}
    async with (
        client.ws_connect("/control", headers=headers) as left,
        client.ws_connect("/control", headers=headers) as renewed,
    ):
        assert (await _said(left))["type"] == "token.expiring"
        assert (await _said(renewed))["type"] == "token.expiring"
        assert (await _said(renewed, type="auth", token=lasting))["type"] == "authenticated"
        assert await _closed(left) == Close.FORBIDDEN
        assert (await _said(renewed, type="subscribe", channel="assets"))["type"] == "subscribed"
