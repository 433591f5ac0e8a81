"""The server killed in the middle of an upload that is already watched: it goes on where it was."""

from __future__ import annotations

import asyncio
import contextlib
import io

import aiohttp
import pytest

from tests.flow.test_arriving import Tap, numbers, playable, sending, sources
from tests.flow.test_server_crash import program, start
from tests.flow.whole_site import faults

__all__ = ["program", "sources", "start"]


@pytest.mark.soak
@pytest.mark.parametrize("name", ["head.mp4", "film.mkv"])
async def test_killed_in_the_middle_of_an_upload_what_was_watched_stays(start, data_dir, sources, name):
    body = await sources(name)
    half = len(body) // 2
    remote = await start(data_dir)
    tap = Tap(body)
    upload, asset = await remote.create(len(body))
    await tap.let(half)
    async with sending(remote, upload, tap.flow()) as sent:
        await playable(remote, asset)
        urls = await remote.urls(asset)
        first = await remote.get(urls["144p"][0])
        await remote.kill()
        with contextlib.suppress(aiohttp.ClientError):
            await sent

    again = await start(data_dir)
    status, headers, _ = await again.ask("HEAD", upload, headers={"Tus-Resumable": "1.0.0"})
    offset = int(headers["Upload-Offset"])
    assert (status, offset <= half) == (200, True)
    assert await again.patch(upload, offset, io.BytesIO(body[offset:])) == 204
    async with asyncio.timeout(60):
        await again.until(asset, "complete")
    after = await again.urls(asset)
    assert {rung: paths[: len(urls[rung])] for rung, paths in after.items()} == urls
    assert await again.get(after["144p"][0]) == first
    assert await faults(again, data_dir, asset) == []
    assert await numbers(again, asset, "144p") == list(range(500))
    assert await again.child.stop() == 0
