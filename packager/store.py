"""Immutable bytes under keys: the Store protocol, in memory and on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Stat:
    """What is known of a stored object. `etag` is an unquoted hash of the content."""

    key: str
    size: int
    etag: str


class Store(Protocol):
    """Bytes under keys. Keys are relative POSIX paths without `.` or `..` parts.

    A key holds nothing or a complete object: an interrupted write leaves nothing that can be seen.
    """

    async def put(self, key: str, body: bytes) -> Stat:
        """Store the body unless the key exists; return the Stat of what is there. Raise StoreFull."""

    async def replace(self, key: str, body: bytes) -> Stat:
        """Store the body, atomically taking the place of what was there. For manifests only."""

    async def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """Return bytes start to stop (excluded; None is the end). Raise KeyMissing."""

    async def stat(self, key: str) -> Stat | None:
        """Return what is known of the key, None where it holds nothing."""

    async def list(self, prefix: str) -> list[str]:
        """Return the keys that begin with the prefix, sorted."""

    async def delete(self, prefix: str) -> None:
        """Delete the key, or all keys under the prefix where it ends with a slash. Absence is no error."""

    def path(self, key: str) -> Path | None:
        """Return the local file of a key where the store has files, else None; the file may not exist."""
