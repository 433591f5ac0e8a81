"""REST of webhooks: make, list, show, change, sign anew, delete; list and replay what was not delivered."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from aiohttp import web

from streamer.cursors import page_limit
from streamer.errors import InvalidRequest
from streamer.replays import Answer, Replays, fingerprint
from streamer.session import answer, json_body
from streamer.webhooks.deliveries import STATES, Deliveries
from streamer.webhooks.deliveries import show as show_delivery
from streamer.webhooks.endpoint import Endpoint, overlap, show, wish
from streamer.webhooks.endpoints import Endpoints
from streamer.webhooks.parking import PARKED

ROOT: Final = "/api/v1/webhooks"
PAGE_MAX: Final = 500
REPLAY_MAX: Final = 1000
_PAGE = "100"
_DELIVERY = re.compile(r"([a-z0-9]{1,64})-([0-9]{1,18})", re.ASCII)


class Webhooks:
    """Handlers of /api/v1/webhooks."""

    def __init__(self, endpoints: Endpoints, deliveries: Deliveries, replays: Replays) -> None:
        """Take the rows, and what answers repeated requests."""
        self._endpoints = endpoints
        self._deliveries = deliveries
        self._replays = replays

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        one = f"{ROOT}/{{id:[a-z0-9]{{12}}}}"
        return [
            web.get(ROOT, self.list, name="webhooks", allow_head=False),
            web.post(ROOT, self.create, name="webhooks"),
            web.get(one, self.show, name="webhook", allow_head=False),
            web.patch(one, self.change, name="webhook"),
            web.delete(one, self.delete, name="webhook"),
            web.post(f"{one}/secret", self.renew, name="webhook-secret"),
            web.get(f"{one}/deliveries", self.deliveries, name="webhook-deliveries", allow_head=False),
            web.post(f"{one}/replay", self.replay, name="webhook-replay"),
        ]

    async def list(self, _request: web.Request) -> web.Response:
        """Answer with every webhook."""
        return answer({"items": [show(one) for one in await self._endpoints.all()]})

    async def create(self, request: web.Request) -> web.Response:
        """Make a webhook. Its secret is in this answer and in no other."""
        said = await json_body(request)
        values = wish(said)
        return await self._told_once(request, said, lambda: self._endpoints.create(values), status=201)

    async def renew(self, request: web.Request) -> web.Response:
        """Give a webhook another secret, which is in this answer and in no other."""
        said = await json_body(request) if request.can_read_body else {}
        both, webhook = overlap(said), request.match_info["id"]
        return await self._told_once(
            request, said, lambda: self._endpoints.renew(webhook, overlap=both), status=200
        )

    async def _told_once(
        self,
        request: web.Request,
        said: Mapping[str, Any],
        make: Callable[[], Awaitable[Endpoint]],
        *,
        status: int,
    ) -> web.Response:
        """Answer with a webhook and its secret; who repeats the request is not told that again."""
        secret: dict[str, str] = {}

        async def work() -> Answer:
            made = await make()
            secret["secret"] = made.secret
            return status, show(made)

        # What is kept for a repetition is not secret.
        marks = fingerprint(request.method, request.path, json.dumps(said, sort_keys=True))
        found, told = await self._replays.once(request.headers.get("Idempotency-Key"), marks, work)
        return answer({**told, "secret": secret.get("secret")}, status=found)

    async def show(self, request: web.Request) -> web.Response:
        """Answer with one webhook."""
        return answer(show(await self._endpoints.get(request.match_info["id"])))

    async def change(self, request: web.Request) -> web.Response:
        """Change a webhook; what is queued goes to where it is by then."""
        values = wish(await json_body(request))
        if not values:
            raise InvalidRequest("There is nothing to change.")
        return answer(show(await self._endpoints.change(request.match_info["id"], values)))

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a webhook with its deliveries."""
        await self._endpoints.delete(request.match_info["id"])
        return web.Response(status=204, headers={"Cache-Control": "no-store"})

    async def deliveries(self, request: web.Request) -> web.Response:
        """Answer with a page of deliveries that wait or are parked, oldest first."""
        query = request.query
        state = query.get("state", PARKED)
        if state not in STATES:
            raise InvalidRequest(f"`state` is one of {', '.join(STATES)}.")
        page = await self._deliveries.page(
            request.match_info["id"],
            state=state,
            cursor=query.get("cursor"),
            limit=page_limit(query.get("limit", _PAGE), PAGE_MAX),
        )
        return answer({"items": [show_delivery(one) for one in page.items], "next": page.next})

    async def replay(self, request: web.Request) -> web.Response:
        """Queue parked deliveries again: those named, or all."""
        said = await json_body(request) if request.can_read_body else {}
        if unknown := said.keys() - {"deliveries"}:
            raise InvalidRequest(f"There is no `{min(unknown)}` of a replay.")
        chosen = _chosen(said["deliveries"]) if "deliveries" in said else None
        replayed = await self._deliveries.replay(request.match_info["id"], chosen)
        return answer({"replayed": replayed}, status=202)


def _chosen(names: Any) -> list[tuple[str, int]]:
    if not isinstance(names, list) or len(names) > REPLAY_MAX:
        raise InvalidRequest(f"`deliveries` is a list of {REPLAY_MAX} ids at most.")
    found = [_DELIVERY.fullmatch(name) if isinstance(name, str) else None for name in names]
    if None in found:
        raise InvalidRequest("`deliveries` has something that is no delivery's id.")
    return [(match[1], int(match[2])) for match in found if match is not None]
