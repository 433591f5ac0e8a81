"""`streamer live`: make and list live streams, and end what is on air."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import aiohttp
from rich.console import Console
from rich.table import Table

from streamer.assets import clean_title
from streamer.channel import Channels
from streamer.config import Config
from streamer.database import Database
from streamer.errors import ConfigError, ServerAway
from streamer.live.addresses import Addresses
from streamer.live.register import PAGE_MAX, Register
from streamer.live.routes import ROOT
from streamer.live.wish import configured
from streamer.rows import Role, rfc3339
from streamer.tokens import Tokens

_PATIENCE = aiohttp.ClientTimeout(total=120, connect=5)
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where a server that listens so is reached


@asynccontextmanager
async def _catalog(config: Config) -> AsyncIterator[Database]:
    await asyncio.to_thread(config.data.mkdir, parents=True, exist_ok=True)
    database = await Database.open(config.catalog)
    try:
        yield database
    finally:
        await database.close()


async def create(config: Config, *, title: str, test: bool = False) -> None:
    """Make a stream and print its key, once; with `test` the running server publishes a test card to it.

    Raise ServerAway, ConfigError.
    """
    async with _catalog(config) as database:
        register = Register(database, Channels(database, retention=config.retention))
        stream, key = await register.create(title=clean_title(title), settings=configured(config))
    doors = Addresses(
        public_url=config.public_url,
        rtmp=lambda: _fixed(config.live_rtmp_port),
        rtmps=lambda: _fixed(config.live_rtmps_port),
    )
    console = Console(stderr=True)
    console.print(f"stream {stream.id}: /watch/{stream.id}", markup=False, soft_wrap=True)
    for address in doors.of(_reached(config)).values():
        console.print(f"publish to {address}", markup=False, soft_wrap=True)
    console.print("with this key, which is shown only now:", markup=False)
    print(key)  # noqa: T201 - the command's output, fit for a pipe
    if test:
        await _told(config, f"{ROOT}/{stream.id}/test")
        console.print("the server publishes a test card to it", markup=False)


def _fixed(port: int | Literal["off"]) -> int | None:
    """Return a port that can be named; one that the server is to choose is not known here."""
    return None if port == "off" else port or None


async def show(config: Config) -> None:
    """List the streams."""
    table = Table("id", "title", "state", "made", "broadcast")
    async with _catalog(config) as database:
        register = Register(database, Channels(database, retention=config.retention))
        cursor: str | None = None
        while True:
            page = await register.page(cursor=cursor, limit=PAGE_MAX)
            for stream in page.items:
                table.add_row(
                    stream.id, stream.title, str(stream.state), rfc3339(stream.created), stream.asset or ""
                )
            cursor = page.next
            if cursor is None:
                break
    Console().print(table)


async def end(config: Config, stream: str) -> None:
    """Have the running server end what is on air. Raise ServerAway, ConfigError."""
    told = await _told(config, f"{ROOT}/{stream}/end")
    Console().print(f"stream {stream} is {told['state']}; its recording is {told['asset']}", markup=False)


async def _told(config: Config, path: str) -> dict[str, str]:
    """Have the running server do what a POST asks, and return its answer. Raise ServerAway, ConfigError."""
    if config.port == 0:
        raise ConfigError("name the server's port with --port: it took any free one")
    async with _catalog(config) as database:
        # Whoever may write to the catalog may do everything; the server is told so by a token for this once.
        tokens = Tokens(database)
        token, secret = await tokens.create(Role.ADMIN, "streamer live")
        try:
            return await _asked(config, path, secret)
        finally:
            await tokens.revoke(token.id)


async def _asked(config: Config, path: str, secret: str) -> dict[str, str]:
    host = _reached(config)
    url = f"http://{f'[{host}]' if ':' in host else host}:{config.port}{path}"
    headers = {"Authorization": f"Bearer {secret}"}
    try:
        async with (
            aiohttp.ClientSession(timeout=_PATIENCE, headers=headers) as session,
            session.post(url) as response,
        ):
            told: dict[str, str] = await response.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise ServerAway(f"no streamer answers at {url}: is it running, with this host and port?") from error
    if not response.ok:
        raise ServerAway(told.get("detail") or told.get("title") or f"the server answered {response.status}")
    return told


def _reached(config: Config) -> str:
    return _EVERYWHERE.get(config.host, config.host)
