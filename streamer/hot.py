"""Objects ready to be sent: rendered heads, bodies in memory, open files; bounded, least recent out first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from io import FileIO
from typing import TypeAlias

Read: TypeAlias = Callable[[int, int], Awaitable[bytes]]
"""Returns bytes start to stop of one object."""

_WEIGHT = 2048


class Entry:
    """One representation ready to be sent: its size, tag and fields, and its bytes in one of three forms.

    `common` are the fields that a 304 repeats, `content` those that only go with bytes; `whole` is the head
    of a plain 200. `body` is all of it in memory, `file` an open descriptor; without either `read` gets
    pieces of it. A file is closed when the entry is dropped *and* nobody sends from it any more: bracket
    each use with `hold` and `release`. `stamp` is for the owner: what the entry was rendered from.
    """

    __slots__ = (
        "_dropped",
        "_users",
        "body",
        "checked",
        "common",
        "etag",
        "file",
        "read",
        "size",
        "stamp",
        "tail",
        "whole",
    )

    def __init__(
        self,
        *,
        size: int,
        etag: str,
        common: Mapping[str, str],
        content: Mapping[str, str],
        body: bytes | None = None,
        file: FileIO | None = None,
        read: Read | None = None,
        stamp: object = None,
        checked: float = 0,
    ) -> None:
        self.size = size
        self.etag = etag
        self.body = body
        self.file = file
        self.read = read
        self.stamp = stamp
        self.checked = checked
        self.common = render(common)
        self.tail = self.common + render(content)
        self.whole = head(200, self.tail, length=size)
        self._users = 0
        self._dropped = False

    def hold(self) -> bool:
        """Keep the file open until `release`; False where it has been closed already."""
        if self._dropped and self._users == 0 and self.file is not None:
            return False
        self._users += 1
        return True

    def release(self) -> None:
        """Let go of the entry; the last one out closes the file of a dropped one."""
        self._users -= 1
        self._close()

    def drop(self) -> None:
        """Tell that the entry will not be handed out again."""
        self._dropped = True
        self._close()

    def _close(self) -> None:
        if self._dropped and self._users == 0 and self.file is not None:
            self.file.close()


class Hot:
    """The most recently used entries by name, bounded in bytes held in memory and in open files."""

    def __init__(self, *, memory: int, files: int) -> None:
        self._memory = memory
        self._files = files
        self._held = 0
        self._open = 0
        self._entries: OrderedDict[str, Entry] = OrderedDict()

    def get(self, name: str) -> Entry | None:
        """Return an entry and make it the most recent."""
        entry = self._entries.get(name)
        if entry is not None:
            self._entries.move_to_end(name)
        return entry

    def put(self, name: str, entry: Entry) -> None:
        """Keep an entry, and drop the least recent ones that are now too many."""
        self.drop(name)
        self._entries[name] = entry
        self._count(entry, 1)
        while self._entries and (self._held > self._memory or self._open > self._files):
            self.drop(next(iter(self._entries)))

    def drop(self, name: str) -> None:
        """Forget an entry; absence is no error."""
        entry = self._entries.pop(name, None)
        if entry is not None:
            self._count(entry, -1)
            entry.drop()

    def drop_under(self, prefix: str) -> None:
        """Forget all entries whose name begins with the prefix."""
        for name in [name for name in self._entries if name.startswith(prefix)]:
            self.drop(name)

    def _count(self, entry: Entry, sign: int) -> None:
        # A head and the bookkeeping weigh something too: this bounds many tiny and many distant objects.
        self._held += sign * (_WEIGHT + (len(entry.body) if entry.body is not None else 0))
        self._open += sign * (entry.file is not None)


def render(fields: Mapping[str, str]) -> bytes:
    """Return header lines. Raise ValueError for a value that would break out of its line."""
    text = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    if text.count("\n") != len(fields) or text.count("\r") != len(fields):
        raise ValueError("A header value has a line break.")
    return text.encode("latin-1")


def head(status: int, tail: bytes, *, length: int | None, content_range: str = "") -> bytes:
    """Return the head of a response without its last lines: Connection, Date and the empty one."""
    lines = b"HTTP/1.1 %d %s\r\n" % (status, HTTPStatus(status).phrase.encode())
    if length is not None:
        lines += b"Content-Length: %d\r\n" % length
    if content_range:
        lines += b"Content-Range: %s\r\n" % content_range.encode()
    return lines + tail
