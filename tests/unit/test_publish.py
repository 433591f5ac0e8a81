"""What is published of an asset, in which order, and what makes it be refused."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from cdn import publish as publishing
from cdn.errors import BadDestination, NotComplete, NothingToPublish, PublishedMeanwhile
from cdn.places import Place, place
from cdn.publish import HASH, Listing, Mirrored, publish, withdraw
from cdn.s3 import Listed, Lost, Stamp
from cdn.shown import InStore, named
from cdn.window import Window
from packager.store import MemoryStore

HEAD = """#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",URI="a.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"
v.m3u8
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="i.m3u8"
"""
MEDIA = {name: f'#EXTM3U\n#EXT-X-MAP:URI="g/{name}/init.mp4"\n#EXTINF:1,\ng/{name}/0.m4s\n' for name in "avi"}
END = "#EXT-X-ENDLIST\n"
OBJECTS = [*(f"g/{name}/{file}" for name in "avi" for file in ("init.mp4", "0.m4s"))]
ORNAMENTS = ["g/poster.jpg", "g/storyboard.vtt", "g/storyboard/0.jpg"]


class Memory:
    """A bucket in memory, with conditions; it stands for no server, those are tested beside this."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, Stamp]] = {}
        self.written: list[str] = []
        self.deleted: list[list[str]] = []

    async def listing(self, prefix: str) -> dict[str, Listed]:
        return {key: self._listed(key) for key in self.objects if key.startswith(prefix)}

    async def metadata(self, key: str) -> dict[str, str]:
        return dict(self.objects[key][1].metadata) if key in self.objects else {}

    async def put(self, key: str, body: bytes, stamp: Stamp, *, instead: Listed | None) -> None:
        if (self._listed(key) if key in self.objects else None) != instead:
            raise Lost(key)
        self.objects[key] = body, stamp
        self.written.append(key)

    async def delete(self, keys: list[str]) -> None:
        self.deleted.append(list(keys))
        for key in keys:
            del self.objects[key]

    def _listed(self, key: str) -> Listed:
        body = self.objects[key][0]
        return Listed(size=len(body), etag=hashlib.md5(body, usedforsecurity=False).hexdigest())


@pytest.fixture
async def store():
    made = MemoryStore()
    await made.put("main.m3u8", HEAD.encode())
    await made.put("main.mpd", b'<MPD type="static"></MPD>')
    for name, text in MEDIA.items():
        await made.put(f"{name}.m3u8", (text + END).encode())
    for key in (*OBJECTS, *ORNAMENTS):
        await made.put(key, key.encode())
    await made.put("old/v/0.m4s", b"of a generation that no manifest names")
    return made


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
