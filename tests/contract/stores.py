"""Every implementation of Store by its name: those in a bucket over real servers, which start when needed."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cdn import s3
from cdn.bucket_store import BucketStore
from cdn.places import Access
from cdn.s3 import Bucket
from cdn.tier import Tier
from cdn.tiers import Tiers
from packager.store import DiskStore, MemoryStore, Store, scoped
from tests.ceph import radosgw
from tests.storage import BUCKET, rclone

SERVERS = {"rclone": rclone, "radosgw": radosgw}
KINDS = [
    "memory",
    "disk",
    "scoped-memory",
    "scoped-disk",
    "s3-rclone",
    pytest.param("s3-radosgw", marks=pytest.mark.soak),
    "tiers-memory",
    pytest.param("tiers-rclone", marks=pytest.mark.soak),
    pytest.param("tiers-radosgw", marks=pytest.mark.soak),
]
Build = Callable[[str, Path], Store]


@contextlib.contextmanager
def opened(folder: Path, server: str) -> Iterator[Bucket]:
    """Give a bucket of a server; it may be used from one loop after another."""
    with SERVERS[server](folder) as storage, pytest.MonkeyPatch.context() as patch:
        for name, value in storage.env.items():
            patch.setenv(name, value)
        entered = s3.bucket(Access(), BUCKET)
        with asyncio.Runner() as runner:
            bucket = runner.run(entered.__aenter__())
            try:
                yield bucket
            finally:
                runner.run(entered.__aexit__(None, None, None))


def opened_tier(root: Path, *, most: int = 1 << 20) -> Tier:
    """Return a tier that is open, though no loop runs here."""
    tier = Tier(root, most=most)
    root.mkdir(parents=True, exist_ok=True)
    for stat in tier._scan():
        tier._note(stat)
    return tier


@contextlib.contextmanager
def builder(folder: Path) -> Iterator[Build]:
    """Give what builds an empty store of a kind in a folder."""
    fresh = itertools.count()
    buckets: dict[str, Bucket] = {}
    with contextlib.ExitStack() as running:

        def bucket(server: str) -> Bucket:
            if server not in buckets:
                (folder / server).mkdir()
                buckets[server] = running.enter_context(opened(folder / server, server))
            return buckets[server]

        def build(kind: str, root: Path) -> Store:
            where, _, what = kind.partition("-")
            if where == "s3":
                return BucketStore(bucket(what), prefix=f"stores/{next(fresh)}/")
            if where == "tiers":
                far = MemoryStore() if what == "memory" else build(f"s3-{what}", root)
                return Tiers(far, opened_tier(root))
            store: Store = DiskStore(root) if kind.endswith("disk") else MemoryStore()
            return scoped(store, "asset1") if where == "scoped" else store

        yield build
