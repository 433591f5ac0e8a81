"""A server that is killed on air: it comes back, takes the publisher again, and keeps what was recorded."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable
from fractions import Fraction
from pathlib import Path

import aiohttp
import m3u8
import pytest

from tests.flow.on_air import FILM, LIVE, listed, playlist, publishing, stream, until, whole
from tests.flow.test_server_crash import HERE, Remote
from tests.media import reader

SERVE = [sys.executable, "-m", "streamer", "serve", "--port", "0", "--data"]


@pytest.fixture
async def start(spawn, data_dir) -> AsyncIterator[Callable]:
    async with aiohttp.ClientSession() as session:

        async def begin() -> Remote:
            env = {
                "STREAMER_ENCODE_PRESET": "ultrafast",
                "STREAMER_DISK_RESERVE_BYTES": "0",
                "STREAMER_LIVE_RTMP_PORT": "0",
            }
            child = await spawn(*SERVE, data_dir, env=env, cwd=HERE)
            line = await child.says("http://", seconds=60)
            return Remote(session, line[line.index("http://") :].strip(), child)

        yield begin


async def numbers(remote: Remote, root: str, found: m3u8.M3U8) -> list[tuple[Fraction, int | None]]:
    init = await remote.get(root + found.segments[0].init_section.uri)
    return reader.read_numbers(init, [await remote.get(root + one.uri) for one in whole(found)])


async def test_killed_on_air_it_goes_on_under_another_generation_and_keeps_what_there_was(start, clips):
    film: Path = clips.make(FILM)
    remote = await start()
    made = await stream(remote)
    root = f"/v/{made['id']}/"
    async with publishing(made["ingest"]["rtmp"], made["key"], film):
        first = (await until(remote, made["id"], "live"))["asset"]
        name = m3u8.loads((await remote.get(root + "main.m3u8")).decode()).playlists[0].uri
        before = await listed(remote, root + name, lambda one: len(whole(one)) >= 2)
        bodies = {one.uri: await remote.get(root + one.uri) for one in whole(before)}
        os.kill(remote.child.pid, signal.SIGKILL)
        await remote.child.process.wait()
    remote = await start()
    kept = await playlist(remote, f"/v/{first}/{name}")
    assert kept.is_endlist
    assert (await remote.asset(first))["state"] == "complete"
    seen = await numbers(remote, f"/v/{first}/", kept)
    assert [round(time * 25) for time, _ in seen] == list(range(len(seen)))
    for uri, body in bodies.items():
        assert await remote.get(f"/v/{first}/{uri}") == body
    again = (await remote.json("GET", f"{LIVE}/{made['id']}"))["ingest"]["rtmp"]
    async with publishing(again, made["key"], film):
        second = (await until(remote, made["id"], "live"))["asset"]
        after = await listed(remote, root + name, lambda one: len(whole(one)) >= 1)
    assert second != first
    generations = [re.split("/", one.segments[0].uri)[0] for one in (before, after)]
    assert generations[0] != generations[1]
    # A cache that holds an answer for a number of the first broadcast must never give it out for the second.
    assert after.media_sequence > before.media_sequence + len(before.segments)
