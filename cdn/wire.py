"""Kept HTTP connections to one host, one for each thread, for requests that are ready to be sent."""

from __future__ import annotations

import http.client
import ssl
import threading
from collections.abc import Mapping
from urllib.parse import urlsplit


class Wire:
    """Sends bodies with PUT. Methods may be called from any thread; `close` when none of them sends."""

    def __init__(self, url: str, *, authorities: str | None, timeout: float) -> None:
        """Take a URL of the host, the file of trusted authorities (None for http) and seconds to wait."""
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port
        self._tls = ssl.create_default_context(cafile=authorities) if parts.scheme == "https" else None
        self._timeout = timeout
        self._own = threading.local()
        self._all: list[http.client.HTTPConnection] = []

    def put(self, path: str, body: bytes, headers: Mapping[str, str]) -> int | None:
        """Return the status of the answer, None where there was none; a lapsed connection is renewed."""
        kept: http.client.HTTPConnection | None = getattr(self._own, "connection", None)
        if kept is not None:
            status = self._sent(kept, path, body, headers)
            if status is not None:
                return status
        self._own.connection = fresh = self._connection()
        return self._sent(fresh, path, body, headers)

    def close(self) -> None:
        """Close every connection."""
        for connection in self._all:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        made: http.client.HTTPConnection
        if self._tls is None:
            made = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        else:
            made = http.client.HTTPSConnection(
                self._host, self._port, timeout=self._timeout, context=self._tls
            )
        self._all.append(made)
        return made

    @staticmethod
    def _sent(
        connection: http.client.HTTPConnection, path: str, body: bytes, headers: Mapping[str, str]
    ) -> int | None:
        try:
            connection.request("PUT", path, body=body, headers=headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            return None
        return answer.status
