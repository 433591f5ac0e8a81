"""`streamer live`: make and list live streams, and end what is on air."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from rich.console import Console
from rich.table import Table

from streamer.asking import opened, reached, told
from streamer.assets import clean_title
from streamer.channel import Channels
from streamer.config import Config
from streamer.errors import ConfigError
from streamer.live.addresses import Addresses
from streamer.live.register import PAGE_MAX, Register
from streamer.live.routes import ROOT
from streamer.live.wish import configured
from streamer.rows import rfc3339


async def create(
    config: Config,
    *,
    title: str,
    passthrough: bool = False,
    destination: str | None = None,
    test: bool = False,
) -> None:
    """Make a stream and print its key, once; with `test` the running server publishes a test card to it.

    With `passthrough` the publisher's pictures are the top rung as they are. What is on air goes to the
    `destination` as well. Raise ServerAway, ConfigError.
    """
    if destination is not None and destination not in config.destinations:
        raise ConfigError(f"no destination is named {destination!r}")
    async with opened(config) as database:
        register = Register(database, Channels(database, retention=config.retention))
        settings = replace(configured(config), passthrough=passthrough)
        settings = replace(settings, destination=destination or settings.destination)
        stream, key = await register.create(title=clean_title(title), settings=settings)
    doors = Addresses(
        public_url=config.public_url,
        rtmp=lambda: _fixed(config.live_rtmp_port),
        rtmps=lambda: _fixed(config.live_rtmps_port),
    )
    console = Console(stderr=True)
    console.print(f"stream {stream.id}: /watch/{stream.id}", markup=False, soft_wrap=True)
    for address in doors.of(reached(config)).values():
        console.print(f"publish to {address}", markup=False, soft_wrap=True)
    console.print("with this key, which is shown only now:", markup=False)
    print(key)  # noqa: T201 - the command's output, fit for a pipe
    if test:
        await told(config, f"{ROOT}/{stream.id}/test")
        console.print("the server publishes a test card to it", markup=False)


def _fixed(port: int | Literal["off"]) -> int | None:
    """Return a port that can be named; one that the server is to choose is not known here."""
    return None if port == "off" else port or None


async def show(config: Config) -> None:
    """List the streams."""
    table = Table("id", "title", "state", "made", "broadcast")
    async with opened(config) as database:
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
    answer = await told(config, f"{ROOT}/{stream}/end")
    Console().print(f"stream {stream} is {answer['state']}; its recording is {answer['asset']}", markup=False)
