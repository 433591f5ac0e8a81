"""Servers that share the uploads of a store: one has an upload in hand, and any other may take it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from packager.errors import StoreAway
from packager.original import SourceCut
from packager.store import MemoryStore
from streamer.uploads.bucket_inbox import BucketInbox
from streamer.uploads.errors import StorageAway, Superseded, UploadElsewhere
from streamer.uploads.flow import Pace
from streamer.uploads.intake import UploadSettings
from streamer.uploads.reception import Reception
from streamer.uploads.sources import Sources
from streamer.uploads.spool import Spool
from streamer.uploads.upload import Upload
from tests.flow.upload_site import Shelf

ID = "0" * 32
UPLOAD = Upload(id=ID, length=10, created=0, expires=100, asset="film")


class Shared(MemoryStore):
    """A store that can be away for what is written, and that can be held back after a write."""

    def __init__(self):
        super().__init__()
        self.away = False
        self.holding: asyncio.Event | None = None
        self.held = asyncio.Event()

    async def list(self, prefix):
        if self.away:
            raise StoreAway("away")
        return await super().list(prefix)

    async def put(self, key, body):
        if self.away:
            raise StoreAway("away")
        stat = await super().put(key, body)
        if self.holding is not None and "/pieces/" in key:
            self.held.set()
            await self.holding.wait()
        return stat


@pytest.fixture
def threads():
    with ThreadPoolExecutor(4) as pool:
        yield pool


@pytest.fixture
def rig(tmp_path, threads):
    store = Shared()
    told = []

    async def taken(upload):
        told.append(upload.asset)

    def server(name, *, piece_bytes=4):
        spool = Spool(tmp_path / name, most=1 << 20)
        pace = Pace(sync_bytes=1)
        return BucketInbox(
            spool, store, node=name, pace=pace, executor=threads, taken=taken, piece_bytes=piece_bytes
        )

    return store, server, told


async def chunks(*bodies):
    for body in bodies:
        yield body


async def give(upload, path):
    pass


def pieces(store):
    return sorted(key.rpartition("/")[2] for key in store._objects if "/pieces/" in key)


async def test_another_server_goes_on_with_what_was_acknowledged(rig, tmp_path):
    _, server, told = rig
    a, b = server("a"), server("b")
    await b.all()
    upload = await a.create(UPLOAD)
    await a.append(upload, 0, chunks(b"012345"), limit=10)
    with pytest.raises(UploadElsewhere):
        await b.original(ID)
    upload = await b.claim(ID)
    assert (upload.offset, told) == (6, ["film"])
    with pytest.raises(Superseded):
        await a.append(await a.state(ID), 6, chunks(b"late"), limit=10)
    upload = await b.append(upload, 6, chunks(b"6789"), limit=10)
    assert (await b.hand_over(ID, give)).delivered
    for one in (a, b, server("c")):
        original = await one.original(ID)
        assert (original.whole, await original.read(0, 10)) == (True, b"0123456789")
        assert (await original.file()).read_bytes() == b"0123456789"


async def test_what_comes_too_late_is_neither_acknowledged_nor_counted(rig):
    store, server, _ = rig
    a, b = server("a"), server("b")
    upload = await a.create(UPLOAD)
    upload = await a.append(upload, 0, chunks(b"0123"), limit=10)
    store.holding = asyncio.Event()
    late = asyncio.create_task(a.append(upload, 4, chunks(b"LATE"), limit=10))
    await store.held.wait()
    free, store.holding = store.holding, None
    upload = await b.claim(ID)
    assert upload.offset == 8  # it was there when the upload was taken
    free.set()
    with pytest.raises(Superseded):
        await late
    store.holding = asyncio.Event()
    store.held.clear()
    late = asyncio.create_task(b.append(upload, 8, chunks(b"89"), limit=10))
    await store.held.wait()
    await store.delete(f"{ID}/pieces/{pieces(store)[-1]}")  # as if it were still on its way
    free, store.holding = store.holding, None
    upload = await a.claim(ID)
    assert upload.offset == 8
    await store.put(f"{ID}/pieces/000002-{8:015d}-{10:015d}", b"xx")
    upload = await a.append(upload, 8, chunks(b"89"), limit=10)
    free.set()
    with pytest.raises(Superseded):
        await late
    assert await (await a.original(ID)).read(0, 10) == b"0123LATE89"


async def test_small_pieces_make_way_for_one_that_holds_them(rig):
    store, server, _ = rig
    a = server("a")
    await a.create(UPLOAD)
    for at in range(9):
        await a.append(await a.claim(ID), at, chunks(b"%d" % at), limit=10)
    ends = [(0, 4), (4, 8), (8, 9)]
    assert pieces(store) == [f"000001-{start:015d}-{stop:015d}" for start, stop in ends]


async def test_while_the_store_is_away_nothing_is_acknowledged_and_nothing_lost(rig):
    store, server, _ = rig
    a = server("a")
    upload = await a.create(UPLOAD)
    await a.append(upload, 0, chunks(b"0123"), limit=10)
    store.away = True
    with pytest.raises(StorageAway):
        await a.append(await a.claim(ID), 4, chunks(b"45"), limit=10)
    assert (await a.state(ID)).offset == 4
    store.away = False
    upload = await a.append(await a.claim(ID), 4, chunks(b"456789"), limit=10)
    assert upload.whole
    assert await (await a.original(ID)).read(0, 10) == b"0123456789"


async def test_a_start_while_the_store_is_away_is_made_up_for(rig):
    store, server, _ = rig
    a = server("a")
    upload = await a.create(UPLOAD)
    await a.append(upload, 0, chunks(b"0123"), limit=10)
    shelf = Shelf()
    again = Reception(inbox=server("a"), intake=shelf, settings=UploadSettings(), clock=lambda: 1)
    store.away = True
    assert not await again.recover()
    store.away = False
    assert await again.recover()
    assert shelf.seen == ["film"]


async def test_of_a_server_that_never_comes_back_others_remove_what_expires(rig):
    store, server, _ = rig
    a, b = server("a"), server("b")
    upload = await a.create(UPLOAD)
    await a.append(upload, 0, chunks(b"0123"), limit=10)
    assert await b.settle(99) == ()
    (lapsed,) = await b.settle(100)
    await b.discard(lapsed.id)
    assert pieces(store) == []
    assert await a.settle(100) == ()
    assert await a.all() == ()


async def test_a_worker_reads_what_is_there_by_ranges_or_as_a_file(rig, tmp_path):
    store, server, _ = rig
    a = server("a")
    upload = await a.create(UPLOAD)
    await a.append(upload, 0, chunks(b"012345"), limit=10)
    source = await Sources(store, Spool(tmp_path / "worker", most=1)).of(ID)
    assert await source.read(3, 6) == b"345"
    with pytest.raises(SourceCut):
        await source.read(5, 8)
    await a.append(await a.claim(ID), 6, chunks(b"6789"), limit=10)
    assert await source.read(5, 8) == b"567"
    assert (await source.file()).read_bytes() == b"0123456789"
    with pytest.raises(SourceCut):
        await Sources(store, Spool(tmp_path / "worker", most=1)).of("1" * 32)
    (tmp_path / "file").touch()
    homeless = await Sources(store, Spool(tmp_path / "file" / "worker", most=1)).of(ID)
    with pytest.raises(SourceCut):
        await homeless.file()
