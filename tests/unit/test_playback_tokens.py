"""Playback tokens as the server takes them, and as it signs them."""

from __future__ import annotations

import pytest

from cdn.grants import Expired, NotYet, TooLong
from cdn.sign import LONGEST, KeyUnknown, Malformed
from streamer.errors import InvalidRequest
from streamer.playback_keys import PlaybackKeys
from streamer.playback_tokens import PlaybackTokens
from streamer.playback_wish import Wish, seconds_of, wish_of
from tests.tokens import ASSET, NOW, signed

DAY = 86_400


@pytest.fixture
def keys(back):
    return PlaybackKeys(back.database, clock=back.clock)


@pytest.fixture
def tokens(back, keys):
    return PlaybackTokens(keys, longest_seconds=DAY, clock=back.clock)


async def test_a_token_that_was_signed_here_opens_until_its_end(back, tokens):
    issued = await tokens.issue(ASSET, Wish(seconds=60, limits={"rungs": ("360p",)}))
    for _ in range(2):  # verified, then remembered
        found = await tokens.verified(issued.token)
        assert found.grant == issued.grant
    assert tokens.left(issued.grant) == 60
    back.clock.now += 59_999
    assert tokens.left(issued.grant) == 0
    await tokens.verified(issued.token)
    back.clock.now += 1
    with pytest.raises(Expired):
        await tokens.verified(issued.token)
    assert issued.token not in repr(issued)


async def test_a_revoked_key_opens_nothing_from_that_moment_on(keys, tokens):
    issued = await tokens.issue(ASSET, Wish())
    found = await tokens.verified(issued.token)
    await keys.revoke(found.id)
    with pytest.raises(KeyUnknown):
        await tokens.verified(issued.token)


async def test_tokens_of_an_application_are_taken_within_the_longest_time(back, keys, tokens):
    key, private = await keys.create("shop")
    assert (await tokens.verified(signed(private, kid=key.id))).grant.subject == ASSET
    with pytest.raises(TooLong):
        await tokens.verified(signed(private, kid=key.id, exp=NOW + DAY + 1))
    later = signed(private, kid=key.id, nbf=NOW + 30)
    with pytest.raises(NotYet):
        await tokens.verified(later)
    back.clock.now += 30_000
    await tokens.verified(later)


async def test_what_is_far_too_long_is_not_looked_at(tokens):
    with pytest.raises(Malformed):
        await tokens.verified("x" * (LONGEST + 1))
    with pytest.raises(Malformed):
        await tokens.verified("x" * 10_000_000)


@pytest.mark.parametrize(
    "said",
    [
        {"expires_seconds": 0},
        {"expires_seconds": DAY + 1},
        {"expires_seconds": True},
        {"expires_seconds": "1h"},
        {"not_before": "now"},
        {"not_before": -1},
        {"origins": "a.example"},
        {"rung": ["360p"]},
    ],
)
def test_a_wish_that_cannot_be_fulfilled_is_refused(said):
    with pytest.raises(InvalidRequest):
        wish_of(said, longest=DAY)


def test_durations_have_units():
    assert [seconds_of(text) for text in ("90s", "30m", "1h", "7d")] == [90, 1800, 3600, 604_800]
    for text in ("", "1", "h", "1w", "-1h", "1.5h", "9999999999s"):
        with pytest.raises(InvalidRequest):
            seconds_of(text)
