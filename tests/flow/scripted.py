"""A server that answers as a test has written and keeps who asked what, to stand behind an edge."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from aiohttp import hdrs, web


@dataclass(slots=True, kw_only=True)
class Written:
    """One answer; it waits for `ready` where that is given."""

    body: bytes = b"body"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    ready: asyncio.Event | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request that has come."""

    method: str
    target: str
    headers: Mapping[str, str]


class Scripted:
    """Answers by path and query; what is not written is a 404 that says so for a second."""

    def __init__(self) -> None:
        """Begin with nothing written; `start` comes next."""
        self.written: dict[str, Written] = {"/health": Written()}
        self.asked: list[Asked] = []
        self.port = 0
        self._runner: web.AppRunner | None = None

    @property
    def base(self) -> str:
        """The address."""
        return f"http://127.0.0.1:{self.port}"

    def media(self, target: str, **how) -> Written:
        """Write an answer that any page may read, and return it; `cache` is its Cache-Control."""
        tag = {hdrs.ETAG: how.pop("etag")} if "etag" in how else {}
        cache = {hdrs.CACHE_CONTROL: how.pop("cache", "public, max-age=31536000, immutable")}
        open_to_all = {hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*", hdrs.ACCEPT_RANGES: "bytes"}
        headers = {**open_to_all, **cache, **tag, **how.pop("headers", {})}
        self.written[target] = Written(headers=headers, **how)
        return self.written[target]

    def times(self, target: str) -> int:
        """Return how often something has been asked for."""
        return len([one for one in self.asked if one.target == target])

    async def start(self) -> None:
        """Listen, on the same port as before."""
        app = web.Application()
        app.router.add_route("*", "/{any:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Listen no more, and cut every connection."""
        for written in self.written.values():
            if written.ready is not None:
                written.ready.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def until_asked(self, target: str, times: int = 1) -> None:
        """Wait until something has been asked for so often."""
        async with asyncio.timeout(10):
            while self.times(target) < times:
                await asyncio.sleep(0.01)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.path != "/health":
            self.asked.append(
                Asked(method=request.method, target=request.raw_path, headers=dict(request.headers))
            )
        written = self.written.get(request.raw_path)
        if written is None:
            absent = {hdrs.CACHE_CONTROL: "public, max-age=1", hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*"}
            return web.Response(status=404, headers=absent)
        if written.ready is not None:
            await written.ready.wait()
        tag = written.headers.get(hdrs.ETAG)
        if tag and request.headers.get(hdrs.IF_NONE_MATCH) == tag:
            return web.Response(status=304, headers=written.headers)
        return web.Response(status=written.status, headers=written.headers, body=written.body)


@contextlib.asynccontextmanager
async def scripted() -> AsyncIterator[Scripted]:
    """Run one for as long as the block lasts."""
    script = Scripted()
    await script.start()
    try:
        yield script
    finally:
        await script.stop()
