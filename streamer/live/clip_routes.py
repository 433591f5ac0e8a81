"""REST for clips: cut one out of a broadcast."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from aiohttp import web

from streamer.assets import ROOT
from streamer.errors import InvalidRequest
from streamer.live.clips import Clips
from streamer.live.wish import title_of
from streamer.replays import Answer, Replays, fingerprint
from streamer.rows import seconds, show
from streamer.session import answer, json_body

_LATEST = 10**9


class Cuts:
    """Handlers of /api/v1/assets/{id}/clips."""

    def __init__(self, clips: Clips, replays: Replays) -> None:
        """Take what cuts, and what answers repeated requests."""
        self._clips = clips
        self._replays = replays

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [web.post(f"{ROOT}/{{asset:[a-z0-9]{{12}}}}/clips", self.create, name="asset-clips")]

    async def create(self, request: web.Request) -> web.Response:
        """Cut a clip; the answer says where it came to begin and end."""
        wish = await json_body(request)
        if unknown := wish.keys() - {"start", "end", "title"}:
            raise InvalidRequest(f"There is no `{min(unknown)}` of a clip.")
        start, end, title = _time(wish, "start"), _time(wish, "end"), title_of(wish)
        if start >= end:
            raise InvalidRequest("`end` is behind `start`.")

        async def work() -> Answer:
            made = await self._clips.make(request.match_info["asset"], start=start, end=end, title=title)
            told = {**show(made.asset), "start": seconds(made.start), "end": seconds(made.end)}
            return 201, told

        marks = fingerprint(request.method, request.path, json.dumps(wish, sort_keys=True))
        status, told = await self._replays.once(request.headers.get("Idempotency-Key"), marks, work)
        return answer(told, status=status)


def _time(wish: Mapping[str, Any], name: str) -> Fraction:
    value = wish.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LATEST:
        raise InvalidRequest(f"`{name}` is a number of seconds.")
    return Fraction(str(value))  # what its digits say
