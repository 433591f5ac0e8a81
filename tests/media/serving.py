"""Serve a folder over HTTP for players under test: media types, ranges and CORS, nothing cached."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

TYPES = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".mpd": "application/dash+xml",
    ".mp4": "video/mp4",
    ".m4s": "video/iso.segment",
    ".vtt": "text/vtt",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".html": "text/html",
    ".jpg": "image/jpeg",
}
Hook = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


@asynccontextmanager
async def serve(*folders: Path, hook: Hook | None = None) -> AsyncIterator[str]:
    """Serve the files of `folders`, the first that has a path winning; yield the base URL without a slash.

    `hook` sees every request first and may answer it: for faults, delays and pages.
    """

    async def answer(request: web.Request) -> web.StreamResponse:
        given = await hook(request) if hook else None
        if given is not None:
            return given
        for folder in folders:
            path = (folder / request.path.lstrip("/")).resolve()
            if path.is_relative_to(folder.resolve()) and path.is_file():
                kind = TYPES.get(path.suffix, "application/octet-stream")
                headers = {"Access-Control-Allow-Origin": "*", "Cache-Control": "no-store"}
                return web.FileResponse(path, headers={**headers, "Content-Type": kind})
        raise web.HTTPNotFound(headers={"Access-Control-Allow-Origin": "*"})

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()
