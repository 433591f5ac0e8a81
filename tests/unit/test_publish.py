"""What is published of an asset, in which order, and what makes it be refused."""

from __future__ import annotations

import asyncio

import pytest

from cdn import publish as publishing
from cdn.errors import BadDestination, NotComplete, NothingToPublish, PublishedMeanwhile
from cdn.places import Place, place
from cdn.publish import HASH, Listing, Mirrored, publish, withdraw
from cdn.s3 import Lost, Stamp
from cdn.shown import InStore, named
from cdn.window import Window
from packager.store import MemoryStore
from tests.unit.buckets import HEAD, MEDIA, OBJECTS, ORNAMENTS, Memory, small


@pytest.fixture
async def store():
    return await small()


async def put(store: MemoryStore, bucket: Memory, facts: list | None = None):
    sink = facts.append if facts is not None else lambda _: None
    return await publish(InStore(store), bucket, prefix="p/", tag="film", sink=sink)


async def test_everything_named_is_there_and_manifests_come_last(store):
    bucket, facts = Memory(), []
    done = await put(store, bucket, facts)
    manifests = ["p/a.m3u8", "p/v.m3u8", "p/i.m3u8", "p/main.mpd", "p/main.m3u8"]
    assert bucket.written[-5:] == manifests
    assert set(bucket.written[:-5]) == {f"p/{key}" for key in (*OBJECTS, *ORNAMENTS)}
    assert facts[0] == Listing(objects=14, bytes=done.bytes)
    assert {fact.key for fact in facts[1:] if isinstance(fact, Mirrored) and fact.uploaded} == {
        key.removeprefix("p/") for key in bucket.written
    }
    assert (done.objects, done.uploaded, done.uploaded_bytes) == (14, 14, done.bytes)


async def test_again_nothing_is_written(store):
    bucket = Memory()
    await put(store, bucket)
    bucket.written.clear()
    assert (await put(store, bucket)).uploaded == 0
    assert bucket.written == []


async def test_a_tag_that_is_no_hash_is_told_by_the_metadata(store, monkeypatch):
    bucket = Memory()
    await put(store, bucket)
    monkeypatch.setattr(publishing, "_md5", lambda _: "an encrypted object's tag is not this")
    assert (await put(store, bucket)).uploaded == 0


async def test_another_body_of_the_same_size_takes_its_place(store):
    bucket = Memory()
    await put(store, bucket)
    body, stamp = bucket.objects["p/g/v/0.m4s"]
    other = Stamp(media_type="", cache_control="", metadata={HASH: "x"})
    bucket.objects["p/g/v/0.m4s"] = b"!" * len(body), other
    assert (await put(store, bucket)).uploaded == 1
    assert bucket.objects["p/g/v/0.m4s"] == (body, stamp)


async def test_what_another_one_writes_meanwhile_is_not_overwritten(store):
    class Raced(Memory):
        async def listing(self, prefix):
            found = await super().listing(prefix)
            stamp = Stamp(media_type="", cache_control="", metadata={HASH: "another"})
            self.objects["p/g/v/0.m4s"] = b"theirs", stamp
            return found

    with pytest.raises(PublishedMeanwhile):
        await put(store, bucket := Raced())
    assert bucket.objects["p/g/v/0.m4s"][0] == b"theirs"
    assert "p/main.m3u8" not in bucket.objects


async def test_an_answer_that_was_lost_is_no_failure(store):
    class Deaf(Memory):
        async def put(self, key, body, stamp, *, instead):
            await super().put(key, body, stamp, instead=instead)
            raise Lost(key)

    assert (await put(store, Deaf())).uploaded == 14


@pytest.mark.parametrize(
    ("key", "body", "refused"),
    [
        ("main.m3u8", None, NothingToPublish),
        ("v.m3u8", None, NotComplete),
        ("v.m3u8", MEDIA["v"].encode(), NotComplete),
        ("main.mpd", b'<MPD xmlns="x" type="dynamic">', NotComplete),
        ("g/v/0.m4s", None, NotComplete),
    ],
)
async def test_nothing_is_written_of_what_is_not_whole(key, body, refused, store):
    await store.delete(key)
    if body is not None:
        await store.put(key, body)
    with pytest.raises(refused):
        await put(store, bucket := Memory())
    assert bucket.written == []


async def test_withdrawing_takes_manifests_first_and_only_what_was_published(store):
    bucket = Memory()
    await put(store, bucket)
    foreign = "p/notes.txt", "p/sub/main.m3u8", "q/main.m3u8"
    for key in foreign:
        await bucket.put(key, b"", Stamp(media_type="", cache_control="", metadata={}), instead=None)
    told = []
    assert await withdraw(bucket, prefix="p/", sink=lambda *far: told.append(far)) == 14
    assert set(bucket.deleted[0]) == {"p/main.m3u8", "p/main.mpd"}
    assert set(bucket.deleted[1]) == {"p/a.m3u8", "p/v.m3u8", "p/i.m3u8"}
    assert set(bucket.objects) == set(foreign)
    assert told == [(2, 14), (5, 14), (14, 14)]


def test_uris_of_a_playlist_in_their_order():
    assert list(named(HEAD + "v.m3u8\n\n")) == ["a.m3u8", "v.m3u8", "i.m3u8"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3://films", Place(bucket="films", prefix="")),
        ("s3://films/", Place(bucket="films", prefix="")),
        ("s3://my.films-1/a/b/", Place(bucket="my.films-1", prefix="a/b/")),
    ],
)
def test_a_place_is_a_bucket_and_a_prefix(url, expected):
    assert place(url) == expected
    assert str(expected.under("x")) == f"{url.rstrip('/')}/x"


@pytest.mark.parametrize(
    "url", ["", "films", "http://films/a", "s3://", "s3:///a", "s3://Films", "s3://a/b//c", "s3://abc/../b"]
)
def test_what_is_no_place(url):
    with pytest.raises(BadDestination):
        place(url)


async def test_a_window_lets_in_what_fits_and_the_largest_alone():
    window, inside, most = Window(10), 0, 0

    async def enter(size: int) -> None:
        nonlocal inside, most
        async with window.room(size):
            inside += size
            most = max(most, inside if size <= 10 else 0)
            assert size <= 10 or inside == size
            await asyncio.sleep(0)
            inside -= size

    await asyncio.gather(*(enter(size) for size in (4, 4, 4, 25, 1, 9, 10)))
    assert (most, inside) == (10, 0)
