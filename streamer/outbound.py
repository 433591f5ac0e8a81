"""The one client for addresses that users give: it asks public servers only, and never for long."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    InvalidURL,
    TCPConnector,
    ThreadedResolver,
    hdrs,
)
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from streamer.errors import ServerError

REDIRECTS = 3
"""How many redirects of a GET are followed; a POST is sent to no other address than the one given."""

_REDIRECTING = frozenset({301, 302, 303, 307, 308})
_CHUNK = 1 << 16
_GLOBAL = IPv6Network("2000::/3")  # all of IPv6 that is routed between networks (RFC 4291 §2.4)
_SIX_TO_FOUR = IPv6Network("2002::/16")
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: IPv4 behind a translator

_NOT_WEB = "Only http and https addresses are asked."

_Address = IPv4Address | IPv6Address


class OutboundError(ServerError):
    """Base of why an address was not asked, or its answer not taken. The message names no address."""


class AddressRefused(OutboundError):
    """The address is none that is asked: no web address, or not on the public internet."""


class NoAnswer(OutboundError):
    """The server cannot be reached, or broke off."""


class AnswerLate(OutboundError):
    """The answer did not come in time."""


class AnswerLarge(OutboundError):
    """The answer is larger than allowed; its status and headers are known all the same."""

    def __init__(self, message: str, *, status: int, headers: Mapping[str, str]) -> None:
        """Keep the message, the status and the headers."""
        super().__init__(message)
        self.status = status
        self.headers = headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What may be asked beside the public internet: hosts by name, wherever they are, and networks."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    def permits(self, host: str, address: str) -> bool:
        """Say whether a host may be asked at an address."""
        if host.lower() in self.hosts:
            return True
        parsed = _parsed(address)
        return parsed is not None and (_public(parsed) or any(parsed in network for network in self.networks))


def allowance(entries: Iterable[str]) -> Allowance:
    """Read hosts, addresses and networks such as 10.0.0.0/8. Raise ValueError."""
    hosts, networks = set(), []
    for entry in entries:
        try:
            networks.append(ip_network(entry))
        except ValueError:
            if not entry or set(entry) & set("/:@ *"):
                raise ValueError(f"{entry!r} is neither a host nor a network") from None
            hosts.add(entry.lower())
    return Allowance(hosts=frozenset(hosts), networks=tuple(networks))


class Outbound:
    """Asks addresses that users give, each with a connection of its own.

    http and https only. A name is resolved once, and connected to is what was checked; so is every redirect.
    Proxies of the environment are not used, cookies not kept, compressed answers not asked for. All raise
    OutboundError. Within `seconds` it is all over, and an answer has at most `most_bytes`.
    """

    def __init__(self, allowed: Allowance | None = None, *, resolver: AbstractResolver | None = None) -> None:
        """Take what is allowed beside the public internet, and who resolves names instead of the system."""
        self._allowed = allowed or Allowance()
        self._resolver = resolver

    def check(self, url: str) -> None:
        """Raise AddressRefused where that can be told before a name is resolved."""
        self._checked(_url(url))

    async def get(self, url: str, *, seconds: float, most_bytes: int) -> Answer:
        """Get what is at an address, over a few redirects."""
        target = self._checked(_url(url))
        async with _bounded(seconds), self._session() as session:
            for _ in range(REDIRECTS + 1):
                async with session.get(target, allow_redirects=False) as response:
                    place = response.headers.get(hdrs.LOCATION)
                    if response.status not in _REDIRECTING or place is None:
                        return await _read(response, most_bytes)
                target = self._checked(target.join(_url(place)))
        raise AddressRefused(f"The address redirects more than {REDIRECTS} times.")

    async def post(
        self, url: str, body: bytes, *, headers: Mapping[str, str], seconds: float, most_bytes: int
    ) -> Answer:
        """Post a body; a redirect is an answer like others."""
        return await self.send(
            hdrs.METH_POST, url, body, headers=headers, seconds=seconds, most_bytes=most_bytes
        )

    async def send(
        self,
        method: str,
        url: str,
        body: bytes,
        *,
        headers: Mapping[str, str],
        seconds: float,
        most_bytes: int,
    ) -> Answer:
        """Send a request of any method; a redirect is an answer like others."""
        target = self._checked(_url(url))
        async with (
            _bounded(seconds),
            self._session() as session,
            session.request(method, target, data=body, headers=headers, allow_redirects=False) as response,
        ):
            return await _read(response, most_bytes)

    def _session(self) -> ClientSession:
        resolver = _Checked(self._resolver or ThreadedResolver(), self._allowed)
        return ClientSession(
            connector=TCPConnector(resolver=resolver, use_dns_cache=False, force_close=True),
            cookie_jar=DummyCookieJar(),
            headers={hdrs.ACCEPT_ENCODING: "identity"},
            auto_decompress=False,
            trust_env=False,
            timeout=ClientTimeout(total=None, sock_connect=None),
        )

    def _checked(self, url: URL) -> URL:
        """Return the URL if it may be asked, as far as can be told before its name is resolved."""
        host = url.raw_host
        if url.scheme not in {"http", "https"} or not host:
            raise AddressRefused(_NOT_WEB)
        if url.user is not None or url.password is not None:
            raise AddressRefused("An address must not contain a user's name or password.")
        # No resolver sees what looks like an address, so it is judged here, as are decimal and octal forms.
        if ":" in host or host.replace(".", "").isdigit():
            _permit(self._allowed, host, host)
        return url


class _Checked(AbstractResolver):
    """Resolves names, and returns no address that may not be asked."""

    def __init__(self, resolver: AbstractResolver, allowed: Allowance) -> None:
        self._resolver = resolver
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        for one in found:
            _permit(self._allowed, host, one["host"])
        return found

    async def close(self) -> None:
        await self._resolver.close()


@asynccontextmanager
async def _bounded(seconds: float) -> AsyncIterator[None]:
    """Tell in our own words of what goes wrong meanwhile, and of lateness."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise AnswerLate(f"There was no whole answer within {seconds:g} seconds.") from error
    except InvalidURL as error:
        raise AddressRefused(_NOT_WEB) from error
    except (ClientError, OSError, UnicodeError) as error:
        raise NoAnswer("The server cannot be reached, or broke off.") from error


async def _read(response: ClientResponse, most: int) -> Answer:
    body = b""
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > most:
            message = f"The answer is larger than {most} bytes."
            raise AnswerLarge(message, status=response.status, headers=response.headers)
    return Answer(status=response.status, headers=response.headers, body=body)


def _url(text: str) -> URL:
    try:
        return URL(text)
    except ValueError as error:
        raise AddressRefused(_NOT_WEB) from error


def _permit(allowed: Allowance, host: str, address: str) -> None:
    if not allowed.permits(host, address):
        raise AddressRefused("The address is not on the public internet; `outbound_allow` may except it.")


def _parsed(address: str) -> _Address | None:
    """Return an address as it is meant: IPv4 within IPv6 is IPv4."""
    try:
        found = ip_address(address)
    except ValueError:
        return None
    if isinstance(found, IPv6Address):
        if found in _NAT64:
            return IPv4Address(int(found) & 0xFFFFFFFF)
        return found.ipv4_mapped or found
    return found


def _public(address: _Address) -> bool:
    if isinstance(address, IPv6Address) and (address not in _GLOBAL or address in _SIX_TO_FOUR):
        return False
    return address.is_global and not address.is_multicast
