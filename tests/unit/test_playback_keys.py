"""The keys that playback tokens are verified with."""

from __future__ import annotations

import pytest

from cdn.sign import read_public
from streamer.errors import InvalidRequest, NoSuchPlaybackKey, TooManyPlaybackKeys
from streamer.playback_keys import FRESH_SECONDS, MOST, UNKNOWN_SECONDS, PlaybackKeys, show
from tests.tokens import ed25519, rsa_key


class Pace:
    """Seconds that only grow, moved by the test."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def pace():
    return Pace()


@pytest.fixture
def keys(back, pace):
    return PlaybackKeys(back.database, clock=back.clock, pace=pace)


async def test_the_private_half_of_a_key_is_told_and_not_kept(keys, peek):
    key, private = await keys.create("shop")
    assert private.startswith("-----BEGIN PRIVATE KEY-----")
    assert private not in str(peek("select * from playback_key"))
    assert key.private is None
    assert read_public(key.public)[0] == key.algorithm == "EdDSA"


async def test_a_public_key_of_somebody_is_kept(keys):
    key = await keys.adopt("shop", rsa_key()[1])
    assert [one.id for one in await keys.all()] == [key.id]
    assert show(key)["algorithm"] == "RS256"
    with pytest.raises(InvalidRequest):
        await keys.adopt("shop", ed25519()[0])


async def test_the_server_makes_a_key_of_its_own_once_and_never_shows_it(keys):
    signer = await keys.signer()
    assert await keys.signer() == signer
    (key,) = await keys.all()
    assert key.id == signer.id
    assert "private" not in str(show(key)).lower()
    assert show(key)["server"]
    assert signer.private not in repr(signer) + repr(key)


async def test_without_its_own_key_the_server_makes_another(keys):
    signer = await keys.signer()
    await keys.revoke(signer.id)
    assert (await keys.signer()).id != signer.id


async def test_a_ring_changes_at_once_with_what_is_changed_here(keys):
    first = await keys.ring()
    key, _ = await keys.create("shop")
    second = await keys.ring()
    assert list(second.keys) == [key.id]
    assert second.generation > first.generation
    await keys.revoke(key.id)
    assert (await keys.ring()).keys == {}
    assert (await keys.ring()).generation > second.generation
    with pytest.raises(NoSuchPlaybackKey):
        await keys.revoke(key.id)


async def test_what_another_server_changes_is_seen_after_a_moment(back, keys, pace):
    other = PlaybackKeys(back.database, clock=back.clock)
    await keys.ring()
    key, _ = await other.create("shop")
    assert key.id not in (await keys.ring()).keys
    pace.now += UNKNOWN_SECONDS
    assert key.id in (await keys.ring(lacking=key.id)).keys
    await other.revoke(key.id)
    pace.now += FRESH_SECONDS
    assert key.id not in (await keys.ring()).keys


async def test_there_are_so_many_keys_and_no_more(keys):
    public = ed25519()[1]
    for _ in range(MOST):
        await keys.adopt("shop", public)
    with pytest.raises(TooManyPlaybackKeys):
        await keys.adopt("shop", public)
