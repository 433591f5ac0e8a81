"""What a playback token grants: which asset, until when, and to whom; read from its claims."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from packager import keys

MOST = 32
"""Entries in each list of limits."""

SKEW_SECONDS = 10
"""How far the clock of who signs may be ahead: `nbf` counts from so much earlier, `exp` as it stands."""

_SUBJECT = re.compile(r"[a-z0-9]{1,64}", re.ASCII)
_HOST = re.compile(r"(?:\*\.)?[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?", re.ASCII)
_PICTURES = re.compile(r"([1-9][0-9]{1,4})p", re.ASCII)
_IGNORED = frozenset({"iat", "iss", "jti"})  # they tell where a token is from, and limit nothing

Network: TypeAlias = IPv4Network | IPv6Network


class TokenRefused(Exception):
    """Base of every way in which a token opens nothing. The message is fit for whoever sent it."""

    code = "refused"

    def __init__(self, message: str) -> None:
        """Keep the message."""
        super().__init__(message)
        self.message = message


class BadClaims(TokenRefused):
    """A claim is missing, not of its kind, or unknown: it may be a limit, so it is not passed over."""

    code = "bad-claims"


class Expired(TokenRefused):
    """The token has expired."""

    code = "expired"


class NotYet(TokenRefused):
    """The token does not hold yet."""

    code = "not-yet"


class TooLong(TokenRefused):
    """The token lives for longer than this server lets any."""

    code = "too-long"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a verified token opens. Times are seconds since the epoch; empty limits limit nothing.

    `origins` are hosts of pages, `*.` before one for those below it. `rungs` are names of rungs of pictures,
    `max_height` the largest of them by its name; sound, text and thumbnails are always granted.
    """

    subject: str
    expires: int
    not_before: int = 0
    origins: tuple[str, ...] = ()
    addresses: tuple[Network, ...] = ()
    rungs: tuple[str, ...] = ()
    max_height: int | None = None

    @property
    def narrow(self) -> bool:
        """Say whether some rungs may be left out."""
        return bool(self.rungs) or self.max_height is not None

    @property
    def personal(self) -> bool:
        """Say whether it depends on who asks, and not on the token alone."""
        return bool(self.origins) or bool(self.addresses)

    def check_time(self, now: int, *, longest: int) -> None:
        """Raise Expired, NotYet, and TooLong where more than `longest` seconds are left."""
        if now >= self.expires:
            raise Expired("The token has expired.")
        if now < self.not_before - SKEW_SECONDS:
            raise NotYet("The token does not hold yet.")
        if self.expires - now > longest:
            raise TooLong(f"The token expires in more than {longest} seconds.")

    def from_page(self, page: str) -> bool:
        """Say whether a page of this Origin, or with this Referer, may play; none is "" and may not."""
        if not self.origins:
            return True
        try:
            host = urlsplit(page).hostname or ""
        except ValueError:
            return False
        return any(
            host.endswith(one[1:]) if one.startswith("*.") else host == one for one in self.origins if host
        )

    def from_address(self, address: str) -> bool:
        """Say whether a client of this address may play."""
        if not self.addresses:
            return True
        try:
            found = ip_address(address)
        except ValueError:
            return False
        mapped = getattr(found, "ipv4_mapped", None) or found
        return any(mapped in network for network in self.addresses)

    def rendition(self, name: str) -> bool:
        """Say whether a rendition is granted."""
        pictures = _PICTURES.fullmatch(name)
        if pictures is None:
            return True
        low = self.max_height is None or int(pictures[1]) <= self.max_height
        return low and (not self.rungs or name in self.rungs)

    def key(self, key: str) -> bool:
        """Say whether an asset's key may be had: media and playlists of rungs that are left out may not."""
        folder, *rest = key.split("/")
        if len(rest) > 1:
            return self.rendition(rest[0])
        return bool(rest) or self.rendition(folder.partition(".")[0])

    def claims(self) -> dict[str, Any]:
        """Return the claims that say this."""
        limits: dict[str, Any] = {
            "nbf": self.not_before,
            "origins": list(self.origins),
            "addresses": [str(network) for network in self.addresses],
            "rungs": list(self.rungs),
            "max_height": self.max_height,
        }
        return {"sub": self.subject, "exp": self.expires, **{name: it for name, it in limits.items() if it}}


def limits_of(claims: Mapping[str, Any]) -> dict[str, Any]:
    """Return the limits among claims as the fields of a Grant. Raise BadClaims."""
    read = {name: parse(claims[name]) for name, parse in _LIMITS.items() if name in claims}
    unknown = claims.keys() - _LIMITS.keys()
    if unknown:
        raise BadClaims(f"There is no claim `{min(unknown)}`.")
    return read


def grant_of(claims: Mapping[str, Any]) -> Grant:
    """Return what claims say. Raise BadClaims."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or _SUBJECT.fullmatch(subject) is None:
        raise BadClaims("`sub` is the id of an asset or a stream.")
    known = {"sub", "exp", "nbf", *_IGNORED}
    return Grant(
        subject=subject,
        expires=_time(claims, "exp"),
        not_before=_time(claims, "nbf") if "nbf" in claims else 0,
        **limits_of({name: value for name, value in claims.items() if name not in known}),
    )


def _time(claims: Mapping[str, Any], name: str) -> int:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1 << 53:
        raise BadClaims(f"`{name}` is a time in seconds since 1970.")
    return int(value)


def _texts(name: str, value: Any) -> list[str]:
    listed = isinstance(value, list) and 0 < len(value) <= MOST
    if not listed or not all(isinstance(one, str) for one in value):
        raise BadClaims(f"`{name}` is a list of 1 to {MOST} texts.")
    return list(value)


def _origins(value: Any) -> tuple[str, ...]:
    hosts = tuple(host.lower() for host in _texts("origins", value))
    if not all(_HOST.fullmatch(host) for host in hosts):
        raise BadClaims("`origins` are host names, or *. and one, without scheme and port.")
    return hosts


def _addresses(value: Any) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(text, strict=False) for text in _texts("addresses", value))
    except ValueError as error:
        raise BadClaims("`addresses` are addresses or networks such as 203.0.113.0/24.") from error


def _rungs(value: Any) -> tuple[str, ...]:
    names = tuple(_texts("rungs", value))
    if not all(keys.NAME.fullmatch(name) for name in names):
        raise BadClaims("`rungs` are names of rungs such as 720p.")
    return names


def _height(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 100_000:
        raise BadClaims("`max_height` is a number of lines.")
    return value


_LIMITS: Mapping[str, Callable[[Any], Any]] = {
    "origins": _origins,
    "addresses": _addresses,
    "rungs": _rungs,
    "max_height": _height,
}
