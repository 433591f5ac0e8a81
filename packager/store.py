"""Immutable bytes under keys: the Store protocol, in memory and on disk."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

from packager.blocking import blocking
from packager.errors import BadKey, KeyMissing, StoreFull
from packager.folder import Folder, content_etag

_T = TypeVar("_T")


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

    async def copy(self, source: str, target: str) -> Stat:
        """Store what the source holds at the target too, unless that exists. Raise KeyMissing, StoreFull."""

    async def stat(self, key: str) -> Stat | None:
        """Return what is known of the key, None where it holds nothing."""

    async def list(self, prefix: str) -> list[str]:
        """Return the keys that begin with the prefix, sorted."""

    async def sizes(self, prefix: str) -> dict[str, int]:
        """Return how many bytes each key has that begins with the prefix."""

    async def delete(self, prefix: str) -> None:
        """Delete the key, or all keys under the prefix where it ends with a slash. Absence is no error."""

    async def path(self, key: str) -> Path | None:
        """Return a local file of what the key holds, brought here where it lies elsewhere; None without one.

        The file may not exist, or no longer.
        """


def check_key(key: str) -> str:
    """Return the key where it is a relative path of plain parts. Raise BadKey.

    A part never begins with a dot (so `.`, `..` and a store's own `.tmp` cannot be named), holds no
    control character or backslash, and fits a file name; the whole fits an S3 key (1024 bytes).
    """
    try:
        whole = len(key.encode())
    except UnicodeEncodeError:
        raise BadKey("A store key is not text.", evidence=repr(key)) from None
    if whole > 1024 or "\\" in key or any(char < " " or char == "\x7f" for char in key):
        raise BadKey("A store key is too long or has control characters.", evidence=repr(key[:200]))
    if not all(part and part[0] != "." and len(part.encode()) <= 255 for part in key.split("/")):
        raise BadKey("A store key is not a plain relative path.", evidence=repr(key))
    return key


def check_prefix(prefix: str) -> str:
    """Return the prefix where it could begin a key. Raise BadKey."""
    check_key(f"{prefix}x")
    return prefix


class MemoryStore:
    """Keep objects in memory; `capacity` bounds the sum of their bytes, None is no bound."""

    def __init__(self, *, capacity: int | None = None) -> None:
        self._capacity = capacity
        self._used = 0
        self._objects: dict[str, tuple[bytes, Stat]] = {}

    async def put(self, key: str, body: bytes) -> Stat:
        """Store the body unless the key exists; return the Stat of what is there. Raise StoreFull."""
        found = self._objects.get(check_key(key))
        return self._keep(key, body) if found is None else found[1]

    async def replace(self, key: str, body: bytes) -> Stat:
        """Store the body in place of what was there. Raise StoreFull."""
        return self._keep(check_key(key), body)

    async def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """Return bytes start to stop (excluded; None is the end). Raise KeyMissing."""
        found = self._objects.get(check_key(key))
        if found is None:
            raise KeyMissing("Nothing is stored under this key.", evidence=key)
        return found[0][start:stop]

    async def copy(self, source: str, target: str) -> Stat:
        """Store what the source holds at the target too, unless that exists. Raise KeyMissing, StoreFull."""
        return await self.put(target, await self.get(source))

    async def stat(self, key: str) -> Stat | None:
        """Return what is known of the key, None where it holds nothing."""
        found = self._objects.get(check_key(key))
        return None if found is None else found[1]

    async def list(self, prefix: str) -> list[str]:
        """Return the keys that begin with the prefix, sorted."""
        check_prefix(prefix)
        return sorted(key for key in self._objects if key.startswith(prefix))

    async def sizes(self, prefix: str) -> dict[str, int]:
        """Return how many bytes each key has that begins with the prefix."""
        return {key: self._objects[key][1].size for key in await self.list(prefix)}

    async def delete(self, prefix: str) -> None:
        """Delete the key, or all keys under the prefix where it ends with a slash."""
        check_key(prefix.removesuffix("/"))
        doomed = [prefix]
        if prefix.endswith("/"):
            doomed = [key for key in self._objects if key.startswith(prefix)]
        for key in doomed:
            body, _ = self._objects.pop(key, (b"", None))
            self._used -= len(body)

    async def path(self, key: str) -> Path | None:
        """Return None: there are no files."""
        check_key(key)
        return None

    def _keep(self, key: str, body: bytes) -> Stat:
        before, _ = self._objects.get(key, (b"", None))
        used = self._used - len(before) + len(body)
        if self._capacity is not None and used > self._capacity:
            raise StoreFull("The store is full.", evidence=key)
        stat = Stat(key=key, size=len(body), etag=content_etag(body))
        self._objects[key] = bytes(body), stat
        self._used = used
        return stat


class DiskStore:
    """Keep objects as files under `root`, each complete and on disk before its name exists.

    File work runs in `executor` (None is the loop's own). `sync` brings a file's bytes to the disk and
    raises OSError where it cannot. A write may raise StoreFull or StoreFailed and then leaves nothing.
    """

    def __init__(
        self,
        root: Path,
        *,
        executor: Executor | None = None,
        sync: Callable[[int], None] = os.fdatasync,
    ) -> None:
        self._folder = Folder(root, sync=sync)
        self._executor = executor

    async def put(self, key: str, body: bytes) -> Stat:
        """Store the body unless the key exists; return the durable Stat of what is there. Raise StoreFull."""
        size, etag = await self._off_loop(self._folder.put, check_key(key), body)
        return Stat(key=key, size=size, etag=etag)

    async def replace(self, key: str, body: bytes) -> Stat:
        """Store the body, atomically taking the place of what was there. Raise StoreFull."""
        size, etag = await self._off_loop(self._folder.replace, check_key(key), body)
        return Stat(key=key, size=size, etag=etag)

    async def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """Return bytes start to stop (excluded; None is the end). Raise KeyMissing."""
        found = await self._off_loop(self._folder.read, check_key(key), start, stop)
        if found is None:
            raise KeyMissing("Nothing is stored under this key.", evidence=key)
        return found

    async def copy(self, source: str, target: str) -> Stat:
        """Store what the source holds at the target too, unless that exists. Raise KeyMissing, StoreFull."""
        found = await self._off_loop(self._folder.copy, check_key(source), check_key(target))
        if found is None:
            raise KeyMissing("Nothing is stored under this key.", evidence=source)
        return Stat(key=target, size=found[0], etag=found[1])

    async def stat(self, key: str) -> Stat | None:
        """Return what is known of the key, None where it holds nothing."""
        found = await self._off_loop(self._folder.look, check_key(key))
        return None if found is None else Stat(key=key, size=found[0], etag=found[1])

    async def list(self, prefix: str) -> list[str]:
        """Return the keys that begin with the prefix, sorted."""
        return await self._off_loop(self._folder.walk, check_prefix(prefix))

    async def sizes(self, prefix: str) -> dict[str, int]:
        """Return how many bytes each key has that begins with the prefix."""
        return await self._off_loop(self._folder.sizes, check_prefix(prefix))

    async def delete(self, prefix: str) -> None:
        """Delete the key, or all keys under the prefix where it ends with a slash."""
        check_key(prefix.removesuffix("/"))
        await self._off_loop(self._folder.remove, prefix)

    async def path(self, key: str) -> Path | None:
        """Return the file of a key, which may not exist."""
        return self._folder.root / check_key(key)

    async def sweep(self) -> int:
        """Remove what interrupted writes and deletions left, and return how many; call at start.

        A file that another process is still writing is locked, and stays.
        """
        return await self._off_loop(self._folder.sweep)

    async def _off_loop(self, work: Callable[..., _T], *args: object) -> _T:
        return await blocking(self._executor, work, *args)


class Scoped:
    """Show the keys of a store under one prefix, which ends without a slash, as a store of their own."""

    def __init__(self, store: Store, prefix: str) -> None:
        self._store = store
        self._prefix = f"{check_key(prefix)}/"

    async def put(self, key: str, body: bytes) -> Stat:
        """Store the body unless the key exists; return the Stat of what is there. Raise StoreFull."""
        return replace(await self._store.put(self._inner(key), body), key=key)

    async def replace(self, key: str, body: bytes) -> Stat:
        """Store the body, atomically taking the place of what was there. Raise StoreFull."""
        return replace(await self._store.replace(self._inner(key), body), key=key)

    async def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """Return bytes start to stop (excluded; None is the end). Raise KeyMissing."""
        return await self._store.get(self._inner(key), start, stop)

    async def copy(self, source: str, target: str) -> Stat:
        """Store what the source holds at the target too, unless that exists. Raise KeyMissing, StoreFull."""
        return replace(await self._store.copy(self._inner(source), self._inner(target)), key=target)

    async def stat(self, key: str) -> Stat | None:
        """Return what is known of the key, None where it holds nothing."""
        found = await self._store.stat(self._inner(key))
        return None if found is None else replace(found, key=key)

    async def list(self, prefix: str) -> list[str]:
        """Return the keys that begin with the prefix, sorted."""
        found = await self._store.list(self._prefix + check_prefix(prefix))
        return [key.removeprefix(self._prefix) for key in found]

    async def sizes(self, prefix: str) -> dict[str, int]:
        """Return how many bytes each key has that begins with the prefix."""
        found = await self._store.sizes(self._prefix + check_prefix(prefix))
        return {key.removeprefix(self._prefix): size for key, size in found.items()}

    async def delete(self, prefix: str) -> None:
        """Delete the key, or all keys under the prefix where it ends with a slash."""
        check_key(prefix.removesuffix("/"))
        await self._store.delete(self._prefix + prefix)

    async def path(self, key: str) -> Path | None:
        """Return the local file of a key where the store has files, else None."""
        return await self._store.path(self._inner(key))

    def _inner(self, key: str) -> str:
        return self._prefix + check_key(key)


def scoped(store: Store, prefix: str) -> Scoped:
    """Return the view of a store in which keys are relative to the prefix."""
    return Scoped(store, prefix)
