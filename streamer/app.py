"""The composition root: makes every part and hands each what it needs. No logic."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from packager.farm import NOW_SLOTS, SOON_SLOTS
from packager.store import Scoped
from streamer import __version__, receiving, sharing, workshop
from streamer.access import Access
from streamer.assets import Assets
from streamer.audience import Audience
from streamer.beacons import Beacons
from streamer.catalog import Catalog
from streamer.channel_routes import Publications
from streamer.config import Config
from streamer.control import Control
from streamer.entrance_routes import EntranceRoutes
from streamer.entrances import Entrances
from streamer.fallback import fallback
from streamer.gauges import Gauges
from streamer.health import Health
from streamer.leaving import Leaving
from streamer.live import api
from streamer.live.clock import Clock as LiveClock
from streamer.live.station import Station
from streamer.media import Media, made
from streamer.metrics import Metrics
from streamer.openapi import OpenApi
from streamer.operations import Operations, Own
from streamer.oversight import Oversight
from streamer.pages import Pages
from streamer.placement_routes import PlacementRoutes
from streamer.presence import Presence
from streamer.problems import problem_middleware
from streamer.quota import Quota
from streamer.rows import Clock, show, wall_clock
from streamer.session import Session
from streamer.snapshots import Snapshots
from streamer.tools import Tools
from streamer.truth import Truth, cancelled, opened
from streamer.uploads.intake import UploadSettings
from streamer.uploads.reception import Reception
from streamer.uploads.routes import routes as upload_routes
from streamer.webhooks.post import Post
from streamer.works import Works


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A composed server: the application to serve, and what the commands around it need."""

    app: web.Application
    catalog: Catalog
    reception: Reception
    works: Works
    quota: Quota
    live: Station
    leaving: Leaving


@asynccontextmanager
async def compose(
    config: Config,
    *,
    clock: Clock = wall_clock,
    sync: Callable[[int], None] = os.fdatasync,
    resume: bool = True,
) -> AsyncIterator[Server]:
    """Make the server and start its work; on leaving, stop it so that the next life can go on.

    `clock` is the wall clock; `sync` brings a segment's bytes to the disk. Unless it is to `resume`, what an
    earlier life has left stays as it is. Raise ConfigError.
    """
    async with AsyncExitStack() as stack:
        await asyncio.to_thread(config.data.mkdir, parents=True, exist_ok=True)
        stack.enter_context(sharing.directory(config))
        truth = await opened(config, stack, clock)
        metrics = Metrics()
        inbox = await receiving.inbox(config, stack, truth)
        tools = await workshop.tools(config, stack, truth, inbox, sync=sync)
        media = made(config, stack, truth, tools, inbox=inbox, metrics=metrics)
        settings = UploadSettings(
            max_size=config.upload_max_bytes, expiry_seconds=config.upload_expiry_seconds
        )
        reception = Reception(inbox=media.inbox, intake=media.works, settings=settings, clock=clock)
        leaving = Leaving()
        app = _application(
            config, truth, media, tools=tools, metrics=metrics, settings=settings, leaving=leaving
        )
        post = Post(config, truth, metrics)
        app.add_routes(post.routes())
        if resume:
            await media.works.start()
        stack.push_async_callback(media.works.stop)
        if resume:
            post.start()
        stack.push_async_callback(post.stop)
        media.quota.start()
        stack.push_async_callback(media.quota.stop)
        if media.nodes is not None:
            await stack.enter_async_context(media.nodes)
        if media.live.caretaker is not None:
            await stack.enter_async_context(media.live.caretaker)
        stack.push_async_callback(media.live.studio.stop)
        if resume:
            await media.live.studio.start()
            await media.mirrors.start()
        # Before broadcasts end: to those who watch from a bucket they go on in the next life.
        stack.push_async_callback(media.mirrors.stop)
        await stack.enter_async_context(media.live.doors)
        recovered = not resume or await reception.recover()
        sweeping = asyncio.create_task(reception.sweep(recovered=recovered), name="upload sweeper")
        stack.push_async_callback(cancelled, sweeping)
        stack.callback(tools.hands.leave)
        yield Server(
            app=app,
            catalog=truth.catalog,
            reception=reception,
            works=media.works,
            quota=media.quota,
            live=media.live,
            leaving=leaving,
        )


