"""`streamer serve` and `streamer demo`: listen until told to stop."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import logging
import signal
import socket
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import aiofiles
from aiohttp import web
from rich.console import Console

from streamer.app import Server, compose
from streamer.config import Config
from streamer.errors import ConfigError
from streamer.masking import Masking
from streamer.tls import server_context

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
        doors = [_Door(held.enter_context(one)) for one in await _bound(config.host, config.port)]
        if config.https_port != "off":
            tls = await server_context(config, key="https_port")
            bound = await _bound(config.host, config.https_port, key="STREAMER_HTTPS_PORT")
            doors += [_Door(held.enter_context(one), tls) for one in bound]
        await _serve(config, doors, stop, sample=sample)
    return 0


@dataclass(frozen=True, slots=True)
class _Door:
    """Where requests come in, over TLS or not."""

    socket: socket.socket
    tls: ssl.SSLContext | None = None


def _return_large_blocks() -> None:
    """Have every large block of memory go back to the system as soon as it is freed.

    glibc keeps what is smaller than the largest block freed so far, up to 32 MiB, by thread (mallopt(3)):
    arrays over all frames of a long video live for a moment, and would take their memory for good.
    """
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)


async def _serve(config: Config, doors: Sequence[_Door], stop: asyncio.Event, *, sample: bool) -> None:
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
            for door in doors:
                await web.SockSite(runner, door.socket, ssl_context=door.tls, backlog=_BACKLOG).start()
            _announce(doors)
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


async def _bound(host: str, port: int, *, key: str = "--port") -> list[socket.socket]:
    """Take the address before anything else is begun, for every family the host has.

    Raise ConfigError; `key` names what else can be chosen.
    """
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
        raise ConfigError(_untaken(host, port, error, key=key)) from error
    return taken


def _untaken(host: str, port: int, error: OSError, *, key: str) -> str:
    """Say what to do about an address that cannot be taken."""
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use; choose another with {key}, or {key} 0 for any free one"
    if error.errno == errno.EACCES:
        return f"port {port} is for privileged programs only; choose one above 1023 with {key}"
    return f"cannot listen on {host} port {port}: {error.strerror}"


def _announce(doors: Sequence[_Door]) -> None:
    first = {door.tls is None: door.socket for door in reversed(doors)}
    lines = [f"streamer is ready: open http://{_shown(first[True])}"]
    if False in first:
        lines.append(f"the same over TLS: https://{_shown(first[False])}")
    for line in lines:
        Console().print(line, markup=False, soft_wrap=True)


def _shown(taken: socket.socket) -> str:
    host, port = taken.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


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
