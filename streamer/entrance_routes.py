"""REST for what is private at a CDN: cookies that let a viewer in to one asset."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from streamer.assets import ROOT
from streamer.entrances import Entrances, wish_of
from streamer.session import answer, json_body


class EntranceRoutes:
    """Handlers of /api/v1/assets/{id}/playback-cookies."""

    def __init__(self, entrances: Entrances, *, asset: Callable[[str], Awaitable[Any]]) -> None:
        """Take what signs, and what returns an asset, or raises where there is none."""
        self._entrances = entrances
        self._asset = asset

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        path = f"{ROOT}/{{asset:[a-z0-9]{{12}}}}/playback-cookies"
        return [web.post(path, self.admit, name="asset-playback-cookies")]

    async def admit(self, request: web.Request) -> web.Response:
        """Answer with cookies for one asset; nothing of them is kept."""
        asset = request.match_info["asset"]
        wish = wish_of(await json_body(request), longest=self._entrances.longest_seconds)
        await self._asset(asset)
        return answer(await self._entrances.admit(asset, wish), status=201)
