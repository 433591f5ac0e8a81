"""Who asks, where proxies stand between: they are believed as far as the operator trusts their networks."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final, TypeAlias

from aiohttp import web

Network: TypeAlias = IPv4Network | IPv6Network
_FOR: Final = "X-Forwarded-For"
_PROTO: Final = "X-Forwarded-Proto"

peer_key: web.RequestKey[str] = web.RequestKey("peer", str)


class Proxies:
    """The networks of proxies whose word is taken; by itself none."""

    def __init__(self, networks: Sequence[Network] = ()) -> None:
        """Take the networks."""
        self._networks = tuple(networks)

    def __bool__(self) -> bool:
        """Say whether there are any."""
        return bool(self._networks)

    def peer(self, request: web.Request, *, trusted: bool = False) -> str:
        """Return the address that a request comes from: the last that no trusted proxy has.

        What a viewer writes into X-Forwarded-For stands before what proxies add. Whoever sends the request is
        `trusted` where something else tells that it is one of ours.
        """
        address = request.remote or ""
        hops = [hop for hop in _listed(request, _FOR) if hop]
        while hops and (trusted or self._has(address)):
            address, trusted = hops.pop(), False
        return address

    def secure(self, request: web.Request) -> bool:
        """Say whether the viewer came over TLS, to this server or to a proxy that is trusted."""
        if request.secure:
            return True
        said = _listed(request, _PROTO)
        return bool(said) and said[-1].lower() == "https" and self._has(request.remote or "")

    def _has(self, address: str) -> bool:
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._networks)


def peer_of(request: web.Request) -> str:
    """Return the address that a request comes from, as the server has found on its way in."""
    return request.get(peer_key) or request.remote or ""


def _listed(request: web.Request, name: str) -> list[str]:
    return [part.strip() for line in request.headers.getall(name, []) for part in line.split(",")]
