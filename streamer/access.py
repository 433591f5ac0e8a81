"""Who may do what: one table of routes, one check before every handler, deny by default."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from cdn.grants import TokenRefused
from cdn.sign import looks_like_token
from streamer.config import Config
from streamer.errors import ConfigError, Forbidden, Unauthenticated
from streamer.playback_tokens import Pass
from streamer.problems import Handler, Problem
from streamer.proxies import Network, Proxies, peer_key, peer_of
from streamer.rows import Role
from streamer.throttle import Throttle
from streamer.tokens import Token, Tokens

COOKIE: Final = "streamer_session"
READS = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")


Verified = Callable[[str], Awaitable[Pass]]
"""Returns what a playback token grants. Raises TokenRefused."""


class Policy(IntEnum):
    """The least a caller must be; a greater one may do all that a lesser may."""

    PUBLIC = 0
    VIEWER = 1
    ADMIN = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Who may read a route (GET, HEAD, OPTIONS) and who may write to it."""

    read: Policy = Policy.ADMIN
    write: Policy = Policy.ADMIN


PUBLIC = Rule(read=Policy.PUBLIC)

# Route name → rule. The id of an asset is what one needs to watch it; the list of them is for viewers.
# So it is with streams; keys are told to administrators, and only once.
RULES: Mapping[str, Rule] = {
    "pages": PUBLIC,
    "library": PUBLIC,
    "watch": PUBLIC,
    "live": PUBLIC,  # the shell; what it shows is not
    "operator": PUBLIC,  # as with this one
    "bundle": PUBLIC,
    "favicon": PUBLIC,
    "media": PUBLIC,
    "protected": PUBLIC,  # its token is verified behind this
    "time": PUBLIC,
    "health": PUBLIC,
    "ready": PUBLIC,
    "metrics": Rule(read=Policy.VIEWER),
    "openapi": PUBLIC,
    "session": Rule(read=Policy.PUBLIC, write=Policy.PUBLIC),
    # Each channel is checked when it is subscribed to.
    "control": PUBLIC,
    "control-sse": PUBLIC,
    "control-poll": PUBLIC,
    "control-presence": Rule(read=Policy.PUBLIC, write=Policy.PUBLIC),
    "control-beacon": Rule(read=Policy.PUBLIC, write=Policy.PUBLIC),
    "channel-events": Rule(),
    "assets": Rule(read=Policy.VIEWER),
    "asset": PUBLIC,
    "asset-retry": Rule(),
    "asset-clips": Rule(),
    "asset-markers": PUBLIC,
    "asset-marker": Rule(),
    "asset-reencode": Rule(),
    "asset-captions": Rule(),
    "asset-publish": Rule(),
    "asset-playback-tokens": Rule(write=Policy.VIEWER),
    "asset-playback-cookies": Rule(),
    "stream-playback-tokens": Rule(write=Policy.VIEWER),
    "playback-keys": Rule(),
    "playback-key": Rule(),
    "asset-upload": Rule(),
    "streams": Rule(read=Policy.VIEWER),
    "stream": PUBLIC,
    "stream-key": Rule(),
    "stream-end": Rule(),
    "stream-slate": Rule(),
    "stream-test": Rule(),
    "stream-markers": Rule(),
    # The stream's key, which comes in the first message or as a bearer, is the right.
    "publish": PUBLIC,
    "whip": Rule(read=Policy.PUBLIC, write=Policy.PUBLIC),
    "whip-session": Rule(read=Policy.PUBLIC, write=Policy.PUBLIC),
    "webhooks": Rule(),
    "webhook": Rule(),
    "webhook-secret": Rule(),
    "webhook-deliveries": Rule(),
    "webhook-replay": Rule(),
    "runs": Rule(),
    "queue": Rule(),
    "workers": Rule(),
    "uploads": Rule(),
    "upload": Rule(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who a request comes from. `token` is None for this machine and for the unknown.

    `playback` is a playback token that came in its place: it opens an asset, and makes nobody more.
    """

    policy: Policy
    token: Token | None = None
    playback: Pass | None = None

    @property
    def held(self) -> Token | Pass | None:
        """What it is by, and ends with."""
        return self.token or self.playback


ANYBODY = Principal(policy=Policy.PUBLIC)
THIS_MACHINE = Principal(policy=Policy.ADMIN)
_POLICIES = {Role.VIEWER: Policy.VIEWER, Role.ADMIN: Policy.ADMIN}

principal_key: web.RequestKey[Principal] = web.RequestKey("principal", Principal)


def is_loopback(host: str) -> bool:
    """Say whether a host name or address can only mean this machine."""
    name = host.lower().rstrip(".").strip("[]")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


async def require_token(config: Config, tokens: Tokens) -> None:
    """Raise ConfigError where the server would be reachable from elsewhere without a token."""
    if is_loopback(config.host) or await tokens.has_admin():
        return
    raise ConfigError(
        f"refusing to listen on {config.host} without an administrator token: whoever reaches this address "
        f"could do everything. Make one with `streamer token create --role admin --data {config.data}`, "
        "or listen on 127.0.0.1."
    )


def uncovered(app: web.Application, rules: Mapping[str, Rule] = RULES) -> list[str]:
    """Return the routes that have no rule, as `METHOD path`."""
    return [
        f"{route.method} {route.resource.canonical if route.resource else '?'}"
        for route in app.router.routes()
        if route.name not in rules
    ]


class Access:
    """Lets a request through to its handler, or refuses it with Unauthenticated or Forbidden."""

    def __init__(
        self,
        tokens: Tokens,
        *,
        host: str,
        public_url: str | None = None,
        proxies: Sequence[Network] = (),
        rules: Mapping[str, Rule] = RULES,
        throttle: Throttle | None = None,
        playback: Verified | None = None,
    ) -> None:
        """Take the address that is listened on: on loopback this machine's users are administrators.

        `proxies` are networks whose word is taken for who asks; `playback` verifies playback tokens, where
        such are taken.
        """
        self._tokens = tokens
        self._rules = rules
        self._loopback = is_loopback(host)
        self._public = urlsplit(public_url or "")
        self._proxies = Proxies(proxies)
        self._throttle = throttle or Throttle()
        self._playback = playback

    def secure(self, request: web.Request) -> bool:
        """Say whether the browser comes over TLS, so that cookies may be bound to it."""
        return self._public.scheme == "https" or self._proxies.secure(request)

    async def check_routes(self, app: web.Application) -> None:
        """Raise ConfigError where a route has no rule; for `on_startup`, so nothing is open by oversight."""
        bare = uncovered(app, self._rules)
        if bare:
            raise ConfigError(f"routes without an access rule: {', '.join(bare)}")

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Check host, origin and role, then call the handler."""
        if self._proxies:
            request[peer_key] = self._proxies.peer(request)
        self._check_host(request)
        if request.match_info.http_exception is not None:
            return await handler(request)
        if hdrs.CONTENT_ENCODING in request.headers:
            raise Problem(
                "compressed-request", "Compressed requests are not accepted", 415, "Send the plain body."
            )
        write = request.method not in READS
        upgrade = request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"
        if write or upgrade:
            self._check_origin(request)
        rule = self._rules.get(request.match_info.route.name or "")
        if rule is None:
            raise Forbidden("Nobody may use this route.")
        needed = rule.write if write else rule.read
        principal = await self.identify(request, needed=needed)
        if principal.policy < needed:
            if principal.policy is Policy.PUBLIC:
                raise Unauthenticated("Send a token as `Authorization: Bearer …`, or sign in.")
            raise Forbidden(f"This needs the role {needed.name.lower()}.")
        if (
            write
            and principal.token is not None
            and _by_cookie(request)
            and hdrs.ORIGIN not in request.headers
        ):
            raise Forbidden("A browser session writes with an Origin header only.")
        request[principal_key] = principal
        return await handler(request)

    async def identify(self, request: web.Request, *, needed: Policy = Policy.ADMIN) -> Principal:
        """Return who sent the request. A wrong Bearer token raises Unauthenticated unless all may pass."""
        bearer = _bearer(request)
        if bearer is not None and self._playback is not None and looks_like_token(bearer):
            try:
                return Principal(policy=Policy.PUBLIC, playback=await self._playback(bearer))
            except TokenRefused:
                return ANYBODY
        if bearer is not None:
            token = await self.token(request, bearer) if needed is not Policy.PUBLIC else None
            token = token or await self._tokens.find(bearer)
            if token is not None:
                return Principal(policy=_POLICIES[token.role], token=token)
            return ANYBODY
        cookie = request.cookies.get(COOKIE)
        session = await self._tokens.find(cookie) if cookie else None
        if session is not None:
            return Principal(policy=_POLICIES[session.role], token=session)
        return THIS_MACHINE if self._is_this_machine(request) else ANYBODY

    async def token(self, request: web.Request, secret: str) -> Token:
        """Return the token of a secret. Raise Unauthenticated, and after many of these a 429 problem."""
        return await self._token(secret, peer=peer_of(request))

    async def principal(self, secret: str, peer: str) -> Principal:
        """Return who has this secret, sent from that address, outside of a request. Raise as `token` does."""
        if self._playback is not None and looks_like_token(secret):
            try:
                return Principal(policy=Policy.PUBLIC, playback=await self._playback(secret))
            except TokenRefused as error:
                raise Unauthenticated(error.message) from error
        token = await self._token(secret, peer=peer)
        return Principal(policy=_POLICIES[token.role], token=token)

    async def _token(self, secret: str, *, peer: str) -> Token:
        token = await self._tokens.find(secret)
        if token is not None:
            return token  # whatever others behind the same address have tried
        wait = self._throttle.wait_seconds(peer)
        if wait:
            raise Problem(
                "too-many-attempts",
                "Too many wrong tokens",
                429,
                f"Try again in {wait} seconds.",
                headers={hdrs.RETRY_AFTER: str(wait)},
            )
        self._throttle.failed(peer)
        raise Unauthenticated("The token is not valid.")

    def _is_this_machine(self, request: web.Request) -> bool:
        # A proxy on this machine also comes from loopback, and speaks for the whole world.
        return (
            self._loopback
            and is_loopback(_hostname(request.host))
            and is_loopback(request.remote or "")
            and not any(name in request.headers for name in _FORWARDED)
        )

    def _check_host(self, request: web.Request) -> None:
        # DNS rebinding: a foreign page whose name is made to resolve to 127.0.0.1 still sends its own name.
        host = _hostname(request.host)
        if self._loopback and not is_loopback(host) and host != self._public.hostname:
            raise Forbidden("This server answers to localhost and to its public_url only.")

    def _check_origin(self, request: web.Request) -> None:
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is None:
            if request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
                raise Forbidden("This request comes from another site.")
            return
        if not self._own_origin(request, origin):
            raise Forbidden("This request comes from another origin.")

    def _own_origin(self, request: web.Request, origin: str) -> bool:
        parts = urlsplit(origin)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            return False
        if self._public.netloc and (parts.scheme, parts.netloc) == (self._public.scheme, self._public.netloc):
            return True
        return parts.netloc.lower() == request.host.lower()


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _bearer(request: web.Request) -> str | None:
    scheme, _, secret = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else None


def _by_cookie(request: web.Request) -> bool:
    return _bearer(request) is None
