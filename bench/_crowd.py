"""Many viewers over HTTP/1.1 in one thread: each keeps a connection and asks for one thing after another."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Seen:
    """When the last byte of every answer came, by what was asked for, in seconds."""

    requests: int = 0
    bytes: int = 0
    ends: dict[str, list[float]] = field(default_factory=dict)

    def spreads(self) -> list[float]:
        """Return, of each thing asked for, the milliseconds from the first viewer who had it to the last."""
        return [(max(times) - min(times)) * 1000 for times in self.ends.values()]


class _Viewer:
    """One connection."""

    __slots__ = ("_chunked", "_got", "_head", "_left", "socket", "target", "targets")

    def __init__(self, port: int, targets: Iterator[str]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setblocking(False)
        self.targets = targets
        self.target = ""

    def ask(self) -> bool:
        """Send the next request; False where there is none."""
        self.target = next(self.targets, "")
        if not self.target:
            return False
        self._head, self._left, self._got, self._chunked = b"", -1, 0, False
        self.socket.send(
            f"GET {self.target} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: gzip\r\n\r\n".encode()
        )
        return True

    def read(self, buffer: memoryview) -> int:
        """Take what is there; return the bytes of the answer once it is complete, else 0."""
        size = self.socket.recv_into(buffer)
        if not size:
            raise SystemExit(f"a connection was closed before {self.target} was there")
        self._got += size
        if self._left >= 0:
            self._left -= size
            return self._got if self._left == 0 else 0
        data = bytes(buffer[:size])
        if not self._chunked:
            self._head += data
            head, found, data = self._head.partition(b"\r\n\r\n")
            if not found:
                return 0
            if not head.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"{self.target}: {head.decode()}")
            fields = head.lower()
            self._chunked = b"transfer-encoding: chunked" in fields
            if not self._chunked:
                self._left = int(fields.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if self._chunked:
            self._head = (self._head + data)[-5:]
            return self._got if self._head == b"0\r\n\r\n" else 0
        self._left -= len(data)
        return self._got if self._left == 0 else 0


def crowd(port: int, viewers: Iterable[Iterator[str]], *, patience: float = 60) -> Seen:
    """Have everybody ask for what each is to ask for, one after another, and return what was seen."""
    poll, seen = select.epoll(), Seen()
    open_ones = {viewer.socket.fileno(): viewer for viewer in (_Viewer(port, each) for each in viewers)}
    for number, viewer in open_ones.items():
        poll.register(number, select.EPOLLIN)
        viewer.ask()
    buffer, done = memoryview(bytearray(1 << 18)), []
    until = time.monotonic() + patience
    while open_ones:
        if time.monotonic() > until:
            raise SystemExit(f"{len(open_ones)} viewers were not done in {patience} s")
        for number, _ in poll.poll(1):
            viewer = open_ones[number]
            size = viewer.read(buffer)
            if not size:
                continue
            seen.ends.setdefault(viewer.target, []).append(time.monotonic())
            seen.requests += 1
            seen.bytes += size
            if not viewer.ask():
                poll.unregister(number)
                done.append(open_ones.pop(number))
    for viewer in done:
        viewer.socket.close()
    return seen
