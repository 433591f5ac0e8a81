"""A server with nothing but uploads, for tests: in the test's process, or started as a program of its own."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from streamer.rows import wall_clock
from streamer.uploads.directory import DiskInbox
from streamer.uploads.flow import Pace
from streamer.uploads.intake import UploadSettings, at_least_once
from streamer.uploads.reception import Reception
from streamer.uploads.routes import routes


@dataclass(slots=True, kw_only=True)
class Shelf:
    """An Intake that keeps assets in memory, and where a journal is given, lines of them on disk."""

    assets: dict[str, dict] = field(default_factory=dict)
    journal: Path | None = None
    told: list[tuple[str, int]] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    async def begin(self, *, title: str, size: int | None, upload_id: str, policy: str | None = None) -> str:
        asset = f"asset-{upload_id[:8]}"
        self.assets[asset] = {"id": asset, "title": title, "size": size, "state": "uploading"}
        self._note("begin", asset)
        return asset

    async def arriving(self, asset_id: str) -> None:
        self.seen.append(asset_id)

    async def received(self, asset_id: str, offset: int) -> None:
        self.told.append((asset_id, offset))

    async def complete(self, asset_id: str, upload_id: str, path: Path) -> None:
        self.assets.setdefault(asset_id, {"id": asset_id}).update(state="probing", path=str(path))
        self._note("complete", asset_id)

    async def abandon(self, asset_id: str) -> None:
        self.assets.pop(asset_id, None)
        self._note("abandon", asset_id)

    async def describe(self, asset_id: str) -> dict:
        return self.assets[asset_id]

    def _note(self, what: str, asset: str) -> None:
        if self.journal is not None:
            with self.journal.open("a") as lines:
                lines.write(f"{what} {asset}\n")


@dataclass(slots=True, kw_only=True)
class Site:
    """A running site: its address, inbox, intake and reception."""

    port: int
    inbox: DiskInbox
    shelf: Shelf
    reception: Reception
    runner: web.AppRunner


async def open_site(
    root: Path,
    *,
    settings: UploadSettings | None = None,
    clock: Callable[[], int] = wall_clock,
    pace: Pace | None = None,
    reserve: int = 0,
    once=at_least_once,
    shelf: Shelf | None = None,
) -> Site:
    """Start a site on a free port of loopback."""
    settings = settings or UploadSettings()
    shelf = shelf or Shelf()
    inbox = DiskInbox(root, reserve=reserve, pace=pace)
    reception = Reception(inbox=inbox, intake=shelf, settings=settings, clock=clock)
    await reception.recover()
    app = web.Application()
    app.add_routes(routes(inbox, shelf, settings, clock, describe=shelf.describe, once=once))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1, auto_decompress=False)
    await runner.setup()
    listener = web.TCPSite(runner, "127.0.0.1", 0)
    await listener.start()
    port = runner.addresses[0][1]
    return Site(port=port, inbox=inbox, shelf=shelf, reception=reception, runner=runner)


async def _main(root: Path, options: dict) -> None:
    pace = Pace(sync_bytes=options.get("sync_bytes", 1 << 20))
    site = await open_site(
        root, pace=pace, reserve=options.get("reserve", 0), shelf=Shelf(journal=root.parent / "journal")
    )
    print("port", site.port, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}))
