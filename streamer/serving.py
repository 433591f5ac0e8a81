"""`streamer serve` and `streamer demo`: listen until told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncGenerator
from pathlib import Path

import aiofiles
from aiohttp import web
from rich.console import Console

from streamer.app import Server, compose
from streamer.config import Config

_SAMPLE = "bbb-480p-30s.mp4"
_SAMPLE_TITLE = "Big Buck Bunny, the first half minute"
_GRACE_SECONDS = 5


async def serve(config: Config, *, sample: bool = False) -> int:
    """Serve until SIGINT or SIGTERM; return the exit status."""
    logging.basicConfig(
        level=config.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with compose(config) as server:
        # No access log: it costs twice the request itself, and /metrics counts them all.
        runner = web.AppRunner(
            server.app, access_log=None, handle_signals=False, shutdown_timeout=_GRACE_SECONDS
        )
        await runner.setup()
        try:
            site = web.TCPSite(runner, config.host, config.port, reuse_address=True, backlog=1024)
            await site.start()
            _announce(runner)
            if sample:
                await _add_sample(server)
            await stop.wait()
        finally:
            await runner.cleanup()
    return 0


def _announce(runner: web.AppRunner) -> None:
    host, port = runner.addresses[0][:2]
    shown = f"[{host}]" if ":" in host else host
    Console().print(f"streamer is ready: open http://{shown}:{port}", markup=False, soft_wrap=True)


async def _add_sample(server: Server) -> None:
    """Add the sample unless the library has something to watch."""
    source = Path(__file__).parent / "sample" / _SAMPLE
    if not await asyncio.to_thread(source.is_file):
        source = Path(__file__).parent.parent / "samples" / _SAMPLE
    if (await server.catalog.page(limit=1)).items or not await asyncio.to_thread(source.is_file):
        return
    size = (await asyncio.to_thread(source.stat)).st_size
    upload = await server.reception.begin(title=_SAMPLE_TITLE, length=size, resumable=False)
    await server.reception.receive(upload, 0, _chunks(source), coming=size)


async def _chunks(source: Path) -> AsyncGenerator[bytes, None]:
    async with aiofiles.open(source, "rb") as file:
        while data := await file.read(1 << 20):
            yield data
