"""Ports and passphrases of SRT: lasting, secret, and another one for another key."""

from __future__ import annotations

import pytest

from streamer.errors import ConfigError
from streamer.live.lines import Lines


class Keys:
    """The hashes of keys, which a test changes."""

    def __init__(self, **hashes: str) -> None:
        self.hashes = hashes

    async def __call__(self):
        return dict(self.hashes)


@pytest.fixture
def told(tmp_path):
    """Return what tells lines of a range of two, as after a start of the server."""

    async def tell(keys):
        lines = Lines(tmp_path, first=9000, count=2, keys=keys)
        found = await lines()
        assert all(lines.of(name) == line for name, line in found.items())
        return found

    return tell


async def test_ports_last_and_are_free_again_with_their_stream(told):
    keys = Keys(a="1", b="2", c="3")
    first = await told(keys)
    assert {name: line.port for name, line in first.items()} == {"a": 9000, "b": 9001}
    del keys.hashes["a"]
    assert {name: line.port for name, line in (await told(keys)).items()} == {"b": 9001, "c": 9000}


async def test_a_passphrase_lasts_until_the_key_changes(told, tmp_path):
    keys = Keys(a="1", b="1")
    first = await told(keys)
    assert await told(keys) == first
    assert first["a"].passphrase != first["b"].passphrase
    assert all(10 <= len(line.passphrase) <= 79 for line in first.values())
    keys.hashes["a"] = "2"
    second = await told(keys)
    assert second["a"].passphrase != first["a"].passphrase
    assert second["b"] == first["b"]


async def test_the_secret_is_its_owner_s_alone(told, tmp_path):
    await told(Keys(a="1"))
    secret = tmp_path / "srt-secret"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert len(secret.read_bytes()) == 32


async def test_files_that_cannot_be_read_are_told(told, tmp_path):
    (tmp_path / "srt-ports.json").write_text("no JSON")
    with pytest.raises(ConfigError):
        await told(Keys(a="1"))
