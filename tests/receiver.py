"""A program that webhooks post to, as the test wishes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from aiohttp import web


@dataclass(frozen=True)
class Request:
    """What was posted."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict:
        return json.loads(self.body)


class Receiver:
    """Notes every request, and answers as `answer` says: a status, None never."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answer: Callable[[Request], int | None] = lambda _: 204
        self.url = ""
        self.headers = {"Location": "/elsewhere"}
        self._changed = asyncio.Condition()

    @property
    def told(self) -> list:
        """The data of the events, in the order in which they came."""
        return [request.event["data"] for request in self.requests]

    async def has(self, number: int, *, seconds: float = 20) -> None:
        """Wait until so many requests have come."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: len(self.requests) >= number)

    async def hear(self, request: web.Request) -> web.Response:
        said = Request(path=request.path, headers=dict(request.headers), body=await request.read())
        async with self._changed:
            self.requests.append(said)
            self._changed.notify_all()
        status = self.answer(said)
        if status is None:
            await asyncio.Event().wait()
        return web.Response(status=status, headers=self.headers, body=b"x" * 100_000)


@contextlib.asynccontextmanager
async def receiving(port: int = 0) -> AsyncIterator[Receiver]:
    """Run a receiver on loopback."""
    receiver = Receiver()
    app = web.Application(client_max_size=1 << 20)
    app.router.add_post("/{tail:.*}", receiver.hear)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        yield receiver
    finally:
        await runner.cleanup()
