"""What concerns one connection: it comes on no channel, so without an offset or a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from streamer.vocabulary.kind import About, Carrier, Kind

_HERE = About(carriers=(Carrier.CONNECTION,), numbered=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenExpiring(Kind):
    """The token or session of this connection ends soon, and the connection with it."""

    type: ClassVar[str] = "token.expiring"
    about: ClassVar[About] = _HERE

    seconds: Annotated[int, "how long it still holds"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerDrain(Kind):
    """The server is about to stop: come back after a while, to it or to another one."""

    type: ClassVar[str] = "server.drain"
    about: ClassVar[About] = _HERE

    delay_ms: Annotated[int, "how long to wait before coming back, in milliseconds"]


def message(told: Kind) -> dict[str, Any]:
    """Return what concerns a connection as it is sent."""
    return {"type": told.type, **told.json()}
