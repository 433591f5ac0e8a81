"""REST for markers: tell something at a moment of a broadcast, a recording or a film."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import hdrs, web

from streamer import assets
from streamer.errors import WrongState
from streamer.live import routes as live
from streamer.live.marking import Marking
from streamer.live.streams import Stream
from streamer.marker_wish import wish_of
from streamer.markers import Markers, show
from streamer.replays import Answer, Replays, fingerprint
from streamer.session import answer, json_body

_ASSET: Final = f"{assets.ROOT}/{{asset:[a-z0-9]{{12}}}}/markers"
_ONE: Final = f"{_ASSET}/{{marker:[a-z0-9]{{12}}}}"
_STREAM: Final = f"{live.ROOT}/{live.ONE}/markers"


class MarkerRoutes:
    """Handlers of …/markers."""

    def __init__(
        self,
        marking: Marking,
        markers: Markers,
        replays: Replays,
        *,
        stream: Callable[[str], Awaitable[Stream]],
    ) -> None:
        """Take what adds markers, their rows, what answers repeated requests, and what finds a stream."""
        self._marking = marking
        self._markers = markers
        self._replays = replays
        self._stream = stream

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.post(_STREAM, self.create_live, name="stream-markers"),
            web.get(_ASSET, self.list, name="asset-markers", allow_head=False),
            web.post(_ASSET, self.create, name="asset-markers"),
            web.delete(_ONE, self.delete, name="asset-marker"),
        ]

    async def create_live(self, request: web.Request) -> web.Response:
        """Mark what is on air: now, unless the request names another moment."""
        stream = await self._stream(request.match_info["stream"])
        if not stream.on_air or stream.asset is None:
            raise WrongState("The stream is not on air.")
        return await self._created(request, stream.asset)

    async def create(self, request: web.Request) -> web.Response:
        """Mark a moment of an asset."""
        return await self._created(request, request.match_info["asset"])

    async def list(self, request: web.Request) -> web.Response:
        """Answer with the markers of an asset in the order of their moments."""
        kept = await self._markers.page(request.match_info["asset"])
        return answer({"items": [show(one) for one in kept]})

    async def delete(self, request: web.Request) -> web.Response:
        """Forget a marker; segments that tell of it stay."""
        await self._marking.remove(request.match_info["asset"], request.match_info["marker"])
        return web.Response(status=204, headers={hdrs.CACHE_CONTROL: "no-store"})

    async def _created(self, request: web.Request, asset: str) -> web.Response:
        told = await json_body(request) if request.can_read_body else {}
        wish = wish_of(told)

        async def work() -> Answer:
            return 201, {"asset": asset, **show(await self._marking.add(asset, wish))}

        marks = fingerprint(request.method, request.path, json.dumps(told, sort_keys=True))
        status, body = await self._replays.once(request.headers.get("Idempotency-Key"), marks, work)
        return answer(body, status=status)
