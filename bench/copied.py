"""How long a large compliant file takes until its top rung is addressable, served, and written out.

    python -m bench.copied [--gigabytes 2] [--folder /tmp]

It makes the file by looping the sample, prints figures as JSON, and removes everything again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import imageio_ffmpeg

from packager import copied, ladder
from packager.original import WholeFile
from packager.plan import Plan
from packager.probe import Probed, probe
from packager.process import Spawner
from packager.store import DiskStore

_SAMPLE = Path(__file__).parent.parent / "samples" / "bbb-480p-30s.mp4"
_ASKED = 200


def _source(folder: Path, gigabytes: float) -> Path:
    """Return a file of about that size: a new encode with steady borders and rate, then copies of it."""
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    once, whole = folder / "once.mp4", folder / "whole.mp4"
    video = [
        "-vf",
        "scale=1920:1080,setsar=1",
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-g",
        "96",
        "-bf",
        "2",
    ]
    video += [
        "-b:v",
        "6M",
        "-minrate",
        "6M",
        "-maxrate",
        "6M",
        "-bufsize",
        "6M",
        "-x264-params",
        "nal-hrd=cbr",
    ]
    common = [ffmpeg, "-nostdin", "-loglevel", "error", "-y"]
    subprocess.run([*common, "-i", _SAMPLE, *video, "-c:a", "aac", "-ac", "2", "-t", "24", once], check=True)
    loops = int(gigabytes * 2**30 / once.stat().st_size)
    again = ["-stream_loop", str(loops), "-i", once, "-map", "0", "-c", "copy", whole]
    subprocess.run([*common, *again], check=True)
    return whole


async def _measure(source: Path, folder: Path) -> dict[str, Any]:
    began = time.perf_counter()
    async with Spawner(Path(imageio_ffmpeg.get_ffmpeg_exe())) as spawner:
        started = time.perf_counter() - began
        probed, probing = await _timed(probe(spawner, source, into=folder / "tables"))
        plan, planning = await _timed(asyncio.to_thread(_plan, probed))
        if plan.copied is None:
            raise SystemExit(f"the file is not copied: {plan.uncopied}")
        copies, laying = await _timed(asyncio.to_thread(copied.of, plan, probed.tables))
        original = WholeFile(source)
        served = await _served(copies, original)
        _, writing = await _timed(
            copied.write_out(copies, original=original, store=DiskStore(folder / "out"), sink=lambda _: None)
        )
    return {
        "bytes": original.received,
        "seconds_of_media": round(float(plan.duration)),
        "segments": {name: copy.segments for name, copy in copies.items()},
        "uncopied": plan.uncopied,
        "spawner_started_s": round(started, 3),
        "probed_s": round(probing, 3),
        "planned_s": round(planning, 3),
        "laid_out_again_s": round(laying, 3),
        **served,
        "written_out_s": round(writing, 2),
        "plain_copy_s": round((await _timed(asyncio.to_thread(_plain_copy, source, folder / "plain")))[1], 2),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "load": os.getloadavg()[0],
    }


def _plan(probed: Probed) -> Plan:
    return ladder.plan(probed.source, probed.index, identity="bench", encoder="bench", tables=probed.tables)


async def _served(copies: dict[str, copied.Copied], original: WholeFile) -> dict[str, Any]:
    """Make segments spread over the whole asset, one after the other."""
    took, size = [], 0
    for copy in copies.values():
        for number in range(0, copy.segments, max(1, 2 * copy.segments // _ASKED)):
            body, seconds = await _timed(copy.segment(original, number))
            took.append(seconds)
            size += len(body)
    took.sort()
    return {
        "segment_p50_ms": round(1000 * took[len(took) // 2], 2),
        "segment_p95_ms": round(1000 * took[len(took) * 95 // 100], 2),
        "segment_mb_s": round(size / sum(took) / 1e6),
    }


def _plain_copy(source: Path, target: Path) -> None:
    """Copy a file through memory and sync it once: what the disk and the machine's load allow."""
    with source.open("rb") as read, target.open("wb") as written:
        while block := read.read(1 << 20):
            written.write(block)
        written.flush()
        os.fsync(written.fileno())


async def _timed(work: Any) -> tuple[Any, float]:
    began = time.perf_counter()
    return await work, time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gigabytes", type=float, default=2)
    parser.add_argument("--folder", type=Path, default=None)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-copied-", dir=given.folder) as name:
        folder = Path(name)
        figures = asyncio.run(_measure(_source(folder, given.gigabytes), folder))
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
