"""Contract of Inbox: in a directory, and in a store that servers share, in memory and in a bucket."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache

import pytest

from cdn.bucket_store import BucketStore
from packager.store import MemoryStore
from streamer.uploads.bucket_inbox import BucketInbox
from streamer.uploads.directory import DiskInbox
from streamer.uploads.errors import (
    ChecksumMismatch,
    InvalidUpload,
    NoSuchUpload,
    NotWritable,
    OffsetMismatch,
    Superseded,
    TooLarge,
)
from streamer.uploads.flow import Pace
from streamer.uploads.metadata import Checksum
from streamer.uploads.spool import Spool
from streamer.uploads.upload import Upload
from tests.contract.stores import opened

PACE = Pace(sync_bytes=1 << 20, sync_seconds=60)
ID, END = "0" * 32, "1" * 32
BODY = b"".join(n.to_bytes(4, "big") for n in range(5 << 18))  # of five pieces of a MiB


@pytest.fixture(scope="module")
def bucket(tmp_path_factory):
    """Return what gives the bucket of a server, which starts when it is needed."""
    with contextlib.ExitStack() as running:
        yield cache(lambda name: running.enter_context(opened(tmp_path_factory.mktemp(name), name)))


@pytest.fixture
def threads():
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture(params=["disk", "memory", "rclone", pytest.param("radosgw", marks=pytest.mark.soak)])
def inbox(request, bucket, tmp_path, threads):
    """Return what opens an inbox on the same bytes, as a server does after a crash."""
    lives = itertools.count()
    if request.param == "disk":
        return lambda: DiskInbox(tmp_path, pace=PACE)
    if request.param == "memory":
        store = MemoryStore()
    else:
        store = BucketStore(bucket(request.param), prefix=f"{tmp_path.name}/")

    def opened_again():
        spool = Spool(tmp_path / str(next(lives)), most=0)
        return BucketInbox(spool, store, node="a", pace=PACE, executor=threads, piece_bytes=1 << 20)

    return opened_again


async def chunks(*bodies):
    for body in bodies:
        for at in range(0, len(body), 300_000):
            yield body[at : at + 300_000]


def fresh(**changes):
    return replace(Upload(id=ID, length=len(BODY), created=1, expires=9), **changes)


async def give(upload, path):
    pass


async def read(inbox, upload_id=ID):
    original = await inbox.original(upload_id)
    return await original.read(0, original.received)


async def test_acknowledged_bytes_outlive_a_crash_and_the_upload_goes_on(inbox):
    box = inbox()
    upload = await box.create(fresh())
    upload = await box.append(upload, 0, chunks(BODY[:2_500_000]), limit=len(BODY))
    assert upload.offset == 2_500_000
    for stop in (2_500_001, len(BODY)):
        box = inbox()
        upload = await box.claim(ID)
        assert await read(box) == BODY[: upload.offset]
        upload = await box.append(upload, upload.offset, chunks(BODY[upload.offset : stop]), limit=len(BODY))
    assert upload.whole
    box = inbox()
    assert [one.offset for one in await box.all()] == [len(BODY)]
    assert await read(box) == BODY


async def test_what_a_broken_body_has_brought_is_kept(inbox):
    async def breaking():
        yield BODY[:1_300_000]
        raise ConnectionResetError

    box = inbox()
    upload = await box.create(fresh())
    with pytest.raises(ConnectionResetError):
        await box.append(upload, 0, breaking(), limit=len(BODY))
    assert (await inbox().claim(ID)).offset == 1_300_000


async def test_one_writes_at_the_offset_and_a_newer_claim_stops_it(inbox):
    box = inbox()
    upload = await box.create(fresh())
    with pytest.raises(OffsetMismatch):
        await box.append(upload, 1, chunks(b"x"), limit=len(BODY))
    with pytest.raises(TooLarge):
        await box.append(upload, 0, chunks(b"123"), limit=2)
    begun, never = asyncio.Event(), asyncio.Event()

    async def silent():
        yield b"0123"
        begun.set()
        await never.wait()

    upload = await box.claim(ID)
    writing = asyncio.create_task(box.append(upload, 0, silent(), limit=len(BODY)))
    await begun.wait()
    claimed = await box.claim(ID)
    with pytest.raises(Superseded):
        await writing
    assert claimed.offset == 4
    with pytest.raises(Superseded):
        await box.append(upload, 4, chunks(b"x"), limit=len(BODY))


async def test_a_length_that_comes_late_and_one_that_is_sealed(inbox):
    box = inbox()
    upload = await box.create(fresh(length=None))
    upload = await box.append(upload, 0, chunks(b"0123"), limit=99)
    with pytest.raises(InvalidUpload):
        await box.append(await box.claim(ID), 4, chunks(b""), limit=99, length=3)
    await box.seal(ID)
    assert (await inbox().claim(ID)).whole


async def test_with_a_checksum_all_bytes_count_or_none(inbox):
    box = inbox()
    wrong = Checksum(algorithm="sha1", digest=b"no")
    right = Checksum(algorithm="sha1", digest=hashlib.sha1(BODY, usedforsecurity=False).digest())
    await box.create(fresh())
    with pytest.raises(ChecksumMismatch):
        await box.append(await box.claim(ID), 0, chunks(BODY[:2_000_000]), limit=len(BODY), checksum=wrong)
    assert (await inbox().claim(ID)).offset == 0
    box = inbox()
    upload = await box.append(await box.claim(ID), 0, chunks(BODY), limit=len(BODY), checksum=right)
    assert upload.whole
    assert await read(box) == BODY


async def test_the_end_may_come_first(inbox):
    at = 3_100_000
    box = inbox()
    upload = await box.create(fresh())
    tail = await box.map_tail(fresh(id=END, length=len(BODY) - at, into=ID, at=at, partial=True))
    tail = await box.append(tail, 0, chunks(BODY[at:]), limit=len(BODY) - at)
    assert (await box.original(ID)).has(at, len(BODY))
    box = inbox()
    upload = await box.claim(ID)
    assert (upload.offset, (await box.tail_of(upload)).offset) == (0, len(BODY) - at)
    assert not (await box.meet(ID)).whole
    await box.append(await box.claim(ID), 0, chunks(BODY[:at]), limit=at)
    assert (await box.meet(ID)).whole
    await box.hand_over(ID, give)
    assert await read(inbox()) == BODY


async def test_it_is_handed_over_once_and_takes_no_more(inbox):
    given = []

    async def note(upload, path):
        given.append(upload.offset)

    box = inbox()
    upload = await box.create(fresh(length=4))
    await box.append(upload, 0, chunks(b"0123"), limit=4)
    for _ in range(2):
        assert (await box.hand_over(ID, note)).delivered
    assert given == [4]
    with pytest.raises(NotWritable):
        await box.append(await box.claim(ID), 4, chunks(b"4"), limit=5)
    original = await inbox().original(ID)
    assert (original.whole, await original.read(1, 3)) == (True, b"12")
    path = await original.file()
    assert await asyncio.to_thread(path.read_bytes) == b"0123"


async def test_what_is_discarded_is_remembered_and_what_is_removed_is_not(inbox):
    box = inbox()
    upload = await box.create(fresh())
    await box.append(upload, 0, chunks(b"0123"), limit=9)
    await box.discard(ID)
    assert [one.abandoned for one in await inbox().all()] == [True]
    box = inbox()
    await box.remove(ID)
    await box.remove(ID)
    for late in (box, inbox()):
        assert await late.all() == ()
        with pytest.raises(NoSuchUpload):
            await late.claim(ID)
