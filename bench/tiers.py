"""What media in a bucket cost beside a plain disk: python -m bench.tiers [OBJECTS] [IN_FLIGHT].

Objects of 500 kB are written, read from the bucket for the first time, and found near by, each time with so
many in flight. The bucket is rclone's server on this machine, whose own processor time is not counted; its
network is loopback, so the seconds say little of a real one.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from cdn import s3
from cdn.bucket_store import BucketStore
from cdn.places import Access
from cdn.tier import Tier
from cdn.tiers import Tiers
from packager.store import DiskStore, Store
from tests.storage import BUCKET, rclone

SIZE = 500_000
RESULT = Path(__file__).parent / "results" / "tiers.json"


async def timed(objects: int, in_flight: int, work: Callable[[str], Awaitable[object]]) -> dict[str, float]:
    """Return milliseconds of processor and wall time for each object."""
    left = iter([f"asset/g/v/{n}.m4s" for n in range(objects)])

    async def one() -> None:
        for key in left:
            await work(key)

    before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    await asyncio.gather(*(one() for _ in range(in_flight)))
    after = resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    wall = time.monotonic() - began
    return {"cpu_ms": round(used * 1000 / objects, 3), "wall_ms": round(wall * 1000 / objects, 3)}


async def measured(folder: Path, objects: int, in_flight: int) -> dict[str, dict[str, float]]:
    """Return what each step costs."""
    bodies = os.urandom(SIZE)
    found: dict[str, dict[str, float]] = {}

    async def step(name: str, work: Callable[[str], Awaitable[object]]) -> None:
        found[name] = await timed(objects, in_flight, work)
        print(f"{name:32} {found[name]['cpu_ms']:8.3f} ms CPU {found[name]['wall_ms']:8.3f} ms", flush=True)

    async def written(store: Store, key: str) -> None:
        await store.put(key, bodies + key.encode())

    async def shown(store: Store, key: str) -> None:
        assert await store.stat(key)
        assert await store.path(key)

    async with s3.bucket(Access(), BUCKET, threads=16) as bucket:
        disk = DiskStore(folder / "disk")
        await step("written to a disk", lambda key: written(disk, key))
        await step("read from a disk", disk.get)
        far = BucketStore(bucket, prefix="bench/")
        first = Tiers(far, await tier(folder / "first"))
        await step("written to a bucket and near", lambda key: written(first, key))
        cold = Tiers(far, await tier(folder / "second"))
        await step("shown for the first time", lambda key: shown(cold, key))
        await step("shown again", lambda key: shown(cold, key))
        await step("read again", cold.get)
    return found


async def tier(root: Path) -> Tier:
    """Return an empty tier with room for everything."""
    near = Tier(root, most=1 << 40)
    await near.open()
    return near


def main() -> None:
    objects = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    in_flight = int(sys.argv[2]) if len(sys.argv) > 2 else 8
    folder = Path(tempfile.mkdtemp(prefix="tiers-"))
    try:
        with rclone(folder / "buckets") as storage:
            os.environ.update(storage.env)
            found = asyncio.run(measured(folder, objects, in_flight))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(
        json.dumps({"objects": objects, "in_flight": in_flight, "steps": found}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
