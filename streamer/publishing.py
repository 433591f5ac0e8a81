"""`streamer publish` and `streamer unpublish`: an asset or a packaged folder into a bucket, and out again."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from cdn import s3
from cdn.errors import BadDestination
from cdn.places import Access, Place, place
from cdn.publish import publish, withdraw
from cdn.shown import InStore, Shown
from packager.store import DiskStore
from streamer.config import Config
from streamer.errors import NoSuchAsset
from streamer.interrupt import interrupt
from streamer.outbound import Outbound, allowance
from streamer.publishing_face import Face, face
from streamer.purging import PAUSES, Purging

_ID = re.compile(r"[a-z0-9]{12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be published or withdrawn, and where; `complete` has all made of what is only watched.

    `signed` lets an asset be published that is not for everybody.
    """

    what: str
    destination: str
    access: Access
    complete: bool = False
    signed: bool = False


async def send(config: Config, wish: Wish, *, json: bool) -> int:
    """Publish; return the exit status. Ctrl-C stops it, and running it again continues."""
    shower = face(json=json)
    work = asyncio.current_task()
    with interrupt(work.cancel if work else lambda: None):
        try:
            await _send(config, wish, shower)
        except asyncio.CancelledError:
            Console(stderr=True).print("stopped; run the same command again to continue")
            return 130
        finally:
            shower.close()
    return 0


async def withdraw_from(config: Config, wish: Wish, *, json: bool) -> int:
    """Take away what was published; return the exit status."""
    shower = face(json=json)
    access, where = _target(config, wish)
    try:
        async with s3.bucket(access, where.bucket) as bucket:
            gone = await withdraw(bucket, prefix=where.prefix, sink=shower.deleted)
    finally:
        shower.close()
    shower.withdrawn(gone, where)
    if (named := config.destinations.get(wish.destination)) is not None:
        purging = _purging(config).withdrawn(_tag(where, wish.what), named, where.prefix)
        _purged(await purging)
    return 0


async def _send(config: Config, wish: Wish, shower: Face) -> None:
    began = time.monotonic()
    access, where = _target(config, wish)
    async with _shown(config, wish, shower) as shown, s3.bucket(access, where.bucket) as bucket:
        tag = _tag(where, wish.what)
        done = await publish(shown, bucket, prefix=where.prefix, tag=tag, sink=shower.fact)
    shower.published(done, where, time.monotonic() - began)
    if (named := config.destinations.get(wish.destination)) is not None:
        _purged(await _purging(config).replaced(tag, named, done.replaced))


def _purging(config: Config) -> Purging:
    return Purging(Outbound(allowance(config.outbound_allow)), pauses=PAUSES[:1])


def _purged(done: bool) -> None:  # noqa: FBT001 - what the work came to
    if not done:
        Console(stderr=True).print("the CDN was not told; what it has of it lapses by itself", markup=False)


@asynccontextmanager
async def _shown(config: Config, wish: Wish, shower: Face) -> AsyncIterator[Shown]:
    """Give what is to be published, complete."""
    folder = Path(wish.what)
    if await asyncio.to_thread(folder.is_dir):
        yield InStore(DiskStore(folder))
        return
    if _ID.fullmatch(wish.what) is None:
        raise NoSuchAsset(wish.what)
    from streamer.library import shown  # noqa: PLC0415 - a folder needs nothing of a server

    named = config.destinations.get(wish.destination)
    signed = wish.signed or (named is not None and named.signed)
    async with shown(config, wish.what, complete=wish.complete, signed=signed, tell=shower.making) as asset:
        yield asset


def _target(config: Config, wish: Wish) -> tuple[Access, Place]:
    """Return the bucket and the prefix: an asset lies under its id, a folder's files lie there themselves.

    A destination that is configured is named; what the command line gives goes before it.
    """
    named = config.destinations.get(wish.destination)
    if named is None and "://" not in wish.destination:
        raise BadDestination(
            f"{wish.destination!r} is neither s3://bucket/prefix nor a configured destination"
        )
    where = place(wish.destination) if named is None else named.place
    access = wish.access if named is None else _over(named.access, wish.access)
    return access, where if _is_folder(wish.what) else where.under(wish.what)


def _over(configured: Access, given: Access) -> Access:
    changes = {name: getattr(given, name) for name in Access.__slots__}
    return replace(configured, **{name: value for name, value in changes.items() if value is not None})


def _is_folder(what: str) -> bool:
    return _ID.fullmatch(what) is None or Path(what).is_dir()


def _tag(where: Place, what: str) -> str:
    """Return the name in cache tags: an asset's id, or what a folder is published as."""
    name = where.prefix.rstrip("/").rpartition("/")[2] or where.bucket if _is_folder(what) else what
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "folder"
