"""The control channel alone, as a server that the benchmark starts and tells what to publish."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from aiohttp import web

from bench._control_peers import DATA, STUFF, commands
from streamer.access import Access
from streamer.audience import Audience
from streamer.beacons import Beacons
from streamer.bus import Alone
from streamer.channel import Channels
from streamer.control import Control
from streamer.database import Database
from streamer.metrics import Metrics
from streamer.presence import Presence
from streamer.problems import problem_middleware
from streamer.tokens import Tokens

CHANNEL, ASIDE = "assets", "stuck:0"


async def nothing(_name: str) -> dict[str, Any]:
    """Return an empty snapshot."""
    return {}


async def serve(kind: str) -> None:
    """Serve until the input ends. `kind` says whether events are numbered, and so durable."""
    with tempfile.TemporaryDirectory() as folder:
        database = await Database.open(Path(folder) / "catalog.sqlite")
        channels = Channels(database)
        for channel in (CHANNEL, ASIDE):
            await channels.publish(channel, "begun", None)
        audience = Audience(channels, Presence(channels, bus=Alone(), node="a"), Beacons(Metrics()))
        control = Control(
            channels, {"assets": nothing, "stuck": nothing}, audience, stall_seconds=60, ping_seconds=3600
        )
        metrics, access = Metrics(), Access(Tokens(database), host="127.0.0.1")
        app = web.Application(middlewares=[metrics.middleware, problem_middleware, access.middleware])
        app.add_routes(control.routes())
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        print("port", runner.addresses[0][1], flush=True)
        async for command in commands():
            began = time.perf_counter_ns()
            if command == "stuff":
                await channels.publish(ASIDE, "t", STUFF)
            elif kind == "hinted":
                channels.hint(CHANNEL, "custom.goal", DATA)
            else:
                await channels.publish(CHANNEL, "custom.goal", DATA)
            print("sent", began, flush=True)
        await runner.cleanup()
        await database.close()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