def _application(
    config: Config,
    truth: Truth,
    media: Media,
    *,
    tools: Tools,
    metrics: Metrics,
    settings: UploadSettings,
    leaving: Leaving,
) -> web.Application:
    """Put every route behind the same middlewares."""
    snapshots = Snapshots(truth.catalog, truth.ledger, truth.channels, register=truth.register).kinds()
    guard = media.protection.gate
    access = Access(
        truth.tokens,
        host=config.host,
        public_url=config.public_url,
        proxies=config.trusted_proxies,
        playback=media.protection.tokens.verified,
    )
    presence = Presence(truth.channels, bus=truth.bus, node=config.node_name)
    audience = Audience(truth.channels, presence, Beacons(metrics))
    control = Control(
        truth.channels,
        snapshots,
        audience,
        drain_seconds=config.control_drain_seconds,
        most=config.control_max_clients,
        identified=access.principal,
        vigil=truth.vigil,
        guard=guard,
    )
    instead = fallback(
        truth.channels,
        snapshots,
        most=config.control_max_clients,
        drain_seconds=config.control_drain_seconds,
        vigil=truth.vigil,
        clock=truth.clock,
        guard=guard,
    )
    oversight = Oversight(truth.database, clock=truth.clock)
    gauges = Gauges(
        metrics,
        ledger=truth.ledger,
        oversight=oversight,
        standing=tools.foreman.status,
        clients=lambda: control.clients + instead.clients,
        viewers=lambda: audience.viewers,
        own=not tools.hands.noted,
        clock=truth.clock,
    )
    metrics.collect(gauges.collect)
    app = web.Application(
        middlewares=[metrics.middleware, leaving.middleware, problem_middleware, access.middleware],
        client_max_size=1 << 20,
    )
    operations = _operations(config, oversight, tools=tools, clock=truth.clock)
    parts = _parts(config, truth, media, tools=tools, access=access, leaving=leaving)
    for part in (*parts, operations, control, instead, audience, metrics):
        app.add_routes(part.routes())

    async def describe(asset: str) -> dict[str, object]:
        return show(await truth.catalog.get(asset))

    app.add_routes(media.protection.routes(media.origin.serve))
    app.add_routes(
        upload_routes(media.inbox, media.works, settings, describe=describe, once=truth.replays.once)
    )
    app.on_startup.append(access.check_routes)
    app.cleanup_ctx.append(audience.telling)
    app.on_shutdown.append(lambda _: control.close())
    app.on_shutdown.append(lambda _: instead.close())
    app.on_shutdown.append(lambda _: media.live.close())
    return app


def _parts(
    config: Config, truth: Truth, media: Media, *, tools: Tools, access: Access, leaving: Leaving
) -> tuple[api.Part, ...]:
    """Return what answers requests, apart from uploads, metrics and the control channel."""
    health = Health(
        truth.database,
        data=config.data,
        disk_reserve_bytes=config.disk_reserve_bytes,
        version=__version__,
        ffmpeg=tools.encoder,
        sandbox=tools.spawner.tier,
        leaving=leaving,
    )
    return (
        Assets(
            truth.catalog,
            media.works,
            truth.replays,
            manifests=media.live.marking,
            store_of=lambda asset: Scoped(tools.store, asset),
        ),
        media.origin,
        Session(truth.tokens, access),
        health,
        LiveClock(truth.clock),
        OpenApi(__version__),
        Pages(truth.catalog, truth.register),
        PlacementRoutes(media.mirrors, truth.replays),
        EntranceRoutes(
            Entrances(config.destinations, longest=config.playback_token_max_seconds, clock=truth.clock),
            asset=truth.catalog.get,
        ),
        Publications(truth.channels, truth.replays),
        *api.parts(config, media.live, register=truth.register, markers=truth.markers, replays=truth.replays),
    )


def _operations(config: Config, oversight: Oversight, *, tools: Tools, clock: Clock) -> Operations:
    """Return the operator's view, with this process's own slots as a worker."""
    own = Own(
        name=tools.hands.own,
        slots=config.encode_slots,
        urgent=NOW_SLOTS + SOON_SLOTS,
        encoder=tools.encoder,
        version=__version__,
        started=clock(),
    )
    return Operations(
        oversight, standing=tools.foreman.status, own=None if tools.hands.noted else own, clock=clock
    )
