"""Tokens and sessions."""

from __future__ import annotations

import pytest

from streamer.errors import NoSuchToken
from streamer.rows import Role
from streamer.tokens import SESSION_SECONDS


async def test_a_token_is_found_by_its_secret_which_is_not_kept(back, peek):
    token, secret = await back.tokens.create(Role.ADMIN, "me")
    assert await back.tokens.find(secret) == token
    assert len(secret) >= 40
    assert secret not in str(peek("select * from token"))


@pytest.mark.parametrize("secret", ["", "x", "str_", "\ud800", "é" * 50, "x" * 100_000, "%"])
async def test_anything_else_is_not_a_token(back, secret):
    await back.tokens.create(Role.ADMIN, "me")
    assert await back.tokens.find(secret) is None


async def test_revoking_ends_the_token_and_its_sessions_at_once(back):
    token, secret = await back.tokens.create(Role.ADMIN, "me")
    _, session = await back.tokens.open_session(token)
    assert (await back.tokens.find(session)).parent == token.id
    await back.tokens.revoke(token.id)
    assert await back.tokens.find(secret) is None
    assert await back.tokens.find(session) is None
    assert [t.revoked for t in await back.tokens.all()] == [back.clock.now]
    with pytest.raises(NoSuchToken):
        await back.tokens.revoke(token.id)


async def test_a_session_expires(back):
    token, secret = await back.tokens.create(Role.VIEWER, "me")
    _, session = await back.tokens.open_session(token)
    back.clock.now += SESSION_SECONDS * 1000 - 1
    assert (await back.tokens.find(session)).role is Role.VIEWER
    back.clock.now += 1
    assert await back.tokens.find(session) is None
    assert await back.tokens.find(secret) == token


async def test_only_a_valid_administrator_counts_as_one(back):
    assert not await back.tokens.has_admin()
    await back.tokens.create(Role.VIEWER, "v")
    assert not await back.tokens.has_admin()
    token, _ = await back.tokens.create(Role.ADMIN, "a")
    assert await back.tokens.has_admin()
    await back.tokens.revoke(token.id)
    assert not await back.tokens.has_admin()


async def test_sessions_are_not_listed(back):
    token, _ = await back.tokens.create(Role.ADMIN, "a")
    await back.tokens.open_session(token)
    assert await back.tokens.all() == (token,)
