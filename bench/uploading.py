"""Measure how soon a video can be watched while it uploads: python -m bench.uploading [MB_PER_SECOND].

A source of 2.3 Mb/s is sent in real time. The figures are seconds from its first byte: until the asset is
playable, until the first segment of the lowest rung has been served, and until the upload was over.
"""

from __future__ import annotations

import asyncio
import base64
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import aiohttp.web
import imageio_ffmpeg
import m3u8

from streamer.app import compose
from streamer.config import Config

SECONDS = 30
BLOCK = 65_536
FORMS = {
    "MP4, table in front": ("head.mp4", ["-movflags", "+faststart"]),
    "MP4, end first": ("tail.mp4", []),
    "fragmented MP4": ("fragmented.mp4", ["-movflags", "+frag_keyframe+empty_moov"]),
    "MKV": ("film.mkv", []),
    "MPEG-TS": ("film.ts", []),
}
UPLOADS = "/api/v1/uploads"
TUS = {"Tus-Resumable": "1.0.0"}
BODY = {**TUS, "Content-Type": "application/offset+octet-stream"}


def make(folder: Path) -> Path:
    """Encode 720p24 with a keyframe every two seconds at 2.3 Mb/s."""
    made = folder / "source.mp4"
    picture = ["-f", "lavfi", "-i", f"testsrc2=s=1280x720:r=24:d={SECONDS},noise=alls=20:allf=t"]
    sound = ["-f", "lavfi", "-i", f"sine=frequency=440:d={SECONDS}", "-c:a", "aac", "-ac", "2"]
    rate = [
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
        "-b:v",
        "2200k",
        "-maxrate",
        "2300k",
        "-bufsize",
        "2300k",
    ]
    run(*picture, *sound, *rate, "-pix_fmt", "yuv420p", "-g", "48", made)
    return made


def run(*arguments: str | Path) -> None:
    argv = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(argv, check=True)


async def paced(body: bytes, rate: float) -> AsyncIterator[bytes]:
    """Yield a body at so many bytes a second."""
    began = time.monotonic()
    for start in range(0, len(body), BLOCK):
        yield body[start : start + BLOCK]
        await asyncio.sleep(max(0, began + (start + BLOCK) / rate - time.monotonic()))


def table_of(body: bytes) -> int:
    """Return where the moov begins."""
    start = 0
    while body[start + 4 : start + 8] != b"moov":
        start += struct.unpack_from(">I", body, start)[0]
    return start


class Viewer:
    """Sends a file and watches it at the same time."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self._session = session
        self._base = base

    async def create(self, length: int, **marks: str) -> tuple[str, str]:
        """Create an upload; return its path and its asset."""
        headers = {**TUS, "Upload-Length": str(length), **marks}
        async with self._session.post(self._base + UPLOADS, headers=headers) as answer:
            assert answer.status == 201, await answer.text()
            return answer.headers["Location"], answer.headers.get("Streamer-Asset", "")

    async def send(self, upload: str, body: bytes, rate: float) -> None:
        """Send a body at so many bytes a second."""
        headers = {**BODY, "Upload-Offset": "0"}
        async with self._session.patch(
            self._base + upload, data=paced(body, rate), headers=headers
        ) as answer:
            assert answer.status == 204, await answer.text()

    async def get(self, path: str) -> bytes | None:
        """Return what is there, None where nothing is."""
        async with self._session.get(self._base + path) as answer:
            return await answer.read() if answer.status == 200 else None

    async def upload(self, body: bytes, asset: str, upload: str, *, end_first: bool, rate: float) -> None:
        """Send a file, its end before the rest where asked to."""
        at = len(body)
        if end_first:
            at = table_of(body)
            pairs = {"asset": asset, "offset": str(at)}
            named = ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in pairs.items())
            marks = {"Upload-Concat": "partial", "Upload-Metadata": named}
            tail, _ = await self.create(len(body) - at, **marks)
            await self.send(tail, body[at:], rate)
        await self.send(upload, body[:at], rate)

    async def watch(self, asset: str, began: float) -> tuple[float, float]:
        """Return when there was a playlist, and when the first segment of its lowest rung had come."""
        while (main := await self.get(f"/v/{asset}/main.m3u8")) is None:
            await asyncio.sleep(0.01)
        playable = time.monotonic() - began
        lowest = min(m3u8.loads(main.decode()).playlists, key=lambda one: one.stream_info.bandwidth)
        listed = m3u8.loads(((await self.get(f"/v/{asset}/{lowest.uri}")) or b"").decode())
        assert await self.get(f"/v/{asset}/{listed.segments[0].uri}")
        return playable, time.monotonic() - began


async def measure(viewer: Viewer, body: bytes, *, end_first: bool, rate: float) -> tuple[float, float, float]:
    upload, asset = await viewer.create(len(body))
    began = time.monotonic()
    sending = asyncio.create_task(viewer.upload(body, asset, upload, end_first=end_first, rate=rate))
    playable, first = await viewer.watch(asset, began)
    await sending
    return playable, first, time.monotonic() - began


async def main() -> None:
    rate = float(sys.argv[1] if len(sys.argv) > 1 else 2) * 1_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = await asyncio.to_thread(make, folder)
        print(f"{SECONDS} s in {source.stat().st_size} bytes at {rate / 1e6:g} MB/s")
        for title, (file, options) in FORMS.items():
            await asyncio.to_thread(run, "-i", source, "-map", "0", "-c", "copy", *options, folder / file)
            async with compose(Config(data=folder / f"data-{file}", port=0)) as server:
                runner = aiohttp.web.AppRunner(server.app, access_log=None)
                await runner.setup()
                await aiohttp.web.TCPSite(runner, "127.0.0.1", 0).start()
                async with aiohttp.ClientSession() as session:
                    viewer = Viewer(session, f"http://127.0.0.1:{runner.addresses[0][1]}")
                    body = (folder / file).read_bytes()
                    times = await measure(viewer, body, end_first=file == "tail.mp4", rate=rate)
                await runner.cleanup()
            print(f"{title:20} playable {times[0]:.2f}  first segment {times[1]:.2f}  whole {times[2]:.2f}")


if __name__ == "__main__":
    asyncio.run(main())
