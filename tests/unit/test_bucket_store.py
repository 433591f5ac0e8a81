"""A Store in a bucket: what it makes of conditions that are kept or ignored, and of what a bucket refuses."""

from __future__ import annotations

import pytest

from cdn import errors
from cdn.bucket_store import BucketStore, Label
from cdn.s3 import HASH
from packager.errors import StoreAway, StoreFull, StoreRefused
from packager.folder import content_etag
from tests.unit.buckets import Memory


class Careless(Memory):
    """A storage that ignores conditions without a word."""

    async def put(self, key, body, stamp, *, instead):
        self.objects[key] = body, stamp
        self.written.append(key)


class Refusing(Memory):
    """A storage that refuses everything for one reason."""

    def __init__(self, error):
        super().__init__()
        self._error = error

    async def listing(self, prefix):
        raise self._error

    async def look(self, key):
        raise self._error

    async def put(self, key, body, stamp, *, instead):
        raise self._error


@pytest.mark.parametrize(("kind", "tried"), [(Memory, 1), (Careless, 2)])
async def test_the_first_writer_wins_whether_conditions_are_kept_or_ignored(kind, tried):
    bucket = kind()
    store = BucketStore(bucket, prefix="p/")
    first = await store.put("k", b"first")
    assert await store.put("k", b"second") == first
    assert await store.get("k") == b"first"
    assert bucket.written == ["p/.conditions"] * tried + ["p/k"]
    assert await store.list("") == ["k"]


async def test_objects_carry_their_hash_and_how_long_a_cache_may_keep_them():
    bucket = Memory()
    store = BucketStore(bucket, prefix="", label=lambda key: Label(media_type=key, cache_control="always"))
    await store.put("k", b"body")
    _, stamp = bucket.objects["k"]
    assert (stamp.media_type, stamp.cache_control) == ("k", "always")
    assert stamp.metadata == {HASH: content_etag(b"body")}


async def test_what_others_have_put_there_has_the_tag_of_the_storage():
    bucket = Memory()
    store = BucketStore(bucket, prefix="")
    await store.put("k", b"body")
    body, stamp = bucket.objects["k"]
    bucket.objects["k"] = body, type(stamp)(media_type="", cache_control="", metadata={})
    assert (await store.stat("k")).etag == f"s3-{(await bucket.look('k')).etag}"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (errors.EndpointAway, StoreAway),
        (errors.StorageFull, StoreFull),
        (errors.AccessRefused, StoreRefused),
        (errors.NoSuchBucket, StoreRefused),
        (errors.StorageRefused, StoreRefused),
    ],
)
async def test_every_cause_is_an_error_of_its_own(said, told):
    store = BucketStore(Refusing(said("no")), prefix="")
    for call in (store.put("k", b""), store.stat("k"), store.list(""), store.delete("a/")):
        with pytest.raises(told):
            await call
