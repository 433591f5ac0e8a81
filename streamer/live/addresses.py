"""Where publishers send to: the addresses of the doors that are open."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from streamer.ingest.srt import Line
from streamer.ingest.whip import PATH as WHIP_PATH

RTMP_PORT = 1935
RTMPS_PORT = 443

_APP = "live"


class Addresses:
    """The addresses at which this server takes what publishers send, by protocol."""

    def __init__(
        self,
        *,
        public_url: str | None = None,
        rtmp: Callable[[], int | None],
        rtmps: Callable[[], int | None] = lambda: None,
        whip: bool = False,
    ) -> None:
        """Take the ports, each None while it is closed, and whether WHIP is taken.

        `public_url` names the host, or who asks does.
        """
        self._public = urlsplit(public_url or "").hostname
        self._root = (public_url or "").rstrip("/")
        self._whip = whip
        self._doors = (("rtmp", rtmp, RTMP_PORT), ("rtmps", rtmps, RTMPS_PORT))

    def of(self, host: str, line: Line | None = None) -> dict[str, str]:
        """Return the address of each protocol for somebody who reaches this server as `host`.

        With a `line` of SRT its address has the passphrase in it, which is for the stream's owner.
        """
        name = self._public or urlsplit(f"//{host}").hostname or "localhost"
        shown = f"[{name}]" if ":" in name else name
        found = {}
        for protocol, door, usual in self._doors:
            port = door()
            if port is not None:
                found[protocol] = f"{protocol}://{shown}{'' if port == usual else f':{port}'}/{_APP}"
        if self._whip:
            found["whip"] = f"{self._root or f'http://{host}'}{WHIP_PATH}"
        if line is not None:
            found["srt"] = f"srt://{shown}:{line.port}?mode=caller&passphrase={line.passphrase}&pbkeylen=16"
        return found
