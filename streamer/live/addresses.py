"""Where publishers send to: the addresses of the doors that are open."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

RTMP_PORT = 1935

_APP = "live"


class Addresses:
    """The addresses at which this server takes what publishers send, by protocol."""

    def __init__(self, *, public_url: str | None = None, rtmp: Callable[[], int | None]) -> None:
        """Take the port of RTMP, None while it is closed. `public_url` names the host, or who asks does."""
        self._public = urlsplit(public_url or "").hostname
        self._rtmp = rtmp

    def of(self, host: str) -> dict[str, str]:
        """Return the address of each protocol for somebody who reaches this server as `host`."""
        name = self._public or urlsplit(f"//{host}").hostname or "localhost"
        shown = f"[{name}]" if ":" in name else name
        rtmp = self._rtmp()
        if rtmp is None:
            return {}
        port = "" if rtmp == RTMP_PORT else f":{rtmp}"
        return {"rtmp": f"rtmp://{shown}{port}/{_APP}"}
