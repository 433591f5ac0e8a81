"""The server's truth on a temporary database, and an application around it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from aiohttp import web

from cdn.shown import InStore
from packager.store import MemoryStore, Scoped
from streamer.access import Access
from streamer.assets import Assets
from streamer.audience import Audience
from streamer.beacons import Beacons
from streamer.bus import Alone
from streamer.catalog import Catalog
from streamer.channel import Channels
from streamer.channel_routes import Publications
from streamer.control import Control
from streamer.database import Database
from streamer.fallback import Fallback
from streamer.health import Health
from streamer.leaving import Leaving
from streamer.ledger import SqlLedger
from streamer.live.addresses import Addresses
from streamer.live.broadcasts import Broadcasts
from streamer.live.register import Register
from streamer.live.routes import Streams
from streamer.live.streams import Settings
from streamer.metrics import Metrics
from streamer.mirrors import Mirrors
from streamer.openapi import OpenApi
from streamer.placement_routes import PlacementRoutes
from streamer.placements import Placements
from streamer.playback_keys import PlaybackKeys
from streamer.polling import Polling
from streamer.presence import Presence
from streamer.problems import problem_middleware
from streamer.replays import Replays
from streamer.rows import Asset, Fill, Rung
from streamer.session import Session
from streamer.snapshots import Snapshots
from streamer.sse import Streaming
from streamer.subscribing import Subscribing
from streamer.tokens import Tokens
from streamer.vigil import Vigil
from tests import lives

EVERYWHERE = "0.0.0.0"  # noqa: S104 - nothing is bound to it


@dataclass
class Ticking:
    """A wall clock that a test moves: milliseconds since the epoch."""

    now: int = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now


@dataclass
class Wishes:
    """Works that only note what was wished for."""

    heard: list[tuple[str, str]] = field(default_factory=list)

    async def retry(self, asset_id: str) -> None:
        self.heard.append(("retry", asset_id))

    async def reencode(self, asset_id: str) -> None:
        self.heard.append(("reencode", asset_id))

    async def remove(self, asset_id: str) -> None:
        self.heard.append(("remove", asset_id))

    async def refill(self, asset_id: str, fill: Fill) -> None:
        self.heard.append((f"fill {fill}", asset_id))

    async def changed(self, asset_id: str) -> None:
        self.heard.append(("changed", asset_id))

    async def captions_changed(self, asset_id: str) -> None:
        self.heard.append(("captions", asset_id))

    async def origin(self, asset_id: str) -> Fraction:
        return Fraction(0)


@dataclass
class Backend:
    """Everything that stands on the database."""

    register: Register
    broadcasts: Broadcasts
    database: Database
    channels: Channels
    catalog: Catalog
    ledger: SqlLedger
    tokens: Tokens
    replays: Replays
    clock: Ticking

    async def planned(self, *, title: str = "Film", generation: str = "g1", segments: int = 10) -> Asset:
        """Create a playable asset with two rungs."""
        asset = await self.catalog.create_asset(title=title)
        return await self.plan(asset.id, generation=generation, segments=segments)

    async def plan(self, asset: str, *, generation: str = "g1", segments: int = 10) -> Asset:
        """Freeze a plan with two rungs."""
        return await self.catalog.set_plan(
            asset,
            generation=generation,
            plan={"preset": "veryfast"},
            rungs=[
                Rung(name="v360", kind="video", width=640, height=360, segments=segments),
                Rung(name="a1", kind="audio", segments=segments),
            ],
            duration=Fraction(1001 * segments, 250),
            source={"container": "mp4"},
            poster=f"{generation}/poster.jpg",
        )


@dataclass
class Ending:
    """An encoder that has nothing: it ends broadcasts at once, with so many segments of a life."""

    back: Backend
    segments: int = 1

    async def end(self, stream: str) -> None:
        for broadcast in await self.back.broadcasts.unfinished():
            if broadcast.stream == stream:
                aired = [lives.over(life, self.segments) for life in broadcast.lives]
                await self.back.broadcasts.end(broadcast.asset.id, aired)


@dataclass
class Hung:
    """Keeps the slates of streams as they came."""

    pictures: dict[str, bytes] = field(default_factory=dict)

    async def put(self, stream: str, body: bytes) -> None:
        self.pictures[stream] = body

    async def drop(self, stream: str) -> None:
        self.pictures.pop(stream, None)


@asynccontextmanager
async def backend(
    folder: Path, name: str = "catalog.db", *, url: str | None = None
) -> AsyncIterator[Backend]:
    """Open the database in the folder, or that of the URL, and close it."""
    clock = Ticking()
    database = await Database.open(url or folder / name)
    channels = Channels(database, clock=clock)
    catalog = Catalog(database, channels, clock=clock)
    await catalog.open_library()
    try:
        yield Backend(
            register=Register(database, channels, clock=clock),
            broadcasts=Broadcasts(database, channels, clock=clock),
            database=database,
            channels=channels,
            catalog=catalog,
            ledger=SqlLedger(database, channels, clock=clock),
            tokens=Tokens(database, clock=clock),
            replays=Replays(database, clock=clock),
            clock=clock,
        )
    finally:
        await database.close()


def mirrors(back: Backend, works: Wishes) -> Mirrors:
    """Return what publishes, with nowhere to publish to."""
    return Mirrors(
        Placements(back.database, back.channels, node="local", clock=back.clock),
        {},
        automatic=None,
        catalog=back.catalog,
        channels=back.channels,
        shown=lambda _: InStore(MemoryStore()),
        refill=works.refill,
        follow=None,
        purging=None,
    )


@dataclass
class Served:
    """An application and the parts of it that a test looks at."""

    app: web.Application
    works: Wishes
    media: MemoryStore
    slates: Hung
    access: Access
    control: Control
    presence: Presence
    fallback: Fallback
    vigil: Vigil
    metrics: Metrics


def served(
    back: Backend,
    data: Path,
    *,
    host: str = "127.0.0.1",
    public_url: str | None = None,
    reserve: int = 0,
    ping_seconds: float = 20,
    stall_seconds: float = 10,
    wait_seconds: float = 25,
    polls: int = 100,
    most: int = 100,
) -> Served:
    """Compose the application as the server does, listening on `host` as far as access is concerned."""
    works, media, metrics, slates = Wishes(), MemoryStore(), Metrics(), Hung()
    access = Access(back.tokens, host=host, public_url=public_url)
    snapshots = Snapshots(back.catalog, back.ledger, back.channels, register=back.register).kinds()
    addresses = Addresses(public_url=public_url, rtmp=lambda: 1936)
    presence = Presence(back.channels, bus=Alone(), node="a", clock=lambda: back.clock.now / 1000)
    audience = Audience(back.channels, presence, Beacons(metrics))
    vigil = Vigil(back.tokens, PlaybackKeys(back.database, clock=back.clock), clock=back.clock)
    control = Control(
        back.channels,
        snapshots,
        audience,
        ping_seconds=ping_seconds,
        stall_seconds=stall_seconds,
        most=most,
        identified=access.principal,
        vigil=vigil,
    )
    subscribing = Subscribing(back.channels, snapshots)
    fallback = Fallback(
        Streaming(
            subscribing,
            beat_seconds=ping_seconds,
            stall_seconds=stall_seconds,
            most=most,
            vigil=vigil,
        ),
        Polling(subscribing, wait_seconds=wait_seconds, most=polls, clock=back.clock),
    )
    app = web.Application(middlewares=[metrics.middleware, problem_middleware, access.middleware])
    for routes in (
        Assets(
            back.catalog,
            works,
            back.replays,
            manifests=works,
            store_of=lambda asset: Scoped(media, asset),
        ).routes(),
        Streams(
            back.register,
            Ending(back),
            back.replays,
            slates=slates,
            settings=Settings(),
            addresses=addresses,
            changed=works.changed,
        ).routes(),
        Publications(back.channels, back.replays).routes(),
        PlacementRoutes(mirrors(back, works), back.replays).routes(),
        Session(back.tokens, access).routes(),
        OpenApi("1.2.3").routes(),
        control.routes(),
        audience.routes(),
        fallback.routes(),
        metrics.routes(),
        Health(
            back.database,
            data=data,
            disk_reserve_bytes=reserve,
            version="1.2.3",
            ffmpeg="9.0",
            sandbox="landlock+seccomp",
            leaving=Leaving(),
        ).routes(),
    ):
        app.router.add_routes(routes)
    app.on_startup.append(access.check_routes)

    async def stop(_app: web.Application) -> None:
        await control.close()
        await fallback.close()

    app.on_shutdown.append(stop)
    return Served(
        app=app,
        works=works,
        media=media,
        slates=slates,
        access=access,
        control=control,
        presence=presence,
        fallback=fallback,
        vigil=vigil,
        metrics=metrics,
    )
