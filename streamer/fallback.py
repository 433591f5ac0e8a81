"""The control channel where no WebSocket passes: an event stream, and one poll after another."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import hdrs, web

from cdn.policy import POLICIES, Kind
from streamer.access import principal_key
from streamer.channel import Channels
from streamer.errors import InvalidRequest
from streamer.places import parse
from streamer.polling import Polling
from streamer.rows import Clock
from streamer.snapshots import Snapshot
from streamer.sse import Streaming
from streamer.subscribing import CHANNELS_MAX, NAME_MAX, Guard, Subscribing, Wish
from streamer.vigil import Vigil

LAST_EVENT_ID = "Last-Event-ID"


def fallback(
    channels: Channels,
    snapshots: Mapping[str, Snapshot],
    *,
    most: int,
    drain_seconds: float,
    vigil: Vigil,
    clock: Clock,
    guard: Guard | None = None,
) -> Fallback:
    """Return the two over channels and the snapshot makers for each kind of them.

    `most` may use each of them at one time; when the server stops, they come back within `drain_seconds`.
    `guard` says what is signed.
    """
    subscribing = Subscribing(channels, snapshots, guard=guard)
    return Fallback(
        Streaming(subscribing, most=most, drain_seconds=drain_seconds, vigil=vigil),
        Polling(subscribing, most=most, drain_seconds=drain_seconds, clock=clock),
    )


class Fallback:
    """Handlers of /control/sse and /control/poll."""

    def __init__(self, streaming: Streaming, polling: Polling) -> None:
        """Take what serves the two."""
        self._streaming = streaming
        self._polling = polling

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/control/sse", self.stream, name="control-sse", allow_head=False),
            web.get("/control/poll", self.poll, name="control-poll", allow_head=False),
        ]

    @property
    def clients(self) -> int:
        """How many streams are open and polls are held."""
        return self._streaming.clients + self._polling.waiting

    async def close(self) -> None:
        """Ask every client to come back later, for when the server stops."""
        self._polling.close()
        await self._streaming.close()

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Send events as they happen, until either side ends it."""
        return await self._streaming.serve(request, _wish(request))

    async def poll(self, request: web.Request) -> web.Response:
        """Answer with what was missed, or with what happens next."""
        answer = await self._polling.answer(_wish(request))
        policy = POLICIES[Kind.POLL if answer.public else Kind.API]
        headers = {hdrs.CACHE_CONTROL: policy.cache, "X-Content-Type-Options": "nosniff"}
        return web.Response(body=answer.body, content_type=policy.media_type, headers=headers)


def _wish(request: web.Request) -> Wish:
    """Return what is asked for; a stream that goes on says where in a header, not in the query."""
    channels = tuple(dict.fromkeys(request.query.getall("channel", [])))
    if not 1 <= len(channels) <= CHANNELS_MAX:
        raise InvalidRequest(f"Name 1 to {CHANNELS_MAX} channels, each as `channel`.")
    if any(not 0 < len(channel) <= NAME_MAX for channel in channels):
        raise InvalidRequest(f"A channel's name has 1 to {NAME_MAX} characters.")
    cursor = parse(request.headers.get(LAST_EVENT_ID) or request.query.get("cursor", ""))
    return Wish(channels=channels, cursor=cursor, principal=request[principal_key])
