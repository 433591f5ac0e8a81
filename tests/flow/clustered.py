"""A farm on PostgreSQL in the test's process, workers in processes of their own, and Runs of a real file."""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import psycopg
from psycopg.rows import dict_row

from packager.engine import Urgency
from packager.facts import Fact, RunEnded, RunStarted, SegmentStored
from packager.farm import Job
from packager.original import WholeFile
from packager.package import encoder_build
from packager.process import Spawner
from packager.store import DiskStore, Scoped
from streamer.catalog import Catalog
from streamer.channel import Channels
from streamer.cluster.farm import ClusterFarm
from streamer.cluster.joining import Cluster
from streamer.config import Config
from streamer.database import Database
from streamer.ledger import SqlLedger
from streamer.notify import open_bus
from streamer.postgresql import connection_line
from streamer.rows import Rung
from streamer.uploads.directory import DiskInbox
from tests.flow.packaged import Planned, planned
from tests.spawn import Child

HERE = Path(__file__).resolve().parents[2]


@dataclass
class Heard:
    """A sink that keeps what it is told."""

    facts: list[Fact] = field(default_factory=list)

    def __call__(self, fact: Fact) -> None:
        self.facts.append(fact)

    @property
    def stored(self) -> list[tuple[str, int]]:
        return [(one.rendition, one.number) for one in self.facts if isinstance(one, SegmentStored)]

    @property
    def begun(self) -> bool:
        return any(isinstance(one, RunStarted) for one in self.facts)

    @property
    def ends(self) -> list[str]:
        return [one.failure for one in self.facts if isinstance(one, RunEnded)]


@dataclass
class Rig:
    """A cluster with one planned asset. `program` is the FFmpeg of its workers, a file of its own."""

    url: str
    data: Path
    program: Path
    film: Planned
    asset: str
    cluster: Cluster
    farm: ClusterFarm
    store: DiskStore
    spawn: Callable[..., Any]
    build: str

    def job(
        self, name: str, first: int, last: int, *, urgency: Urgency = Urgency.FILL, sink: Heard | None = None
    ) -> Job:
        """Return a Run of segments of one rendition, to be executed for the asset."""
        return Job(
            run=self.film.run(name, first, last),
            urgency=urgency,
            asset=self.asset,
            original=WholeFile(self.film.path),
            store=Scoped(self.store, self.asset),
            sink=sink or Heard(),
        )

    async def worker(self, *, slots: int = 1, program: Path | None = None, **env: str) -> Child:
        """Start a worker and return when it takes Runs."""
        child = await self.spawn(
            *(sys.executable, "-m", "streamer", "worker", "--json", "--slots", str(slots)),
            cwd=HERE,
            env={
                "STREAMER_DATABASE": self.url,
                "STREAMER_DATA": str(self.data),
                "STREAMER_FFMPEG": str(program or self.program),
                **env,
            },
        )
        await child.says("worker.ready", seconds=60)
        return child

    async def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """Ask the database as an operator would."""
        async with await psycopg.AsyncConnection.connect(
            connection_line(self.url), autocommit=True, row_factory=dict_row
        ) as connection:
            return await (await connection.execute(statement, values)).fetchall()

    async def until(self, statement: str, *values: object, seconds: float = 60) -> list[dict[str, Any]]:
        """Wait until a statement returns rows."""
        async with asyncio.timeout(seconds):
            while not (found := await self.rows(statement, *values)):
                await asyncio.sleep(0.02)
        return found


@asynccontextmanager
async def rigged(url: str, folder: Path, clip: Path, spawn: Callable[..., Any]) -> AsyncIterator[Rig]:
    """Set a cluster up around a clip. No worker runs yet."""
    data = folder / "data"
    program = Path(shutil.copy2(imageio_ffmpeg.get_ffmpeg_exe(), folder / "ffmpeg"))
    config = Config(data=data, database=url, encode_slots=1)
    async with AsyncExitStack() as stack:
        database = await Database.open(url)
        stack.push_async_callback(database.close)
        bus = await stack.enter_async_context(open_bus(url))
        channels = Channels(database, bus=bus)
        catalog = Catalog(database, channels)
        await catalog.open_library()
        spawner = await stack.enter_async_context(Spawner(program))
        build = await encoder_build(spawner)
        upload = secrets.token_hex(16)
        path = DiskInbox(data / "uploads").path(upload)
        path.parent.mkdir(parents=True)
        shutil.copyfile(clip, path)
        film = await planned(path, spawner, encoder=build)
        asset = (await catalog.create_asset(title="Film", upload_id=upload)).id
        plan = film.plan
        await catalog.set_plan(
            asset,
            generation=plan.generation,
            plan=json.loads("{}"),
            rungs=[Rung(name=rung.name, kind="video", segments=plan.pictures) for rung in plan.video],
            duration=plan.duration,
            source={},
        )
        cluster = await stack.enter_async_context(
            Cluster(config, database, bus=bus, channels=channels, ledger=SqlLedger(database, channels))
        )
        yield Rig(
            url=url,
            data=data,
            program=program,
            film=film,
            asset=asset,
            cluster=cluster,
            farm=await stack.enter_async_context(cluster.farm()),
            store=DiskStore(data / "media"),
            spawn=spawn,
            build=build,
        )
