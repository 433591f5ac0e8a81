"""Which port and which passphrase of SRT each stream has, from its first days to its last."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from streamer.errors import ConfigError
from streamer.ingest.srt import Line

_SECRET, _PORTS = "srt-secret", "srt-ports.json"
_SECRET_BYTES = 32
_PASSPHRASE_CHARACTERS = 32  # SRT takes 10 to 79


class Lines:
    """Gives streams ports of a range in the order of their making; a port is free again with its stream.

    The passphrase is derived from a secret in the data directory and from the stream's key as it is kept,
    which is its hash: another key is another passphrase.
    """

    def __init__(
        self, folder: Path, *, first: int, count: int, keys: Callable[[], Awaitable[Mapping[str, str]]]
    ) -> None:
        """Take the data directory, the range, and what returns the hashes of keys by stream, oldest first."""
        self._folder = folder
        self._range = range(first, first + count)
        self._keys = keys
        self._secret: bytes | None = None
        self._known: dict[str, Line] = {}

    async def __call__(self) -> Mapping[str, Line]:
        """Return the line of every stream that has one. Raise ConfigError where the files cannot be kept."""
        keys = await self._keys()
        self._known = await asyncio.to_thread(self._told, keys)
        return self._known

    def of(self, stream: str) -> Line | None:
        """Return the line of a stream, as last told."""
        return self._known.get(stream)

    def _told(self, keys: Mapping[str, str]) -> dict[str, Line]:
        try:
            secret = self._secret or _kept_secret(self._folder / _SECRET)
            ports = _assigned(self._folder / _PORTS, list(keys), self._range)
        except (OSError, ValueError) as error:
            raise ConfigError(f"the ports of SRT cannot be kept: {error}") from error
        self._secret = secret
        return {
            stream: Line(port=port, passphrase=_passphrase(secret, stream, keys[stream]))
            for stream, port in ports.items()
        }


def _kept_secret(path: Path) -> bytes:
    """Return the secret of a file that only its owner may read, made where there is none. Raise OSError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(descriptor, "wb") as file:
        secret = secrets.token_bytes(_SECRET_BYTES)
        file.write(secret)
        file.flush()
        os.fsync(descriptor)
    return secret


def _assigned(path: Path, streams: list[str], ports: range) -> dict[str, int]:
    """Return the port of each stream, written down where that has changed. Raise OSError, ValueError."""
    before: dict[str, int] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    kept = {name: port for name, port in before.items() if name in streams and port in ports}
    free = iter([port for port in ports if port not in kept.values()])
    for name in streams:
        if name not in kept and (port := next(free, None)) is not None:
            kept[name] = port
    if kept != before:
        written = path.with_suffix(".new")
        written.write_text(json.dumps(kept), "utf-8")
        written.replace(path)
    return kept


def _passphrase(secret: bytes, stream: str, key: str) -> str:
    digest = hmac.new(secret, f"srt {stream} {key}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode()[:_PASSPHRASE_CHARACTERS]
