"""Everything of protected playback put together: policies, keys, tokens, and the gate before media."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

from aiohttp import web

from streamer.config import Config
from streamer.gate import Gate
from streamer.playback_routes import KeyRoutes, TokenRoutes
from streamer.playback_tokens import PlaybackTokens
from streamer.policies import PlaybackPolicies
from streamer.protected import Protected
from streamer.replays import Replays
from streamer.truth import Truth

Serve = Callable[[web.Request, str, str], Awaitable[web.StreamResponse]]


class Protection:
    """Who may watch what, and how that is said in the API."""

    def __init__(self, config: Config, truth: Truth, stack: AsyncExitStack) -> None:
        """Make the parts over the database."""
        self._replays: Replays = truth.replays
        self.policies = PlaybackPolicies(truth.database)
        stack.push_async_callback(self.policies.close)
        self._keys = truth.playback_keys
        self.tokens = PlaybackTokens(
            self._keys, longest_seconds=config.playback_token_max_seconds, clock=truth.clock
        )
        secret, shared = config.edge_secret, config.cluster_secret
        self.gate = Gate(
            self.policies,
            self.tokens,
            edge_secret=None if secret is None else secret.get_secret_value(),
            cluster_secret=None if shared is None else shared.get_secret_value(),
            proxies=config.trusted_proxies,
        )
        self._catalog, self._register = truth.catalog, truth.register

    def routes(self, serve: Serve) -> Sequence[web.RouteDef]:
        """Return the routes; `serve` answers a request for media that has passed."""
        return [
            *Protected(self.gate, serve).routes(),
            *KeyRoutes(self._keys, self._replays).routes(),
            *TokenRoutes(self.tokens, asset=self._catalog.get, stream=self._register.get).routes(),
        ]
