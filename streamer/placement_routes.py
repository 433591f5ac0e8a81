"""REST for publishing: begin it, say where an asset is published, take it away."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from streamer.assets import ROOT
from streamer.errors import InvalidRequest
from streamer.mirrors import Mirrors
from streamer.placements import show
from streamer.replays import Answer, Replays, fingerprint
from streamer.session import answer, json_body


class PlacementRoutes:
    """Handlers of /api/v1/assets/{id}/publish."""

    def __init__(self, mirrors: Mirrors, replays: Replays) -> None:
        """Take what publishes, and what answers repeated requests."""
        self._mirrors = mirrors
        self._replays = replays

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        path, name = f"{ROOT}/{{asset:[a-z0-9]{{12}}}}/publish", "asset-publish"
        return [
            web.get(path, self.show, name=name, allow_head=False),
            web.post(path, self.publish, name=name),
            web.delete(path, self.withdraw, name=name),
        ]

    async def show(self, request: web.Request) -> web.Response:
        """Answer with where the asset is or was published."""
        found = await self._mirrors.of(request.match_info["asset"])
        return answer({"items": [show(placement) for placement in found]})

    async def publish(self, request: web.Request) -> web.Response:
        """Begin to publish; the answer comes at once, the end is told on the asset's channel."""
        wish = await json_body(request)
        if unknown := wish.keys() - {"destination", "complete", "live"}:
            raise InvalidRequest(f"There is no `{min(unknown)}` of a placement.")
        destination = wish.get("destination")
        complete, live = (_flag(wish, name) for name in ("complete", "live"))
        if not isinstance(destination, str):
            raise InvalidRequest("`destination` is the name of a configured destination.")

        async def work() -> Answer:
            asset = request.match_info["asset"]
            begun = await self._mirrors.publish(asset, destination, all_of_it=complete, live=live)
            return 202, show(begun)

        marks = fingerprint(request.method, request.path, json.dumps(wish, sort_keys=True))
        status, told = await self._replays.once(request.headers.get("Idempotency-Key"), marks, work)
        return answer(told, status=status)

    async def withdraw(self, request: web.Request) -> web.Response:
        """Begin to delete the asset from a destination."""
        destination = request.query.get("destination")
        if destination is None:
            raise InvalidRequest("`destination` is missing.")
        placement = await self._mirrors.withdraw(request.match_info["asset"], destination)
        return answer(show(placement), status=202)


def _flag(wish: Mapping[str, Any], name: str) -> bool:
    value = wish.get(name, False)
    if not isinstance(value, bool):
        raise InvalidRequest(f"`{name}` is true or false.")
    return value
