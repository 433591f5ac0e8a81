"""REST for protected playback: keys that tokens are verified with, and tokens that the server signs."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import hdrs, web

from packager import keys
from streamer.access import Policy, principal_key
from streamer.assets import ROOT as ASSETS
from streamer.assets import clean_title
from streamer.errors import Forbidden, InvalidRequest
from streamer.live.routes import ROOT as STREAMS
from streamer.playback_keys import PlaybackKeys, show
from streamer.playback_tokens import PlaybackTokens
from streamer.playback_wish import VIEWERS_SECONDS, Wish, wish_of
from streamer.replays import Answer, Replays, fingerprint
from streamer.rows import rfc3339
from streamer.session import answer, json_body

ROOT: Final = "/api/v1/playback-keys"
_UNNAMED: Final = "key"


class KeyRoutes:
    """Handlers of /api/v1/playback-keys."""

    def __init__(self, playback_keys: PlaybackKeys, replays: Replays) -> None:
        """Take the keys, and what answers repeated requests."""
        self._keys = playback_keys
        self._replays = replays

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get(ROOT, self.list, name="playback-keys", allow_head=False),
            web.post(ROOT, self.create, name="playback-keys"),
            web.delete(f"{ROOT}/{{id:[a-z0-9]{{12}}}}", self.revoke, name="playback-key"),
        ]

    async def list(self, _request: web.Request) -> web.Response:
        """Answer with every key; private halves are never shown again."""
        return answer({"items": [show(key) for key in await self._keys.all()]})

    async def create(self, request: web.Request) -> web.Response:
        """Keep a public key, or make a pair, whose private half is in this answer and in no other."""
        wish = await json_body(request) if request.can_read_body else {}
        if unknown := wish.keys() - {"name", "public_key"}:
            raise InvalidRequest(f"There is no `{min(unknown)}` of a playback key.")
        name, public = wish.get("name", _UNNAMED), wish.get("public_key")
        if not isinstance(name, str) or not isinstance(public, str | None):
            raise InvalidRequest("`name` and `public_key` are texts.")
        name, secret = clean_title(name), {}

        async def work() -> Answer:
            if public is not None:
                return 201, show(await self._keys.adopt(name, public))
            key, secret["private_key"] = await self._keys.create(name)
            return 201, show(key)

        # What is kept for a repetition is not secret: who repeats a request gets no private half.
        marks = fingerprint(request.method, request.path, json.dumps(wish, sort_keys=True))
        status, told = await self._replays.once(request.headers.get("Idempotency-Key"), marks, work)
        return answer({**told, "private_key": secret.get("private_key")}, status=status)

    async def revoke(self, request: web.Request) -> web.Response:
        """Forget a key: its tokens open nothing from now on."""
        await self._keys.revoke(request.match_info["id"])
        return web.Response(status=204, headers={hdrs.CACHE_CONTROL: "no-store"})


class TokenRoutes:
    """Handlers of …/{id}/playback-tokens of assets and streams."""

    def __init__(
        self,
        tokens: PlaybackTokens,
        *,
        asset: Callable[[str], Awaitable[Any]],
        stream: Callable[[str], Awaitable[Any]],
    ) -> None:
        """Take what signs, and what returns assets and streams, or raises where there is none."""
        self._tokens = tokens
        self._asset = asset
        self._stream = stream

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        asset, stream = (
            f"{ASSETS}/{{asset:[a-z0-9]{{12}}}}/playback-tokens",
            f"{STREAMS}/{{stream:[a-z0-9]{{12}}}}/playback-tokens",
        )
        return [
            web.post(asset, self.of_asset, name="asset-playback-tokens"),
            web.post(stream, self.of_stream, name="stream-playback-tokens"),
        ]

    async def of_asset(self, request: web.Request) -> web.Response:
        """Sign a token for an asset."""
        identity = request.match_info["asset"]
        await self._asset(identity)
        return await self._made(request, identity)

    async def of_stream(self, request: web.Request) -> web.Response:
        """Sign a token for a stream: for what it has on air, or had last."""
        identity = request.match_info["stream"]
        await self._stream(identity)
        return await self._made(request, identity)

    async def _made(self, request: web.Request, identity: str) -> web.Response:
        said = await json_body(request) if request.can_read_body else {}
        wish = wish_of(said, longest=self._tokens.longest_seconds)
        if request[principal_key].policy < Policy.ADMIN and not _modest(wish):
            raise Forbidden(f"Viewers get tokens of {VIEWERS_SECONDS} seconds for themselves, and no others.")
        made = await self._tokens.issue(identity, wish)
        root = f"/p/{made.token}/{identity}/"
        shown = {
            "token": made.token,
            "expires": rfc3339(made.grant.expires * 1000),
            "playback": {"hls": root + keys.MULTIVARIANT, "dash": root + keys.MPD},
            "page": f"/watch/{identity}#token={made.token}",
        }
        return answer(shown, status=201)


def _modest(wish: Wish) -> bool:
    """Say whether a wish is one that viewers may have: not for long, and from now on."""
    return wish.seconds <= VIEWERS_SECONDS and wish.not_before is None
