"""Files of one folder, written so that a name means a complete object on the disk; blocking, for threads."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
import shutil
from collections import OrderedDict
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path

from packager.errors import StoreFailed, StoreFull

HASH_DIGITS = 32
_ATTEMPTS = 8
_FOLDER_ATTEMPTS = 1000
_KNOWN_ETAGS = 65_536
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


def content_etag(body: bytes) -> str:
    """Return the unquoted entity tag of a body: 32 hexadecimal digits of BLAKE2b."""
    return hashlib.blake2b(body, digest_size=HASH_DIGITS // 2).hexdigest()


class Folder:
    """Read and write files under `root` by checked keys. Every method may raise StoreFull or StoreFailed.

    `sync` brings a file's bytes to the disk and raises OSError where it cannot. Threads and processes may
    share a folder: a temporary file carries a lock while it is written.
    """

    def __init__(self, root: Path, *, sync: Callable[[int], None]) -> None:
        self.root = root
        self._tmp = root / ".tmp"
        self._sync = sync
        self._etags: OrderedDict[tuple[int, int, int], str] = OrderedDict()

    def put(self, key: str, body: bytes) -> tuple[int, str]:
        """Write the file unless it exists; return size and tag of what is there, on the disk."""
        with _causes():
            if (there := self._found(key)) is not None:
                # Its first writer may not have come to this step yet; what we acknowledge must last.
                _sync_folder((self.root / key).parent)
                return there
            return self._write(key, body, _link)

    def replace(self, key: str, body: bytes) -> tuple[int, str]:
        """Write the file in place of what was there; return its size and tag."""
        with _causes():
            return self._write(key, body, _rename)

    def copy(self, source: str, target: str) -> tuple[int, str] | None:
        """Give the source's file a second name, unless that is taken; None where there is no source.

        Return size and tag of what is under the target, on the disk.
        """
        with _causes():
            for _ in range(_ATTEMPTS):
                if self._found(source) is None:
                    return None
                with contextlib.suppress(FileNotFoundError):  # either was removed meanwhile
                    self._publish(self.root / source, self.root / target, _link)
                    _sync_folder((self.root / target).parent)
                    if (there := self._found(target)) is not None:
                        return there
        raise StoreFailed("The store's objects vanish under a copy.", evidence=source)

    def look(self, key: str) -> tuple[int, str] | None:
        """Return size and tag of a file, None where there is none."""
        with _causes():
            return self._found(key)

    def read(self, key: str, start: int, stop: int | None) -> bytes | None:
        """Return bytes start to stop (excluded; None is the end), None where there is no file."""
        with _causes():
            try:
                with _opened(self.root / key) as file:
                    size = os.fstat(file.fileno()).st_size
                    return _pread(file.fileno(), start, size if stop is None else min(stop, size))
            except _ABSENT:
                return None

    def walk(self, prefix: str) -> list[str]:
        """Return the keys that begin with the prefix, sorted."""
        found: list[str] = []
        with _causes():
            for folder, folders, files in os.walk(self.root / prefix.rpartition("/")[0]):
                folders[:] = [name for name in folders if not name.startswith(".")]
                inside = Path(folder).relative_to(self.root)
                found += [(inside / name).as_posix() for name in files if not name.startswith(".")]
        return sorted(key for key in found if key.startswith(prefix))

    def sizes(self, prefix: str) -> dict[str, int]:
        """Return how many bytes each file has whose key begins with the prefix."""
        found = {}
        for key in self.walk(prefix):
            with _causes(), contextlib.suppress(FileNotFoundError):  # removed meanwhile
                found[key] = (self.root / key).stat().st_size
        return found

    def remove(self, prefix: str) -> None:
        """Remove a file, or where the prefix ends with a slash a whole folder at once."""
        with _causes():
            try:
                self._remove(prefix)
            except _ABSENT:
                return
            with contextlib.suppress(OSError):  # a folder that is not empty stays
                for folder in Path(prefix).parents[:-1]:
                    (self.root / folder).rmdir()

    def sweep(self) -> int:
        """Remove what interrupted writes and removals left, and return how many."""
        reaped = 0
        with _causes():
            for left in self._tmp.iterdir() if self._tmp.is_dir() else ():
                if left.is_dir():
                    shutil.rmtree(left, ignore_errors=True)
                    reaped += 1
                    continue
                with contextlib.suppress(FileNotFoundError, BlockingIOError), _opened(left) as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    left.unlink()
                    reaped += 1
        return reaped

    def _write(self, key: str, body: bytes, publish: Callable[[Path, Path], bool]) -> tuple[int, str]:
        target = self.root / key
        etag = content_etag(body)
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(FileNotFoundError):  # a sweep has taken the temporary file: begin again
                _make_folder(self._tmp, self.root)
                won = self._write_once(target, body, etag, publish)
                with contextlib.suppress(FileNotFoundError):  # removed again at once, but it was there
                    _sync_folder(target.parent)
                there = (len(body), etag) if won else self._found(key)
                if there is not None:
                    return there
        raise StoreFailed("The store's objects vanish under a write.", evidence=key)

    def _write_once(
        self, target: Path, body: bytes, etag: str, publish: Callable[[Path, Path], bool]
    ) -> bool:
        name = self._tmp / secrets.token_hex(16)
        with FileIO(name, "xb") as file:
            try:
                with contextlib.suppress(OSError):  # a network file system without locks: never swept early
                    fcntl.flock(file, fcntl.LOCK_EX)
                view = memoryview(body)
                while view:
                    view = view[os.write(file.fileno(), view) :]
                _label(file, etag)
                self._sync(file.fileno())
                return self._publish(name, target, publish)
            finally:
                name.unlink(missing_ok=True)

    def _publish(self, name: Path, target: Path, publish: Callable[[Path, Path], bool]) -> bool:
        """Give the written file its name; a removal may take the folder between our two steps, repeatedly."""
        for _ in range(_FOLDER_ATTEMPTS):
            try:
                _make_folder(target.parent, self.root)
                return publish(name, target)
            except FileNotFoundError:
                if not name.exists():
                    raise
        raise StoreFailed("The store's folders vanish under a write.", evidence=target.name)

    def _found(self, key: str) -> tuple[int, str] | None:
        try:
            with _opened(self.root / key) as file:
                found = os.fstat(file.fileno())
                return found.st_size, self._etag(file, found)
        except _ABSENT:
            return None

    def _etag(self, file: FileIO, found: os.stat_result) -> str:
        known = (found.st_ino, found.st_mtime_ns, found.st_size)
        with contextlib.suppress(OSError, AttributeError, ValueError):
            etag, size, mtime = os.getxattr(file.fileno(), "user.etag").decode().split(" ")
            if (int(mtime), int(size)) == known[1:]:
                return etag
        if (etag := self._etags.get(known, "")) == "":
            etag = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
            self._etags[known] = etag
            if len(self._etags) > _KNOWN_ETAGS:
                with contextlib.suppress(KeyError):  # another thread may have emptied it meanwhile
                    self._etags.popitem(last=False)
        return etag

    def _remove(self, prefix: str) -> None:
        target = self.root / prefix
        if not prefix.endswith("/"):
            target.unlink()
            _sync_folder(target.parent)
            return
        if target.is_dir():
            # One rename takes all keys away at once; what a crash leaves of the rest the next sweep removes.
            _make_folder(self._tmp, self.root)
            doomed = self._tmp / secrets.token_hex(16)
            target.rename(doomed)
            _sync_folder(target.parent)
            shutil.rmtree(doomed, ignore_errors=True)


@contextlib.contextmanager
def _causes() -> Iterator[None]:
    """Turn what the disk says into the packager's errors."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise StoreFull("The disk is full.", evidence=str(error)) from error
        raise StoreFailed("The disk refused to read or write.", evidence=str(error)) from error


