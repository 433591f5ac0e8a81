"""The composition root: makes every part and hands each what it needs. No logic."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from packager.farm import Farm
from packager.inits import Inits
from packager.package import encoder_build
from packager.process import Spawner
from packager.store import DiskStore, Scoped
from streamer import __version__
from streamer.access import Access, require_token
from streamer.assets import Assets
from streamer.catalog import Catalog
from streamer.channel import Channels
from streamer.config import Config
from streamer.control import Control
from streamer.database import Database
from streamer.ffmpeg import find
from streamer.health import Health
from streamer.ledger import SqlLedger
from streamer.making import WORKER, Tools
from streamer.metrics import Metrics
from streamer.openapi import OpenApi
from streamer.origin import Origin
from streamer.pages import Pages
from streamer.problems import problem_middleware
from streamer.replays import Replays
from streamer.rows import show, wall_clock
from streamer.session import Session
from streamer.shelf import Shelf
from streamer.snapshots import Snapshots
from streamer.tokens import Tokens
from streamer.uploads.directory import DiskInbox
from streamer.uploads.intake import UploadSettings
from streamer.uploads.reception import Reception
from streamer.uploads.routes import routes as upload_routes
from streamer.works import Works

_PROBES = 2
_DISK_THREADS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A composed server: the application to serve, and what the commands around it need."""

    app: web.Application
    catalog: Catalog
    reception: Reception


@asynccontextmanager
async def compose(config: Config) -> AsyncIterator[Server]:
    """Make the server and start its work; on leaving, stop it so that the next life can go on."""
    async with AsyncExitStack() as stack:
        for folder in (config.data, config.data / "indexes"):
            await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        database = await Database.open(config.data / "catalog.sqlite")
        stack.push_async_callback(database.close)
        tokens = Tokens(database)
        await require_token(config, tokens)
        disk = stack.enter_context(ThreadPoolExecutor(_DISK_THREADS, thread_name_prefix="disk"))
        store = DiskStore(config.data / "media", executor=disk)
        await store.sweep()
        spawner = await stack.enter_async_context(Spawner(find(config.ffmpeg)))
        build = await encoder_build(spawner)
        farm = await stack.enter_async_context(Farm(spawner, slots=config.encode_slots))
        channels = Channels(database)
        catalog, ledger = Catalog(database, channels), SqlLedger(database, channels)
        await catalog.open_library()
        await ledger.close_runs(WORKER)
        tools = Tools(
            catalog=catalog,
            ledger=ledger,
            channels=channels,
            store=store,
            spawner=spawner,
            farm=farm,
            inits=Inits(spawner),
            encoder=build,
            indexes=config.data / "indexes",
            probes=asyncio.Semaphore(_PROBES),
        )
        inbox = DiskInbox(config.data / "uploads", reserve=config.disk_reserve_bytes)
        shelf = Shelf(catalog, ledger, store, making=lambda asset: works.making(asset))  # noqa: PLW0108 - works comes later
        origin = Origin(store, shelf)
        stack.push_async_callback(origin.close)

        def forget(asset: str) -> None:
            shelf.forget(asset)
            origin.forget(asset)

        works = Works(tools, inbox, forget=forget)
        metrics = Metrics()
        settings = UploadSettings(
            max_size=config.upload_max_bytes, expiry_seconds=config.upload_expiry_seconds
        )
        reception = Reception(inbox=inbox, intake=works, settings=settings, clock=wall_clock)
        replays = Replays(database)

        async def describe(asset: str) -> dict[str, object]:
            return show(await catalog.get(asset))

        control = Control(channels, Snapshots(catalog, ledger, channels).kinds())
        access = Access(tokens, host=config.host, public_url=config.public_url)

        async def count() -> None:
            for state, runs in (await ledger.counts()).items():
                metrics.runs.set(runs, str(state))
            metrics.queue.set(farm.queued)
            metrics.control_clients.set(control.clients)

        metrics.collect(count)
        parts = (
            Assets(catalog, works, replays, store_of=lambda asset: Scoped(store, asset)),
            origin,
            control,
            Session(tokens, access),
            Health(
                database,
                data=config.data,
                disk_reserve_bytes=config.disk_reserve_bytes,
                version=__version__,
                ffmpeg=build,
                sandbox=spawner.tier,
            ),
            metrics,
            OpenApi(__version__),
            Pages(catalog),
        )
        app = web.Application(
            middlewares=[metrics.middleware, problem_middleware, access.middleware], client_max_size=1 << 20
        )
        for part in parts:
            app.add_routes(part.routes())
        app.add_routes(upload_routes(inbox, works, settings, describe=describe, once=replays.once))
        app.on_startup.append(access.check_routes)
        app.on_shutdown.append(lambda _: control.close())
        await works.start()
        stack.push_async_callback(works.stop)
        await reception.recover()
        sweeping = asyncio.create_task(reception.sweep(), name="upload sweeper")
        stack.push_async_callback(_cancel, sweeping)
        yield Server(app=app, catalog=catalog, reception=reception)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
