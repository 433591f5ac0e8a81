"""STUN and TURN servers, by which publishers over WebRTC find a way to a server behind NAT."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote

_SERVER = re.compile(
    r"(?P<scheme>stun|turns?):(?:(?P<username>[^:@\s]+):(?P<credential>[^:@\s]+)@)?"
    r"(?P<rest>[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?P<transport>\?transport=(?:udp|tcp))?)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IceServer:
    """One server. `uri` is as RFC 7064 and RFC 7065 write it; only TURN has a username and a credential."""

    uri: str
    username: str = ""
    credential: str = field(default="", repr=False)

    @property
    def link(self) -> str:
        """Return the Link header that tells of it (RFC 9725 §4.6)."""
        told = f'<{self.uri}>; rel="ice-server"'
        if not self.username:
            return told
        named = f'username="{_quoted(self.username)}"; credential="{_quoted(self.credential)}"'
        return f'{told}; {named}; credential-type="password"'


def servers(text: str) -> tuple[IceServer, ...]:
    """Read servers between commas: `stun:HOST:PORT`, `turn:USER:PASSWORD@HOST:PORT?transport=udp`.

    The port and the transport may be left out; user and password are percent-encoded. Raise ValueError, whose
    message has nothing of the text.
    """
    return tuple(_server(part.strip()) for part in text.split(",") if part.strip())


def _server(text: str) -> IceServer:
    found = _SERVER.fullmatch(text)
    if found is None:
        raise ValueError("a server is stun:HOST:PORT or turn:USER:PASSWORD@HOST:PORT")
    plain = found["scheme"] == "stun"
    if plain == bool(found["username"]) or (plain and found["transport"]):
        raise ValueError("turn: has a user and a password, stun: has none, and no transport")
    names = [unquote(found[name] or "") for name in ("username", "credential")]
    if any(not name.isprintable() or not name.isascii() for name in names):
        raise ValueError("user and password are printable ASCII")
    return IceServer(uri=f"{found['scheme']}:{found['rest']}", username=names[0], credential=names[1])


def _quoted(text: str) -> str:
    """Return the inside of a quoted string (RFC 9110 §5.6.4)."""
    return re.sub(r'(["\\])', r"\\\1", text)
