"""`streamer worker`: lend this machine's cores to a cluster."""

from __future__ import annotations

import asyncio
import json as jsonlib
import logging
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack

from packager.package import encoder_build
from packager.process import Spawner
from streamer import storage
from streamer.channel import Channels
from streamer.cluster.joining import Cluster
from streamer.cluster.labour import log_line
from streamer.config import Config
from streamer.database import Database
from streamer.errors import ConfigError
from streamer.ffmpeg import find
from streamer.ledger import SqlLedger
from streamer.notify import open_bus

_DISK_THREADS = 4


async def work(config: Config, *, json: bool = False) -> int:
    """Take Runs until SIGINT or SIGTERM, then finish what runs; return the exit status. Raise ConfigError."""
    if config.database is None:
        raise ConfigError(
            "a worker needs the servers' database: set STREAMER_DATABASE to its postgresql:// URL"
        )
    url = config.database.get_secret_value()
    logging.basicConfig(
        level=config.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    say = _json_line if json else log_line
    async with AsyncExitStack() as stack:
        database = await Database.open(url)
        stack.push_async_callback(database.close)
        bus = await stack.enter_async_context(open_bus(url))
        channels = Channels(database, bus=bus, retention=config.retention)
        ledger = SqlLedger(database, channels)
        cluster = Cluster(config, database, bus=bus, channels=channels, ledger=ledger)
        await stack.enter_async_context(cluster)
        disk = stack.enter_context(ThreadPoolExecutor(_DISK_THREADS, thread_name_prefix="disk"))
        spawner = await stack.enter_async_context(Spawner(find(config.ffmpeg)))
        crew = cluster.crew(
            find=await stack.enter_async_context(storage.sources(config)),
            store=await stack.enter_async_context(storage.beside(config, executor=disk)),
            spawner=spawner,
            encoder=await encoder_build(spawner),
            say=say,
        )
        say("worker.ready", worker=cluster.name, slots=config.encode_slots, pid=os.getpid())
        await crew.work(stop)
    say("worker.stopped", worker=cluster.name)
    return 0


def _json_line(type_: str, **values: object) -> None:
    print(jsonlib.dumps({"type": type_, **values}), flush=True)  # noqa: T201 - the command's output