def _opened(path: Path) -> FileIO:
    return FileIO(path, "rb")


def _pread(handle: int, start: int, stop: int) -> bytes:
    """Return the bytes from start to stop. The first read asks for all of it and nearly always gets it."""
    pieces = []
    while start < stop and (piece := os.pread(handle, stop - start, start)):
        pieces.append(piece)
        start += len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _label(file: FileIO, etag: str) -> None:
    """Keep the tag beside the size and time for which it is true: a file edited by hand loses it."""
    found = os.fstat(file.fileno())
    with contextlib.suppress(OSError, AttributeError):
        os.setxattr(file.fileno(), "user.etag", f"{etag} {found.st_size} {found.st_mtime_ns}".encode())


def _link(source: Path, target: Path) -> bool:
    """Give the file its name unless that is taken; say whether it was free."""
    try:
        os.link(source, target)
    except FileExistsError:
        return False
    return True


def _rename(source: Path, target: Path) -> bool:
    """Give the file its name, taking it from whatever had it."""
    source.rename(target)
    return True


def _make_folder(folder: Path, root: Path) -> None:
    """Make a folder and those above it, each on the disk before something is put into it."""
    if folder.is_dir():
        return
    if folder == root:
        folder.parent.mkdir(parents=True, exist_ok=True)
    else:
        _make_folder(folder.parent, root)
    with contextlib.suppress(FileExistsError):  # another has made it; it may be gone again before we look
        folder.mkdir()
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk. Raise OSError, FileNotFoundError where it has gone."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
