"""The gate before media: who may have what of assets and streams that are signed."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Final

from aiohttp import hdrs, web

from cdn.grants import Grant, Network, TokenRefused
from streamer.passage import Passage, edges, passage_key
from streamer.playback_tokens import Pass, PlaybackTokens
from streamer.policies import PlaybackPolicies
from streamer.problems import Problem
from streamer.proxies import Proxies
from streamer.relay.upstream import HEADER as CLUSTER

EDGE: Final = "Streamer-Edge"


class WrongAsset(TokenRefused):
    """The token is another asset's."""

    code = "wrong-asset"


class WrongOrigin(TokenRefused):
    """The token does not hold on this page, or the request does not say from which page it comes."""

    code = "wrong-origin"


class WrongAddress(TokenRefused):
    """The token does not hold at this address."""

    code = "wrong-address"


class WrongRung(TokenRefused):
    """The token grants smaller rungs only, or others."""

    code = "wrong-rung"


class Gate:
    """Lets requests through or refuses them. `edge_secret` is what edges say who ask before they hand out.

    `cluster_secret` is what the servers of one database say to each other: who asks there has been let in
    here. `proxies` are networks whose word is taken for the address a request comes from.
    """

    def __init__(
        self,
        policies: PlaybackPolicies,
        tokens: PlaybackTokens,
        *,
        edge_secret: str | None = None,
        cluster_secret: str | None = None,
        proxies: Sequence[Network] = (),
    ) -> None:
        self._policies = policies
        self._tokens = tokens
        self._secrets = {EDGE: edge_secret, CLUSTER: cluster_secret}
        self._proxies = Proxies(proxies)

    def open(self, identity: str) -> bool:
        """Say without a wait whether an asset is known to be public."""
        standing = self._policies.known(identity)
        return standing is not None and not standing.signed

    async def signed(self, *identities: str) -> bool:
        """Say whether one of these assets and streams is signed. Raise CatalogAway."""
        for identity in dict.fromkeys(identities):
            if (await self._policies.of(identity)).signed:
                return True
        return False

    async def direct(self, request: web.Request, *identities: str) -> Problem | None:
        """Return why a request without a token is refused, None where it may pass; an edge may."""
        if self._says(request, CLUSTER) or not await self.signed(*identities):
            return None
        if not self.is_edge(request):
            return Problem("token-needed", "A playback token is needed", 403, "This is not for everybody.")
        request[passage_key] = Passage(cache=edges)
        return None

    async def admit(self, request: web.Request, token: str, identity: str) -> Pass:
        """Return what a token grants to this request of an asset or a stream. Raise TokenRefused."""
        found = await self._tokens.verified(token)
        if not await self.opens(found.grant, identity):
            raise WrongAsset("The token is for another asset.")
        if not found.grant.from_page(_page(request)):
            raise WrongOrigin("The token does not hold on this page.")
        if not found.grant.from_address(self._proxies.peer(request, trusted=self.is_edge(request))):
            raise WrongAddress("The token does not hold at this address.")
        return found

    async def opens(self, grant: Grant, identity: str) -> bool:
        """Say whether a grant is for an asset or a stream; a stream's is for what it has on air, too."""
        return grant.subject == identity or (await self._policies.of(identity)).stream == grant.subject

    def left(self, grant: Grant) -> int:
        """Return for how many seconds a grant holds from now on."""
        return self._tokens.left(grant)

    def is_edge(self, request: web.Request) -> bool:
        """Say whether a request comes from an edge that knows the secret."""
        return self._says(request, EDGE)

    def _says(self, request: web.Request, header: str) -> bool:
        """Say whether a request has the secret that belongs to a header."""
        said, secret = request.headers.get(header), self._secrets[header]
        if said is None or not secret:
            return False
        return hmac.compare_digest(said.encode("utf-8", "surrogateescape"), secret.encode())


def refusal(error: TokenRefused) -> Problem:
    """Return the problem that tells why a token opens nothing."""
    return Problem(
        "playback-refused", "This may not be played", 403, error.message, extras={"reason": error.code}
    )


def _page(request: web.Request) -> str:
    """Return what a request says about the page it comes from."""
    return request.headers.get(hdrs.ORIGIN) or request.headers.get(hdrs.REFERER) or ""
