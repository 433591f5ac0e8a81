"""Write bytes and records so that they survive a power cut. Blocking throughout: belongs in an executor."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import threading
from pathlib import Path

from streamer.uploads.errors import NoRoom, NotDurable
from streamer.uploads.upload import Upload

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW


def failure(error: OSError, *, doing: str) -> NoRoom | NotDurable:
    """Return the error that names the cause of a failed write or sync."""
    if error.errno in _FULL:
        return NoRoom(f"The disk is full; {doing} stopped. Everything acknowledged is kept.")
    return NotDurable(f"The disk failed at {doing}: {error.strerror}. Everything acknowledged is kept.")


def write_record(path: Path, upload: Upload) -> None:
    """Put the upload's record in its place, whole or not at all, and durably. Raise NoRoom, NotDurable."""
    temporary = path.with_suffix(".tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _FLAGS, 0o600)
        try:
            rest = memoryview(upload.to_json())
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise failure(error, doing="writing the upload's record") from error


def sync_folder(folder: Path) -> None:
    """Make renames and removals in the folder durable. Raise OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | _FLAGS)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_span(path: Path, start: int, stop: int) -> bytes:
    """Return bytes start to stop (excluded) of a file, fewer where it ends before. Raise OSError."""
    descriptor = os.open(path, os.O_RDONLY | _FLAGS)
    try:
        return os.pread(descriptor, max(0, stop - start), start)
    finally:
        os.close(descriptor)


class Appender:
    """Write at the end of an upload's file, from an acknowledged offset on; what lay beyond it is cut off.

    `end` is where the next byte goes, counted from byte `base` of the file. Of a `shared` file, which two
    uploads fill, nothing is cut off. `reserve` bytes of the disk stay free. Threads may differ from call to
    call but calls do not overlap, except that `close` waits for a write still under way.
    """

    def __init__(
        self,
        path: Path,
        offset: int,
        *,
        reserve: int,
        algorithm: str = "",
        base: int = 0,
        shared: bool = False,
    ) -> None:
        """Open the file and cut it to the offset. Raise NoRoom, NotDurable."""
        self.end = offset
        self._base = base
        self._shared = shared
        self._reserve = reserve
        self._hash = hashlib.new(algorithm, usedforsecurity=False) if algorithm else None
        self._lock = threading.Lock()
        self._descriptor = -1
        try:
            self._descriptor = os.open(path, os.O_RDWR | _FLAGS)
            size = os.fstat(self._descriptor).st_size
            # Bytes past the offset were never acknowledged: after a failed sync the page cache is no proof of
            # what the disk holds, so they are written anew. Fewer bytes must not become zeros.
            if not shared:
                os.ftruncate(self._descriptor, min(size, offset))
        except OSError as error:
            self.close()
            raise failure(error, doing="opening the upload") from error
        if size < base + offset and offset:
            self.close()
            raise NotDurable("The upload's file is shorter than what was acknowledged.")

    def write(self, batch: memoryview) -> None:
        """Write all of the batch. Raise NoRoom or NotDurable; `end` tells how far it came."""
        with self._lock:
            space = os.fstatvfs(self._descriptor)
            if space.f_bavail * space.f_frsize - len(batch) < self._reserve:
                raise NoRoom("The disk's reserve is reached; everything acknowledged is kept.")
            while batch:
                try:
                    written = os.pwrite(self._descriptor, batch, self._base + self.end)
                except OSError as error:
                    raise failure(error, doing="writing") from error
                self.end += written
                if self._hash is not None:
                    self._hash.update(batch[:written])
                batch = batch[written:]

    def sync(self) -> None:
        """Bring the bytes to the disk. Raise NoRoom or NotDurable: then none since the last sync count."""
        with self._lock:
            try:
                os.fdatasync(self._descriptor)
            except OSError as error:
                raise failure(error, doing="syncing") from error

    def cut(self, offset: int) -> None:
        """Drop the bytes from the offset on. Raise OSError."""
        with self._lock:
            if not self._shared:
                os.ftruncate(self._descriptor, offset)
            self.end = offset

    def digest(self) -> bytes:
        """Return the checksum of what was written, empty where none was asked for."""
        return self._hash.digest() if self._hash is not None else b""

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, -1
            if descriptor >= 0:
                os.close(descriptor)
