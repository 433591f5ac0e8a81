"""`streamer serve` and `streamer demo`: listen until told to stop."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import logging
import signal
import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import aiofiles
from aiohttp import web
from rich.console import Console

from streamer.app import Server, compose
from streamer.config import Config
from streamer.errors import ConfigError
from streamer.masking import Masking

_SAMPLE = "bbb-480p-30s.mp4"
_SAMPLE_TITLE = "Big Buck Bunny, the first half minute"
_GRACE_SECONDS = 5
_BACKLOG = 1024
_M_MMAP_THRESHOLD = -3
_LARGE = 1 << 20


async def serve(config: Config, *, sample: bool = False) -> int:
    """Serve until SIGINT or SIGTERM; return the exit status."""
    _return_large_blocks()
    lines = logging.StreamHandler()
    lines.setFormatter(Masking("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=config.log_level.upper(), handlers=[lines])
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with ExitStack() as held:
        sockets = [held.enter_context(one) for one in await _bound(config.host, config.port)]
        await _serve(config, sockets, stop, sample=sample)
    return 0


def _return_large_blocks() -> None:
    """Have every large block of memory go back to the system as soon as it is freed.

    glibc keeps what is smaller than the largest block freed so far, up to 32 MiB, by thread (mallopt(3)):
    arrays over all frames of a long video live for a moment, and would take their memory for good.
    """
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)


async def _serve(
    config: Config, sockets: Sequence[socket.socket], stop: asyncio.Event, *, sample: bool
) -> None:
    async with compose(config) as server:
        # No access log: it costs twice the request itself, and /metrics counts them all.
        runner = web.AppRunner(
            server.app,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=_GRACE_SECONDS,
            auto_decompress=False,  # a small body must not become a large one
        )
        await runner.setup()
        try:
            for one in sockets:
                await web.SockSite(runner, one, backlog=_BACKLOG).start()
            _announce(runner)
            if sample:
                await _add_sample(server)
            await stop.wait()
            await _leave(server, runner, notice_seconds=config.drain_seconds)
        finally:
            await runner.cleanup()


async def _leave(server: Server, runner: web.AppRunner, *, notice_seconds: int) -> None:
    """Answer what is asked until others have noticed, then nothing new; hand over what is on air."""
    server.leaving.begin()
    await asyncio.sleep(notice_seconds)
    for site in tuple(runner.sites):
        await site.stop()
    await server.live.leave()
    await server.leaving.quiet(_GRACE_SECONDS)


async def _bound(host: str, port: int) -> list[socket.socket]:
    """Take the address before anything else is begun, for every family the host has. Raise ConfigError."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except socket.gaierror as error:
        raise ConfigError(f"{host} is no address of this machine: {error.strerror}") from error
    taken: list[socket.socket] = []
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            taken.append(one := socket.socket(family, socket.SOCK_STREAM))
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind((address[0], port, *address[2:]))
            one.listen(_BACKLOG)
            port = one.getsockname()[1]  # where any would do, the same one for every family
    except OSError as error:
        for one in taken:
            one.close()
        raise ConfigError(_untaken(host, port, error)) from error
    return taken


def _untaken(host: str, port: int, error: OSError) -> str:
    """Say what to do about an address that cannot be taken."""
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use; choose another with --port, or --port 0 for any free one"
    if error.errno == errno.EACCES:
        return f"port {port} is for privileged programs only; choose one above 1023 with --port"
    return f"cannot listen on {host} port {port}: {error.strerror}"


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
