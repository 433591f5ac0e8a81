"""Where media and uploads are kept: a directory, or a bucket behind a part of this machine's disk."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO

from cdn import s3
from cdn.bucket_store import BucketStore, Label
from cdn.errors import PublishError
from cdn.policy import LASTING, POLICIES, classify
from cdn.tier import Tier
from cdn.tiers import Tiers
from packager.errors import StoreAway, StoreRefused
from packager.store import DiskStore, Store
from streamer.config import Config
from streamer.destinations import Destination
from streamer.errors import ConfigError
from streamer.uploads.directory import DiskInbox
from streamer.uploads.sources import Find, Sources, on_disk
from streamer.uploads.spool import Spool

THREADS = 16
"""Requests to the bucket at one time: viewers wait for some of them, and each waits for the network."""

_log = logging.getLogger(__name__)
_NOTHING = "none/"
_ATTEMPTS = 3  # whoever waits is told soon; what makes media tries again by itself


@asynccontextmanager
async def media(
    config: Config, *, executor: Executor | None = None, sync: Callable[[int], None] = os.fdatasync
) -> AsyncIterator[Store]:
    """Give a server's store, swept of what interrupted writes have left; file work runs in `executor`.

    A bucket that is away now is no error. Raise ConfigError where it cannot be used.
    """
    if config.media is None:
        store = DiskStore(config.data / "media", executor=executor, sync=sync)
        await store.sweep()
        yield store
        return
    near = Tier(_tier(config), most=config.tier_bytes, executor=executor)
    await near.open()
    async with _bucket(config.media, what="media") as far:
        tiers = Tiers(far, near, lasting=lasting)
        try:
            yield tiers
        finally:
            await tiers.close()


@asynccontextmanager
async def beside(config: Config, *, executor: Executor | None = None) -> AsyncIterator[Store]:
    """Give the store to who works beside a server: a worker, a command. Raise ConfigError."""
    if config.media is None:
        yield DiskStore(config.data / "media", executor=executor)
        return
    async with _bucket(config.media, what="media") as far:
        yield far


@asynccontextmanager
async def _bucket(named: Destination, *, what: str) -> AsyncIterator[Store]:
    where = named.place
    async with AsyncExitStack() as stack:
        opening = s3.bucket(named.access, where.bucket, threads=THREADS, attempts=_ATTEMPTS)
        try:
            far = BucketStore(await stack.enter_async_context(opening), prefix=where.prefix, label=label)
            await far.sizes(_NOTHING)
        except PublishError as error:
            raise ConfigError(f"{what}: {error.message}") from error
        except StoreRefused as error:
            raise ConfigError(f"{what}: {error.__cause__}") from error
        except StoreAway as error:
            _log.warning("%s: %s %s", what, error.message, error.evidence)
        yield far


@asynccontextmanager
async def uploads(config: Config) -> AsyncIterator[Store | None]:
    """Give the store of uploads where a bucket keeps them, None where that is `data`. Raise ConfigError."""
    if config.uploads is None:
        yield None
        return
    async with _bucket(config.uploads, what="uploads") as store:
        yield store


@contextmanager
def spool(config: Config) -> Iterator[Spool]:
    """Give a folder for copies of sources that no other process has meanwhile."""
    config.data.mkdir(parents=True, exist_ok=True)
    number = 0
    while (held := _held(config.data / f".spool-{number}")) is None:
        number += 1
    with held:
        folder = Spool(config.data / f"spool-{number}", most=config.tier_bytes)
        folder.open()
        yield folder


def _held(path: Path) -> IO[str] | None:
    """Return a file that is locked until it is closed, None where another process has it."""
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


@asynccontextmanager
async def sources(config: Config) -> AsyncIterator[Find]:
    """Give what finds uploads to who works beside a server: a worker, a command. Raise ConfigError."""
    async with uploads(config) as store:
        if store is None:
            yield on_disk(DiskInbox(config.data / "uploads").path)
            return
        with spool(config) as copies:
            yield Sources(store, copies).of


def _tier(config: Config) -> Path:
    """Return the folder of this server's tier; servers of one database may share a data directory."""
    return config.data / ("tier" if config.database is None else f"tier-{config.node_name}")


def label(key: str) -> Label:
    """Return how an object of an asset, `asset/key`, is labelled for who reads the bucket itself."""
    kind = classify(key.partition("/")[2])
    if kind is None:
        return Label()
    policy = POLICIES[kind]
    return Label(media_type=policy.media_type, cache_control=policy.cache_control())


def lasting(key: str) -> bool:
    """Say whether the bytes of `asset/key` never change: those of a generation."""
    return classify(key.partition("/")[2]) in LASTING
