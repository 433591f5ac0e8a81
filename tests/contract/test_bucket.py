"""Contract of Bucket, over real servers: rclone's, and Ceph's in the soak."""

from __future__ import annotations

import hashlib

import pytest

from cdn import errors, s3
from cdn.places import Access
from cdn.s3 import Listed, Lost, Stamp
from tests.ceph import radosgw
from tests.storage import BUCKET, rclone

STAMP = Stamp(
    media_type="video/mp4",
    cache_control="public, max-age=31536000, immutable",
    metadata={"content-hash": "0" * 32, "cache-tag": "asset-a,manifests-a"},
)


@pytest.fixture(scope="module", params=["rclone", pytest.param("radosgw", marks=pytest.mark.soak)])
def storage(request, tmp_path_factory):
    kinds = {"rclone": rclone, "radosgw": radosgw}
    with kinds[request.param](tmp_path_factory.mktemp(request.param)) as server:
        yield server


@pytest.fixture
def environment(storage, monkeypatch):
    for name, value in storage.env.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
async def bucket(environment):
    async with s3.bucket(Access(), BUCKET) as given:
        yield given


def listed(body: bytes) -> Listed:
    return Listed(size=len(body), etag=hashlib.md5(body, usedforsecurity=False).hexdigest())


async def test_what_is_written_is_listed_with_its_hash_and_kept_with_its_metadata(bucket):
    await bucket.put("w/g/v/0.m4s", b"first", STAMP, instead=None)
    assert await bucket.listing("w/") == {"w/g/v/0.m4s": listed(b"first")}
    assert await bucket.metadata("w/g/v/0.m4s") == dict(STAMP.metadata)
    await bucket.put("w/g/v/0.m4s", b"second", STAMP, instead=listed(b"first"))
    assert await bucket.listing("w/") == {"w/g/v/0.m4s": listed(b"second")}


async def test_a_listing_has_everything_under_the_prefix_and_nothing_else(bucket):
    names = {f"l/{n}" for n in range(30)}
    for name in sorted(names):
        await bucket.put(name, b"x", STAMP, instead=None)
    await bucket.put("l2/0", b"x", STAMP, instead=None)
    assert set(await bucket.listing("l/")) == names


async def test_deleting_takes_what_is_named_and_forgives_what_is_gone(bucket):
    for name in ("d/a", "d/b", "d/c"):
        await bucket.put(name, b"x", STAMP, instead=None)
    await bucket.delete(["d/a", "d/b", "d/none"])
    assert set(await bucket.listing("d/")) == {"d/c"}
    assert await bucket.metadata("d/a") == {}


async def test_a_write_does_not_take_the_place_of_another_one(bucket, storage):
    if not storage.conditional:
        await bucket.put("c/a", b"mine", STAMP, instead=None)
        await bucket.put("c/a", b"another", STAMP, instead=None)
        return
    await bucket.put("c/a", b"theirs", STAMP, instead=None)
    with pytest.raises(Lost):
        await bucket.put("c/a", b"mine", STAMP, instead=None)
    with pytest.raises(Lost):
        await bucket.put("c/a", b"mine", STAMP, instead=listed(b"what was there before"))
    assert (await bucket.listing("c/"))["c/a"] == listed(b"theirs")


@pytest.mark.parametrize(
    ("access", "name", "env", "cause"),
    [
        (Access(), "nothere", {}, errors.NoSuchBucket),
        (Access(), BUCKET, {"AWS_SECRET_ACCESS_KEY": "another"}, errors.AccessRefused),
        (Access(), BUCKET, {"AWS_ACCESS_KEY_ID": "nobody"}, errors.AccessRefused),
        (
            Access(),
            BUCKET,
            {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None},
            errors.CredentialsMissing,
        ),
        (Access(profile="none"), BUCKET, {}, errors.CredentialsMissing),
        (Access(endpoint="http://127.0.0.1:1"), BUCKET, {}, errors.EndpointAway),
        (Access(endpoint="nowhere"), BUCKET, {}, errors.BadDestination),
    ],
)
@pytest.mark.usefixtures("environment")
async def test_every_cause_is_an_error_of_its_own(access, name, env, cause, monkeypatch):
    for variable, value in env.items():
        if value is None:
            monkeypatch.delenv(variable)
        else:
            monkeypatch.setenv(variable, value)
    with pytest.raises(cause):
        async with s3.bucket(access, name) as bucket:
            await bucket.listing("e/")
