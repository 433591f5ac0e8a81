"""REST for live streams: make, list, show, change, delete, another key, end what is on air."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Container
from typing import Any, Final, Protocol

from aiohttp import hdrs, web

from streamer.access import Policy, principal_key
from streamer.cursors import page_limit
from streamer.errors import InvalidRequest, WrongState
from streamer.live.addresses import Addresses
from streamer.live.lines import Lines
from streamer.live.register import PAGE_MAX, Register
from streamer.live.slates import MOST_BYTES
from streamer.live.streams import Settings, Stream, show
from streamer.live.wish import settings_of, title_of
from streamer.replays import Answer, Replays, fingerprint
from streamer.session import answer, json_body, raw_body

ROOT: Final = "/api/v1/live"
UNTITLED: Final = "Live"
ONE: Final = r"{stream:[a-z0-9]{12}}"


class Broadcasting(Protocol):
    """What encodes what publishers send."""

    async def end(self, stream: str) -> None:
        """End the broadcast of a stream and return when its recording is there. Raise WrongState without."""


class Pictures(Protocol):
    """What keeps the slates of streams."""

    async def put(self, stream: str, body: bytes) -> None:
        """Keep a picture as a stream's own. Raise InvalidRequest where it cannot be shown."""

    async def drop(self, stream: str) -> None:
        """Have a stream show the built-in picture again."""


class Streams:
    """Handlers of /api/v1/live."""

    def __init__(
        self,
        register: Register,
        air: Broadcasting,
        replays: Replays,
        *,
        slates: Pictures,
        settings: Settings,
        addresses: Addresses,
        lines: Lines | None = None,
        destinations: Container[str] = (),
        changed: Callable[[str], Awaitable[None]],
    ) -> None:
        """Take the register, what ends broadcasts, and the settings of a stream that wishes for nothing.

        `lines` tells ports of SRT, None where there are none; `destinations` are names of configured ones;
        `changed` is told of what is set anew.
        """
        self._register = register
        self._air = air
        self._slates = slates
        self._replays = replays
        self._settings = settings
        self._addresses = addresses
        self._lines = lines
        self._destinations = destinations
        self._changed = changed

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        one = f"{ROOT}/{ONE}"
        return [
            web.get(ROOT, self.list, name="streams", allow_head=False),
            web.post(ROOT, self.create, name="streams"),
            web.get(one, self.show, name="stream", allow_head=False),
            web.patch(one, self.change, name="stream"),
            web.delete(one, self.delete, name="stream"),
            web.post(f"{one}/key", self.rotate, name="stream-key"),
            web.post(f"{one}/end", self.end, name="stream-end"),
            web.put(f"{one}/slate", self.put_slate, name="stream-slate"),
            web.delete(f"{one}/slate", self.drop_slate, name="stream-slate"),
        ]

    async def list(self, request: web.Request) -> web.Response:
        """Answer with a page of streams, newest first."""
        query = request.query
        limit = page_limit(query.get("limit", "20"), PAGE_MAX)
        page = await self._register.page(cursor=query.get("cursor"), limit=limit)
        return answer({"items": [self._shown(request, one) for one in page.items], "next": page.next})

    async def create(self, request: web.Request) -> web.Response:
        """Make a stream. Its key is in this answer and in no other."""
        wish = await json_body(request) if request.can_read_body else {}
        title = title_of(wish) or UNTITLED
        settings = settings_of(wish, self._settings, destinations=self._destinations)
        secret: dict[str, str] = {}

        async def work() -> Answer:
            stream, secret["key"] = await self._register.create(title=title, settings=settings)
            await self._tell_lines()
            return 201, self._plain(request, stream)

        # What is kept for a repetition is not secret: who repeats a request gets the stream and no key.
        status, told = await self._once(request, json.dumps(wish, sort_keys=True), work=work)
        return answer({**self._owned(request, told), "key": secret.get("key")}, status=status)

    async def show(self, request: web.Request) -> web.Response:
        """Answer with one stream."""
        return answer(self._shown(request, await self._register.get(request.match_info["stream"])))

    async def change(self, request: web.Request) -> web.Response:
        """Change the title or settings; what is on air goes on as it began."""
        wish = await json_body(request)
        if not wish:
            raise InvalidRequest("There is nothing to change.")
        stream = await self._register.get(request.match_info["stream"])
        settings = settings_of(wish, stream.settings, destinations=self._destinations)
        changed = await self._register.change(stream.id, title=title_of(wish), settings=settings)
        await self._changed(stream.id)
        return answer(self._shown(request, changed))

    async def delete(self, request: web.Request) -> web.Response:
        """Delete the stream; its recordings stay. One that is on air is ended first where that is forced."""
        stream = await self._register.get(request.match_info["stream"])
        force = request.query.get("force", "false")
        if force not in {"true", "false"}:
            raise InvalidRequest("`force` is true or false.")
        if force == "true" and stream.on_air:
            await self._air.end(stream.id)
        await self._register.delete(stream.id)
        await self._slates.drop(stream.id)
        return _nothing()

    async def put_slate(self, request: web.Request) -> web.Response:
        """Take a PNG or JPEG as what is shown while nobody publishes, from the next broadcast on."""
        stream = await self._register.get(request.match_info["stream"])
        await self._slates.put(stream.id, await raw_body(request, MOST_BYTES))
        return _nothing()

    async def drop_slate(self, request: web.Request) -> web.Response:
        """Show the built-in picture again."""
        stream = await self._register.get(request.match_info["stream"])
        await self._slates.drop(stream.id)
        return _nothing()

    async def rotate(self, request: web.Request) -> web.Response:
        """Give the stream another key, which is in this answer and in no other."""
        stream, key = await self._register.rotate_key(request.match_info["stream"])
        await self._tell_lines()
        return answer({**self._shown(request, stream), "key": key})

    async def end(self, request: web.Request) -> web.Response:
        """End what is on air, and answer when the recording is there."""

        async def work() -> Answer:
            stream = await self._register.get(request.match_info["stream"])
            if not stream.on_air:
                raise WrongState("The stream is not on air.")
            await self._air.end(stream.id)
            return 200, self._plain(request, await self._register.get(stream.id))

        status, told = await self._once(request, work=work)
        return answer(self._owned(request, told), status=status)

    def _shown(self, request: web.Request, stream: Stream) -> dict[str, Any]:
        return self._owned(request, self._plain(request, stream))

    def _plain(self, request: web.Request, stream: Stream) -> dict[str, Any]:
        """Return what may be kept for a repetition: nothing of it is secret."""
        return {**show(stream), "ingest": self._addresses.of(request.host)}

    def _owned(self, request: web.Request, shown: dict[str, Any]) -> dict[str, Any]:
        """Return a stream as shown with SRT's address, which has the passphrase, for administrators."""
        owner = request[principal_key].policy >= Policy.ADMIN
        line = self._lines.of(shown["id"]) if self._lines is not None and owner else None
        return shown if line is None else {**shown, "ingest": self._addresses.of(request.host, line)}

    async def _tell_lines(self) -> None:
        if self._lines is not None:
            await self._lines()

    async def _once(self, request: web.Request, *marks: str, work: Any) -> Answer:
        key = request.headers.get("Idempotency-Key")
        return await self._replays.once(key, fingerprint(request.method, request.path, *marks), work)


def _nothing() -> web.Response:
    return web.Response(status=204, headers={hdrs.CACHE_CONTROL: "no-store"})
