"""The pages: shells that the player's bundle fills, and the bundle itself, with siblings in .br and .gz."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import hdrs, web

import player
from cdn.policy import POLICIES, Kind
from player.pages import CONTENT_SECURITY_POLICY, library_html, live_html, operator_html, watch_html
from streamer.catalog import Catalog
from streamer.errors import NoSuchAsset, NoSuchStream
from streamer.live.register import Register
from streamer.live.streams import Stream
from streamer.rows import PlaybackPolicy, show

_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".json": "application/json"}
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """One file of the bundle in memory, and its compressed siblings by coding."""

    media_type: str
    bodies: dict[str, bytes]


class Pages:
    """Handlers of `/`, `/watch/{id}`, `/live`, `/operator` and `/player/…`."""

    def __init__(self, catalog: Catalog, register: Register) -> None:
        self._catalog = catalog
        self._register = register
        self._bundle: dict[str, _File] = {}

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/", self.library, name="library"),
            web.get("/watch/{asset:[a-z0-9]{12}}", self.watch, name="watch"),
            web.get("/live", self.live, name="live"),
            web.get("/operator", self.operator, name="operator"),
            web.get("/player/{tail:[A-Za-z0-9_./-]+}", self.bundle, name="bundle"),
        ]

    async def library(self, request: web.Request) -> web.Response:
        """Answer with the library's shell."""
        return _page(request, library_html())

    async def watch(self, request: web.Request) -> web.Response:
        """Answer with the watch page's shell, of an asset or of a stream; raise NoSuchAsset."""
        identity = request.match_info["asset"]
        try:
            asset = await self._catalog.get(identity)
        except NoSuchAsset:
            with suppress(NoSuchStream):
                return await self._stream(request, await self._register.get(identity))
            raise
        shown = show(asset, log=False)
        return _page(request, watch_html(id=asset.id, title=asset.title, **_preloaded(shown)))

    async def _stream(self, request: web.Request, stream: Stream) -> web.Response:
        """Answer with the page of a stream: it shows what is on air, or the last recording, or waits."""
        shown: dict[str, Any] = {}
        if stream.asset is not None:
            with suppress(NoSuchAsset):  # deleted since
                shown = show(await self._catalog.get(stream.asset), log=False)
        return _page(
            request,
            watch_html(id=stream.asset or "", stream=stream.id, title=stream.title, **_preloaded(shown)),
        )

    async def live(self, request: web.Request) -> web.Response:
        """Answer with the go-live page's shell; who may make streams, the API decides."""
        return _page(request, live_html())

    async def operator(self, request: web.Request) -> web.Response:
        """Answer with the operator page's shell; who may see what is in it, the API decides."""
        return _page(request, operator_html())

    async def bundle(self, request: web.Request) -> web.Response:
        """Answer with a file of the bundle, compressed as far as the client takes it."""
        if not self._bundle:
            self._bundle = await asyncio.to_thread(_read, player.bundle())
        file = self._bundle.get(request.match_info["tail"])
        if file is None:
            raise web.HTTPNotFound
        accepted = request.headers.get(hdrs.ACCEPT_ENCODING, "")
        coding = next((name for name, _ in _ENCODINGS if name in accepted and name in file.bodies), "")
        headers = {
            hdrs.CONTENT_TYPE: file.media_type,
            hdrs.CACHE_CONTROL: POLICIES[Kind.BUNDLE].cache,
            hdrs.VARY: hdrs.ACCEPT_ENCODING,
            hdrs.X_CONTENT_TYPE_OPTIONS: "nosniff",
        }
        if coding:
            headers[hdrs.CONTENT_ENCODING] = coding
        return web.Response(body=file.bodies[coding], headers=headers)


def _preloaded(shown: Mapping[str, Any]) -> dict[str, Any]:
    """Return the addresses that a page begins with: none of what is signed, for which it gets a token."""
    if not shown or shown["policy"] == PlaybackPolicy.SIGNED:
        return {}
    hls = shown["playback"]["hls"] if shown["playback"] else None
    return {"poster": shown["poster"], "storyboard": shown["storyboard"], "hls": hls}


def _page(request: web.Request, text: str) -> web.Response:
    body = text.encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {
        hdrs.CACHE_CONTROL: POLICIES[Kind.PAGE].cache,
        hdrs.ETAG: etag,
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        hdrs.X_CONTENT_TYPE_OPTIONS: "nosniff",
        "Referrer-Policy": "same-origin",
    }
    if request.headers.get(hdrs.IF_NONE_MATCH) == etag:
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type="text/html", charset="utf-8", headers=headers)


def _read(root: Path) -> dict[str, _File]:
    found = {}
    for path in sorted(root.rglob("*")):
        if path.suffix in _TYPES and path.is_file():
            bodies = {"": path.read_bytes()}
            for coding, suffix in _ENCODINGS:
                sibling = path.with_name(path.name + suffix)
                if sibling.is_file():
                    bodies[coding] = sibling.read_bytes()
            media_type = _TYPES[path.suffix]
            if media_type.startswith("text/"):
                media_type += "; charset=utf-8"
            found[path.relative_to(root).as_posix()] = _File(media_type=media_type, bodies=bodies)
    return found
