"""What keeps uploads: a directory, or a bucket that all servers of a database take uploads into."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack

from streamer import sharing, storage
from streamer.config import Config
from streamer.leases import SharedLeases
from streamer.nodes import ASKED
from streamer.truth import Truth
from streamer.uploads.bucket_inbox import BucketInbox
from streamer.uploads.directory import DiskInbox
from streamer.uploads.upload import Upload

_THREADS = 16
"""Uploads that wait for the bucket at one time; others wait for these."""


async def inbox(config: Config, stack: AsyncExitStack, truth: Truth) -> DiskInbox:
    """Return the inbox that the configuration names. Raise ConfigError."""
    shared, reserve = truth.bus.shared, config.disk_reserve_bytes
    store = await stack.enter_async_context(storage.uploads(config))
    if store is None:
        node = config.node_name if shared else ""
        return DiskInbox(config.data / "uploads", node=node, reserve=reserve)
    leases = SharedLeases(truth.database, truth.ledger, node=config.node_name)

    async def taken(upload: Upload) -> None:
        """Have an asset made where its bytes come from now on."""
        if shared and upload.asset:
            await leases.unseat(upload.asset)
            truth.bus.tell(ASKED, upload.asset)

    spool = stack.enter_context(storage.spool(config))
    threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="uploads")
    # Off the loop: what still runs in them waits for what the loop does.
    stack.push_async_callback(asyncio.to_thread, threads.shutdown)
    node = sharing.own_slots(config)
    return BucketInbox(spool, store, node=node, reserve=reserve, executor=threads, taken=taken)
