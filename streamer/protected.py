"""Media over HTTP under a token: `/p/{token}/{id}/{key}` serves what `/v/{id}/{key}` does."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from cdn.grants import Grant, TokenRefused
from cdn.policy import Kind, classify
from packager import keys
from streamer.answers import allowed, not_allowed, preflight, refuse
from streamer.gate import Gate, WrongRung, refusal
from streamer.passage import Passage, passage_key, viewers
from streamer.problems import Problem

ALLOWED: Final = "allowed"
ASKED_SECONDS = 60
"""For how long an edge may go on to let a token pass that it has asked about."""

PATH: Final = "Streamer-Path"
_NARROWED = frozenset({keys.MULTIVARIANT, keys.MPD})
_TARGET = re.compile(
    r"(?:https?://[^/?#]*)?/p/(?P<token>[^/?#]+)/(?P<asset>[a-z0-9]{1,64})"
    r"/(?P<key>[a-z0-9][a-z0-9_./-]{0,300})",
    re.ASCII,
)
Serve = Callable[[web.Request, str, str], Awaitable[web.StreamResponse]]
"""Answers a request for an asset's key."""


class Protected:
    """The handler of `/p/`."""

    def __init__(self, gate: Gate, serve: Serve) -> None:
        """Take who lets requests through, and the origin that answers them."""
        self._gate = gate
        self._serve = serve

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [web.route("*", "/p/{token}/{id}/{tail:.*}", self.handle, name="protected")]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request once its token is verified; the path is taken as it came, undecoded."""
        found = _TARGET.fullmatch(request.raw_path.partition("?")[0])
        if found is None:
            return await refuse(request, _absent(), Kind.FAILED)
        if request.method == "OPTIONS":
            return await preflight(request)
        if request.method not in {"GET", "HEAD"}:
            return await not_allowed(request)
        identity, key = found["asset"], found["key"]
        try:
            grant = (await self._gate.admit(request, found["token"], identity)).grant
            if key.partition("/")[0] == ALLOWED:
                return await self._allowed(request, grant, identity, key)
            _granted(grant, key)
        except TokenRefused as error:
            return await refuse(request, refusal(error), Kind.FAILED)
        request[passage_key] = Passage(
            cache=viewers, granted=grant.rendition if grant.narrow and key in _NARROWED else None
        )
        return await self._serve(request, identity, key)

    async def _allowed(
        self, request: web.Request, grant: Grant, identity: str, key: str
    ) -> web.StreamResponse:
        """Tell an edge whether a token opens a key, which is named behind this one's or in a header.

        Raise WrongRung.
        """
        named = key.partition("/")[2]
        told = named or request.headers.get(PATH, "").partition("?")[0].partition(f"/{identity}/")[2]
        if told and classify(told) is None:
            return await refuse(request, _absent(), Kind.FAILED)
        own = grant.narrow and told in _NARROWED
        if grant.narrow and not told:
            raise WrongRung("This token is for some rungs only: name what is asked for.")
        _granted(grant, told)
        # Kept under the token alone, an answer must not depend on anything else.
        lasting = not grant.personal and (not grant.narrow or bool(named))
        seconds = min(ASKED_SECONDS, self._gate.left(grant)) if lasting else 0
        return await allowed(request, seconds=seconds, own=own)


def _absent() -> Problem:
    return Problem("not-found", "No such object", 404)


def _granted(grant: Grant, key: str) -> None:
    if not grant.key(key):
        raise WrongRung("The token is not for this rung.")
