"""A camera that draws the number of every frame as it takes it, and publishes what it takes over RTMP.

Whoever reads a number from a displayed picture knows by it how long ago the picture was taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from fractions import Fraction

import imageio_ffmpeg

from tests.media import drawing

NUMBERS = 1 << 16
"""So many pictures have numbers of their own."""

TONE = "sine=frequency=440:sample_rate=48000"
BEEPS = "aevalsrc=exprs='0.5*sin(2*PI*1000*t)*lt(mod(t,1),0.05)':sample_rate=48000"
"""A beep begins with every picture that shows a whole second."""


@dataclass(slots=True)
class Camera:
    """When each frame was taken, by the wall clock in seconds since the epoch."""

    rate: Fraction
    began: float = 0

    def taken(self, number: int) -> float:
        """Return when the frame of a number was taken; numbers begin anew after 65536 frames."""
        return self.began + float(number / self.rate)

    def delay(self, number: int, shown: float) -> float:
        """Return how long ago a picture that is shown was taken, in seconds."""
        return (shown - self.taken(number)) % float(NUMBERS / self.rate)


@contextlib.asynccontextmanager
async def filming(
    address: str,
    *,
    width: int = 640,
    height: int = 360,
    rate: Fraction = Fraction(25),
    gop: int = 25,
    sound: str = TONE,
) -> AsyncIterator[Camera]:
    """Publish numbered pictures and a sound to an address while the block runs, encoded without delay."""
    camera = Camera(rate)
    process = await asyncio.create_subprocess_exec(
        imageio_ffmpeg.get_ffmpeg_exe(),
        *("-hide_banner", "-loglevel", "error", "-probesize", "32", "-f", "rawvideo", "-pix_fmt", "gray"),
        *("-s", f"{width}x{height}", "-framerate", str(rate), "-i", "pipe:0"),
        *("-re", "-f", "lavfi", "-i", sound),
        *("-map", "0:v", "-map", "1:a", "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency"),
        *("-g", str(gop), "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "96k"),
        *("-flush_packets", "1", "-f", "flv", address),
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    taking = asyncio.create_task(_take(camera, process, width, height))
    try:
        yield camera
    finally:
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _take(camera: Camera, process: asyncio.subprocess.Process, width: int, height: int) -> None:
    assert process.stdin is not None
    camera.began = time.time()
    number = 0
    while True:
        await asyncio.sleep(max(0, camera.began + float(number / camera.rate) - time.time()))
        picture = drawing.draw(number % NUMBERS, width=width, height=height)
        process.stdin.write(picture.tobytes())
        await process.stdin.drain()
        number += 1
