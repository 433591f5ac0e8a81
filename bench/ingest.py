"""What receiving costs: python -m bench.ingest [ROUNDS].

Four ffmpegs publish 1080p at 6 Mb/s and sound for 15 s, in real time, over loopback; CPU is user and system
time of the process that receives and only counts the tags. Beside it stands what asyncio needs to read the
same tags over plain TCP and drop them, and what it costs to read as many bytes from memory in the chunk sizes
that encoders use.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import imageio_ffmpeg

from streamer.ingest.chunks import SET_CHUNK_SIZE, VIDEO, ChunkReader, Message
from streamer.ingest.door import Publisher, Take
from streamer.ingest.flv import Kind, Tag
from streamer.ingest.rtmp import RtmpReceiver
from streamer.ingest.tags import TagReader
from tests.encoder import chunked

RESULTS = Path(__file__).parent / "results" / "ingest.json"
PUBLISHERS, SECONDS, RATE = 4, 15, 30
BAR = 0.55
"""CPU seconds in all of a receiver measured before: some 0.8 % of a core for each publisher."""


class Counting:
    """A door for everybody; counts what comes."""

    def __init__(self) -> None:
        self.pictures = 0
        self.sounds = 0
        self.bytes = 0

    async def admit(self, key: str, publisher: Publisher) -> Take:
        """Let anybody in."""
        del key, publisher

        async def take(tags: AsyncIterator[Tag]) -> None:
            async for tag in tags:
                self.bytes += len(tag.payload)
                self.pictures += tag.kind is Kind.VIDEO and not tag.configuration
                self.sounds += tag.kind is Kind.AUDIO and not tag.configuration

        return take


def source(folder: Path) -> Path:
    """Return 15 s of 1080p at a constant 6 Mb/s with sound, as FLV."""
    path = folder / "source.flv"
    argv = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-y"]
    argv += ["-f", "lavfi", "-i", f"testsrc2=size=1920x1080:rate={RATE}", "-f", "lavfi", "-i", "sine"]
    argv += ["-c:v", "libx264", "-preset", "ultrafast", "-g", "60", "-pix_fmt", "yuv420p", "-b:v", "6M"]
    argv += ["-minrate", "6M", "-maxrate", "6M", "-bufsize", "6M", "-x264-params", "nal-hrd=cbr"]
    subprocess.run([*argv, "-c:a", "aac", "-t", str(SECONDS), path], check=True)
    return path


async def receiver(path: Path) -> dict[str, Any]:
    """Receive all publishers and return the CPU that it took."""
    door = Counting()
    async with RtmpReceiver(door, host="127.0.0.1", port=0) as listening:
        spent = await published(path, f"rtmp://127.0.0.1:{listening.port}/live/{{}}")
    assert door.pictures == PUBLISHERS * SECONDS * RATE
    return spent | {
        "megabits_each": round(door.bytes * 8 / 1e6 / SECONDS / PUBLISHERS, 2),
        "sounds": door.sounds,
    }


async def floor(path: Path) -> dict[str, Any]:
    """Read the same tags over TCP, drop them, and return the CPU that it took."""

    async def drop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(64 << 10):
            pass
        writer.close()

    async with await asyncio.start_server(drop, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        return await published(path, f"tcp://127.0.0.1:{port}", "-flush_packets", "1")


async def published(path: Path, url: str, *options: str) -> dict[str, Any]:
    """Publish to the URL, in which {} is the publisher's number, and return this process's CPU meanwhile."""
    began, cpu = time.monotonic(), time.process_time()
    argv = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-nostdin",
        "-loglevel",
        "error",
        "-re",
        "-i",
        path,
        "-c",
        "copy",
    ]
    children = [
        await asyncio.create_subprocess_exec(*argv, *options, "-f", "flv", url.format(number))
        for number in range(PUBLISHERS)
    ]
    assert [await child.wait() for child in children] == [0] * PUBLISHERS
    spent = time.process_time() - cpu
    return {
        "cpu_s": round(spent, 3),
        "percent_of_a_core_each": round(100 * spent / (time.monotonic() - began) / PUBLISHERS, 2),
        "load": round(os.getloadavg()[0], 1),
    }


def parsing(size: int) -> float:
    """Return the CPU seconds for as much as all publishers send, in chunks of a size."""
    picture = Message(type=VIDEO, body=b"\x27\x01\0\0\0" + bytes(6_000_000 // 8 // RATE), stream=1)
    announced = Message(type=SET_CHUNK_SIZE, body=size.to_bytes(4, "big"))
    wire = chunked(picture, stream=6, size=size)
    reader, tags = ChunkReader(message_max=1 << 20), TagReader()
    reader.feed(chunked(announced, stream=2))
    cpu = time.process_time()
    for _ in range(PUBLISHERS * SECONDS * RATE):
        for message in reader.feed(wire):
            tags.read(message)
    return round(time.process_time() - cpu, 3)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with tempfile.TemporaryDirectory(prefix="streamer-bench-") as scratch:
        path = source(Path(scratch))
        runs = [(asyncio.run(receiver(path)), asyncio.run(floor(path))) for _ in range(rounds)]
    found = {
        "receiver": [run for run, _ in runs],
        "plain_tcp": [run for _, run in runs],
        "median_cpu_s": statistics.median(run["cpu_s"] for run, _ in runs),
        "median_plain_tcp_cpu_s": statistics.median(run["cpu_s"] for _, run in runs),
        "bar_cpu_s": BAR,
        "parsing_cpu_s": {str(size): parsing(size) for size in (128, 4096, 60_000)},
    }
    print(json.dumps(found, indent=1))
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
