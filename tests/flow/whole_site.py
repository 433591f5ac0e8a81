"""The whole server in the test's process, a disk that obeys the test, and a client that asks as users do."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import m3u8
import psycopg
from aiohttp import web
from psycopg.types.string import TextLoader

from packager.plan import Plan, from_json
from streamer.app import Server, compose
from streamer.config import Config
from streamer.rows import wall_clock
from tests.media import fragments
from tests.media.clip import Clip
from tests.media.sources import constant

API = "/api/v1/assets"
TUS = "/api/v1/uploads"
PLAN = """SELECT plan FROM generation
    JOIN asset ON asset.generation = generation.name AND asset.id = generation.asset WHERE asset.id = ?"""
BODY = "application/offset+octet-stream"
FILM = Clip(name="life", suffix=".mp4", timing=constant(25, 20))
"""Twenty seconds in six segments of each rendition."""


class Disk:
    """A sync that a test can hold back or let fail; it concerns segments only, not inits and pictures."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._allowed = -1
        self.broken = False
        self.waiting = 0

    def __call__(self, descriptor: int) -> None:
        with Path(f"/proc/self/fd/{descriptor}").open("rb") as file:
            segment = file.read(8)[4:] == b"styp"
        if segment:
            with self._changed:
                self.waiting += 1
                self._changed.wait_for(lambda: self._allowed != 0 or self.broken)
                self.waiting -= 1
                if self.broken:
                    raise OSError(errno.EIO, "the test's disk is broken")
                self._allowed = max(-1, self._allowed - 1)
        os.fdatasync(descriptor)

    def allow(self, segments: int = -1) -> None:
        """Let so many more segments pass; -1 is no limit."""
        with self._changed:
            self._allowed = segments
            self._changed.notify_all()


class Client:
    """Asks a server at an address, and waits for what it will say."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self.session = session
        self.base = base

    async def ask(self, method: str, path: str, **options) -> tuple[int, dict[str, str], bytes]:
        async with self.session.request(method, self.base + path, **options) as response:
            return response.status, dict(response.headers), await response.read()

    async def get(self, path: str) -> bytes:
        status, _, body = await self.ask("GET", path)
        assert status == 200, (status, path, body[:300])
        return body

    async def json(self, method: str, path: str, *, status: int = 200, **options) -> dict:
        got, _, body = await self.ask(method, path, **options)
        assert got == status, (got, body[:500])
        return json.loads(body) if body else {}

    async def post(self, file: Path, *, title: str = "Film") -> dict:
        form = aiohttp.FormData()
        form.add_field("title", title)
        form.add_field("file", file.read_bytes(), filename=file.name)
        return await self.json("POST", API, status=201, data=form)

    async def create(self, length: int) -> tuple[str, str]:
        """Create an upload and return its path and its asset's id."""
        sent = {"Tus-Resumable": "1.0.0", "Upload-Length": str(length)}
        status, headers, body = await self.ask("POST", TUS, headers=sent)
        assert status == 201, body
        return headers["Location"], headers["Streamer-Asset"]

    async def patch(self, upload: str, offset: int, data) -> int:
        sent = {"Tus-Resumable": "1.0.0", "Upload-Offset": str(offset), "Content-Type": BODY}
        return (await self.ask("PATCH", upload, data=data, headers=sent))[0]

    async def asset(self, asset: str) -> dict:
        return await self.json("GET", f"{API}/{asset}")

    async def until(self, asset: str, *states: str, seconds: float = 90) -> dict:
        """Wait until the asset is in one of the states; a failure that is not among them is raised."""
        async with asyncio.timeout(seconds):
            while True:
                found = await self.asset(asset)
                if found["state"] in states:
                    return found
                assert found["state"] != "failed", found["failure"]
                await asyncio.sleep(0.02)

    async def manifests(self, asset: str) -> dict[str, bytes]:
        """Return every manifest of an asset by its name."""
        root = f"/v/{asset}/"
        found = {name: await self.get(root + name) for name in ("main.m3u8", "main.mpd")}
        main = m3u8.loads(found["main.m3u8"].decode())
        named = [one.uri for one in (*main.playlists, *main.iframe_playlists, *main.media) if one.uri]
        return found | {name: await self.get(root + name) for name in dict.fromkeys(named)}

    async def urls(self, asset: str) -> dict[str, list[str]]:
        """Return the paths of the segments by rendition, as the playlists have them."""
        found = {}
        for name, body in (await self.manifests(asset)).items():
            if name.endswith(".m3u8") and name != "main.m3u8":
                listed = m3u8.loads(body.decode())
                paths = [f"/v/{asset}/{segment.uri}" for segment in listed.segments]
                if paths and paths[0].endswith(".m4s"):
                    found[name.removesuffix(".m3u8")] = paths
        return found

    async def bodies(self, asset: str) -> dict[str, bytes]:
        """Return every segment by its path."""
        return {path: await self.get(path) for paths in (await self.urls(asset)).values() for path in paths}


