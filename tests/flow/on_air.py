"""Publishing to a server with a real encoder program, and looking at what is on air as players do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import imageio_ffmpeg
import m3u8

from tests.flow.whole_site import Client
from tests.media.clip import X264, Clip
from tests.media.sources import constant

LIVE = "/api/v1/live"
FILM = Clip(name="publish", suffix=".flv", timing=constant(25, 30), video=(*X264, "-g", "25", "-bf", "0"))
"""Half a minute of numbered pictures with beeps, as an encoder sends it: a keyframe each second."""

_SOON = 30


@contextlib.asynccontextmanager
async def publishing(
    address: str, key: str, file: Path, *options: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Send a file at its own pace while the block runs, as OBS would."""
    process = await asyncio.create_subprocess_exec(
        imageio_ffmpeg.get_ffmpeg_exe(),
        *("-hide_banner", "-loglevel", "warning", "-re", "-i", str(file), "-c", "copy", "-f", "flv"),
        *options,
        f"{address}/{key}",
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def stream(client: Client, **wish) -> dict:
    """Make a stream and return what its owner is told, the key among it."""
    return await client.json("POST", LIVE, status=201, json={"title": "On air", **wish})


async def until(client: Client, identity: str, *states: str, seconds: float = _SOON) -> dict:
    """Wait until a stream stands in one of the states."""
    async with asyncio.timeout(seconds):
        while True:
            shown = await client.json("GET", f"{LIVE}/{identity}")
            if shown["state"] in states:
                return shown
            await asyncio.sleep(0.05)


async def playlist(client: Client, path: str) -> m3u8.M3U8:
    """Return a media playlist as it is now."""
    return m3u8.loads((await client.get(path)).decode())


async def listed(
    client: Client, path: str, condition: Callable[[m3u8.M3U8], object], *, seconds: float = _SOON
) -> m3u8.M3U8:
    """Reload a playlist, by blocking requests as players do, until it shows what is waited for."""
    async with asyncio.timeout(seconds):
        found = await playlist(client, path)
        while not condition(found):
            if found.is_endlist:
                raise AssertionError(f"it has ended: {found.dumps()}")
            following = (found.media_sequence or 0) + len(found.segments)
            status, _, body = await client.ask("GET", f"{path}?_HLS_msn={following}&_HLS_part=0")
            found = m3u8.loads(body.decode()) if status == 200 else await playlist(client, path)
        return found


def whole(found: m3u8.M3U8) -> list[m3u8.Segment]:
    """Return the segments that are complete."""
    return [segment for segment in found.segments if segment.uri and segment.duration]
