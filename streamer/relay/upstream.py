"""What is asked of another server: whole answers, answers that grow, and sockets."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from streamer.errors import ServerError
from streamer.hot import Entry, head, render

HEADER = "Streamer-Cluster"
"""Names the header by which servers of one database know each other; who sends it is not sent on again."""

_CONNECT_SECONDS = 2.0
_SILENT_SECONDS = 20.0  # longer than anything is held
_SOCKET_SECONDS = 20.0
_CONNECTIONS = 1024
_EMPTY = 204
_MOST_BYTES = 64 << 20
_OWN_LINES = frozenset(
    {"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding", "upgrade"}
)
_CONTENT = frozenset({"content-type", "content-encoding", "accept-ranges"})
_AGE = re.compile(r"(?:^|[ ,])max-age=(\d{1,9})(?:$|[ ,])")


class PeerGone(ServerError):
    """Another server does not answer, or not to the end."""


class PeerRefuses(ServerError):
    """Another server has no such WebSocket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A whole answer. `fields` are those of the origin; `size` is None where a HEAD tells none."""

    status: int
    fields: dict[str, str]
    body: bytes
    size: int | None

    @property
    def seconds(self) -> int:
        """Return how long caches may keep it."""
        rule = self.fields.get("Cache-Control", "")
        found = _AGE.search(rule)
        return int(found[1]) if found and "no-store" not in rule else 0

    def entry(self, *, age: int = 0) -> Entry:
        """Return what answers are made of, with the fields as they came, and an age in seconds."""
        common = {name: value for name, value in self.fields.items() if name.lower() not in _CONTENT}
        if age:
            common["Age"] = str(age)
        return Entry(
            size=len(self.body) if self.size is None else self.size,
            etag=self.fields.get("ETag", "").strip('"'),
            common=common,
            content={name: value for name, value in self.fields.items() if name.lower() in _CONTENT},
            body=self.body,
        )

    @property
    def lines(self) -> bytes:
        """Return the head of the answer as it is, without its last lines."""
        if self.status == _EMPTY:
            return head(self.status, render(self.fields), length=None)
        if self.size is None:
            return head(self.status, render({**self.fields, "Transfer-Encoding": "chunked"}), length=None)
        return head(self.status, render(self.fields), length=self.size)


class Upstream:
    """Asks other servers. Call `close` at the end."""

    def __init__(self, secret: str) -> None:
        """Take what the servers of this database know each other by."""
        self._headers = {HEADER: secret}
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def fetch(self, url: str, *, method: str = "GET", gzip: bool = False) -> Fetched:
        """Return a whole answer. Raise PeerGone."""
        async with self._asked(url, method=method, gzip=gzip) as response:
            body = await response.read()
            length = response.headers.get("Content-Length", "" if method == "HEAD" else str(len(body)))
            return Fetched(
                status=response.status,
                fields=_fields(response),
                body=body,
                size=int(length) if length.isdecimal() else None,
            )

    @asynccontextmanager
    async def opened(self, url: str) -> AsyncIterator[tuple[Fetched, AsyncGenerator[bytes, None]]]:
        """Give the head of an answer, and its pieces as they come. Raise PeerGone.

        A head without a size is that of an answer that grows.
        """
        async with self._asked(url, method="GET", gzip=False) as response:
            size = response.content_length
            yield (
                Fetched(status=response.status, fields=_fields(response), body=b"", size=size),
                _pieces(response),
            )

    @asynccontextmanager
    async def socket(self, url: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Give a WebSocket. Raise PeerGone, PeerRefuses."""
        try:
            async with self._client().ws_connect(
                url, headers=self._headers, heartbeat=_SOCKET_SECONDS, max_msg_size=_MOST_BYTES, compress=0
            ) as socket:
                yield socket
        except aiohttp.WSServerHandshakeError as error:
            raise PeerRefuses(error.message) from error
        except (aiohttp.ClientError, OSError) as error:
            raise PeerGone(f"Another server is gone: {error!r}") from error

    @asynccontextmanager
    async def _asked(self, url: str, *, method: str, gzip: bool) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = {**self._headers, "Accept-Encoding": "gzip" if gzip else "identity"}
        try:
            async with self._client().request(
                method, url, headers=headers, allow_redirects=False
            ) as response:
                yield response
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise PeerGone(f"Another server is gone: {error!r}") from error

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_CONNECTIONS),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=_CONNECT_SECONDS, sock_read=_SILENT_SECONDS
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                read_bufsize=1 << 20,
            )
        return self._session


async def _pieces(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    async for piece in response.content.iter_any():
        yield piece


def _fields(response: aiohttp.ClientResponse) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name.lower() not in _OWN_LINES}
