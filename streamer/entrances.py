"""Signed cookies of CloudFront: one policy for all of an asset, so that manifests stay what they are."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cdn.cloudfront import Cookie, Signer, query_of
from cdn.errors import KeyUnreadable
from packager import keys
from streamer.destinations import Destination, Entrance
from streamer.errors import CannotSign, InvalidRequest, NoSuchDestination
from streamer.playback_wish import USUAL_SECONDS
from streamer.rows import Clock, rfc3339

_KNOWN: Final = frozenset({"destination", "expires_seconds", "address"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Where an asset is read, for how many seconds, and from which network only, if not from any."""

    destination: str
    seconds: int
    address: str | None


def wish_of(said: Mapping[str, Any], *, longest: int) -> Wish:
    """Read a request's body. Raise InvalidRequest."""
    if unknown := said.keys() - _KNOWN:
        raise InvalidRequest(f"There is no `{min(unknown)}` of playback cookies.")
    destination, address = said.get("destination"), said.get("address")
    if not isinstance(destination, str):
        raise InvalidRequest("`destination` is the name of a configured destination.")
    seconds = said.get("expires_seconds", min(USUAL_SECONDS, longest))
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 0 < seconds <= longest:
        raise InvalidRequest(f"`expires_seconds` is a whole number from 1 to {longest}.")
    try:
        network = None if address is None else str(ipaddress.IPv4Network(address))
    except ValueError as error:
        raise InvalidRequest("`address` is an IPv4 address or network.") from error
    return Wish(destination=destination, seconds=seconds, address=network)


class Entrances:
    """Lets viewers in to what is published behind CloudFront, with the keys of the destinations."""

    def __init__(self, destinations: Mapping[str, Destination], *, longest: int, clock: Clock) -> None:
        """Take the destinations, and for how many seconds anybody is let in at most."""
        self.longest_seconds = longest
        self._destinations = destinations
        self._clock = clock

    async def admit(self, asset: str, wish: Wish) -> dict[str, Any]:
        """Return what lets in to one asset, as it is shown. Raise NoSuchDestination, CannotSign."""
        destination = self._destinations.get(wish.destination)
        entrance = None if destination is None else destination.cloudfront
        if entrance is None:
            raise NoSuchDestination(f"No destination {wish.destination!r} has a table `cloudfront`.")
        signer = await _signer(entrance)
        root = f"{entrance.url.rstrip('/')}/{asset}/"
        until = self._clock() // 1000 + wish.seconds
        cookies = signer.cookies(f"{root}*", until=until, domain=entrance.cookie_domain, address=wish.address)
        return {
            "destination": wish.destination,
            "expires": rfc3339(until * 1000),
            "playback": {"hls": root + keys.MULTIVARIANT, "dash": root + keys.MPD},
            "cookies": [_show(cookie) for cookie in cookies],
            "query": query_of(cookies),
        }


async def _signer(entrance: Entrance) -> Signer:
    try:
        pem = await asyncio.to_thread(entrance.key_file.read_bytes)
        return Signer(entrance.key_pair, pem)
    except OSError as error:
        raise CannotSign(f"The key of CloudFront cannot be read: {error.strerror}.") from error
    except KeyUnreadable as error:
        raise CannotSign(error.message) from error


def _show(cookie: Cookie) -> dict[str, Any]:
    return {
        "name": cookie.name,
        "value": cookie.value,
        "domain": cookie.domain,
        "path": cookie.path,
        "set_cookie": cookie.header,
    }