class Site(Client):
    """A composed server in this process."""

    def __init__(self, session: aiohttp.ClientSession, base: str, server: Server, config: Config) -> None:
        super().__init__(session, base)
        self.server = server
        self.data = config.data


@contextlib.asynccontextmanager
async def running(
    data: Path,
    *,
    clock: Callable[[], int] = wall_clock,
    disk: Callable[[int], None] = os.fdatasync,
    **settings,
) -> AsyncIterator[Site]:
    """Run the server on loopback: one slot, the fastest preset, nothing copied unless the settings say so."""
    chosen = {
        "encode_slots": 1,
        "encode_preset": "ultrafast",
        "disk_reserve_bytes": 0,
        "live_rtmp_port": "off",
    }
    chosen |= {"encode_copy": False, **settings}
    config = Config(data=data, port=0, **chosen)
    async with compose(config, clock=clock, sync=disk) as server, aiohttp.ClientSession() as session:
        runner = web.AppRunner(server.app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield Site(session, f"http://127.0.0.1:{runner.addresses[0][1]}", server, config)
        finally:
            if isinstance(disk, Disk):
                disk.allow()
            await runner.cleanup()


def rows(data: Path | str, statement: str, *values: object) -> list[tuple]:
    """Read the catalog as another program would: in the data directory, or by its URL."""
    if isinstance(data, str):
        with psycopg.connect(data, options="-c search_path=streamer") as shared:
            shared.adapters.register_loader("json", TextLoader)  # as text, as SQLite has it
            return shared.execute(statement.replace("?", "%s").encode(), values).fetchall()
    connection = sqlite3.connect(f"file:{data / 'catalog.sqlite'}?mode=ro", uri=True)
    try:
        return connection.execute(statement, values).fetchall()
    finally:
        connection.close()


def plan_of(data: Path | str, asset: str) -> Plan:
    """Return the plan that an asset is shown by."""
    ((text,),) = rows(data, PLAN, asset)
    return from_json(text)


def runs_of(data: Path | str, rendition: str, number: int) -> int:
    """Return how many Runs were started that cover a segment."""
    found = rows(data, "SELECT first, last, rungs FROM run")
    return sum(rendition in json.loads(names) and first <= number <= last for first, last, names in found)


def stored(data: Path, asset: str) -> dict[str, int]:
    """Return the segments in the store: key under the asset → size."""
    root = data / "media" / asset
    return {str(path.relative_to(root)): path.stat().st_size for path in root.rglob("*.m4s")}


def noted(data: Path | str, asset: str) -> dict[str, int]:
    """Return the segments in the catalog, as `stored` does."""
    found = rows(data, "SELECT generation, rendition, number, size FROM segment WHERE asset = ?", asset)
    return {f"{generation}/{name}/{number}.m4s": size for generation, name, number, size in found}


def orphans(data: Path, asset: str) -> list[str]:
    """Return what is left of a deleted asset: files, and rows of any table that name it."""
    left = [str(path) for path in (data / "media").rglob("*") if path.is_file() or path.name == asset]
    left += [str(path) for path in (data / "uploads").rglob("*") if path.is_file()]
    left += [str(path) for path in (data / "indexes").iterdir()]
    for (table,) in rows(data, "SELECT name FROM sqlite_master WHERE type = 'table'"):
        columns = [row[1] for row in rows(data, f"PRAGMA table_info({table})")]
        named = f"SELECT 1 FROM {table} WHERE asset = ?"  # noqa: S608 - the table's own name
        if "asset" in columns and rows(data, named, asset):
            left.append(table)
    left += ["asset"] * len(rows(data, "SELECT 1 FROM asset WHERE id = ?", asset))
    return left + ["channel"] * len(rows(data, "SELECT 1 FROM channel WHERE name = ?", f"asset:{asset}"))


def processes(program: Path) -> list[int]:
    """Return the pids of whatever runs this program."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and (entry / "exe").readlink() == program:
                found.append(int(entry.name))
    return found


async def settle(condition: Callable[[], object], *, seconds: float = 30) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def faults(client: Client, data: Path | str, asset: str) -> list[str]:
    """Return what is wrong with the pictures of an asset, against the borders of its plan."""
    ((generation,),) = rows(data, "SELECT generation FROM asset WHERE id = ?", asset)
    plan = plan_of(data, asset)
    borders = list(plan.shown)
    wrong = []
    urls = await client.urls(asset)
    for rung in plan.video:
        init = await client.get(f"/v/{asset}/{generation}/{rung.name}/init.mp4")
        segments = [await client.get(path) for path in urls[rung.name]]
        wrong += [f"{rung.name}: {fault}" for fault in fragments.check(init, segments, borders=borders)]
    return wrong
