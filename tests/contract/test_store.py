"""Contract of Store, over every implementation."""

import asyncio
import errno
import fcntl
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from packager.errors import BadKey, KeyMissing, StoreFailed, StoreFull
from packager.store import DiskStore, MemoryStore, scoped
from tests.contract.stores import KINDS, builder

PART = st.from_regex(r"[a-z0-9_-][a-z0-9._-]{0,8}", fullmatch=True)
KEY = st.lists(PART, min_size=1, max_size=4).map("/".join)
BAD_KEYS = [
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "a/..",
    "a/../b",
    "./a",
    ".tmp/a",
    "a/.tmp",
    "a\0b",
    "a\nb",
    "a\x7f",
    "a\\b",
    "..\\a",
    "\ud800",
    "a" * 256,
    "é" * 128,
    "a/" * 512 + "a",
]


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    with builder(tmp_path_factory.mktemp("servers")) as give:
        yield give


@pytest.fixture(params=KINDS)
def store(request, build, tmp_path):
    return build(request.param, tmp_path / "store")


async def test_put_get_stat(store):
    stat = await store.put("gen/v1/0.m4s", b"0123456789")
    assert (stat.key, stat.size, len(stat.etag)) == ("gen/v1/0.m4s", 10, 32)
    assert await store.stat("gen/v1/0.m4s") == stat
    assert await store.get("gen/v1/0.m4s") == b"0123456789"
    assert await store.get("gen/v1/0.m4s", 2) == b"23456789"
    assert await store.get("gen/v1/0.m4s", 2, 5) == b"234"
    assert await store.get("gen/v1/0.m4s", 8, 99) == b"89"
    assert await store.get("gen/v1/0.m4s", 10) == b""
    assert await store.get("gen/v1/0.m4s", 99, 120) == b""
    assert await store.get("gen/v1/0.m4s", 5, 5) == b""


async def test_an_absent_key(store):
    assert await store.stat("nothing") is None
    assert await store.list("") == []
    assert await store.list("nothing/") == []
    await store.delete("nothing")
    await store.delete("nothing/")
    with pytest.raises(KeyMissing):
        await store.get("nothing")
    await store.put("file", b"x")
    assert await store.stat("file/below") is None
    with pytest.raises(KeyMissing):
        await store.get("file/below")


async def test_a_folder_is_not_an_object(store):
    await store.put("a/b", b"x")
    assert await store.stat("a") is None
    with pytest.raises(KeyMissing):
        await store.get("a")
    await store.delete("a")
    assert await store.list("") == ["a/b"]


async def test_the_first_writer_wins(store):
    first = await store.put("k", b"first")
    assert await store.put("k", b"second, and longer") == first
    assert await store.get("k") == b"first"


async def test_replace_takes_the_place(store):
    first = await store.replace("k", b"first")
    second = await store.replace("k", b"second")
    assert first.etag != second.etag
    assert await store.stat("k") == second
    assert await store.get("k") == b"second"


async def test_a_copy_lasts_without_its_source_and_takes_nobodys_place(store):
    source = await store.put("a/k", b"body")
    copied = await store.copy("a/k", "b/c/k")
    assert copied == replace(source, key="b/c/k")
    await store.put("a/other", b"another")
    assert await store.copy("a/other", "b/c/k") == copied
    await store.delete("a/")
    assert await store.get("b/c/k") == b"body"
    assert await store.stat("b/c/k") == copied
    for absent in ("a/k", "b"):
        with pytest.raises(KeyMissing):
            await store.copy(absent, "d")
    assert await store.list("") == ["b/c/k"]


async def test_an_empty_object_exists(store):
    stat = await store.put("empty", b"")
    assert stat.size == 0
    assert await store.stat("empty") == stat
    assert await store.get("empty") == b""


async def test_the_etag_is_the_content(store):
    one = await store.put("a", b"same")
    two = await store.put("b/c", b"same")
    other = await store.put("d", b"else")
    assert one.etag == two.etag != other.etag


async def test_sixteen_racing_writers(store):
    bodies = [bytes([n]) * (1000 + n) for n in range(16)]
    stats = await asyncio.gather(*(store.put("new/folder/k", body) for body in bodies))
    kept = await store.get("new/folder/k")
    assert kept in bodies
    assert {stat.size for stat in stats} == {len(kept)}
    assert len({stat.etag for stat in stats}) == 1


async def test_racing_readers_see_whole_objects(store):
    bodies = [bytes([n]) * 50_000 for n in range(8)]
    await store.replace("k", bodies[0])

    async def read() -> None:
        for _ in range(20):
            assert await store.get("k") in bodies

    await asyncio.gather(read(), read(), *(store.replace("k", body) for body in bodies))


async def test_puts_race_deletions(store):
    async def put(n: int) -> None:
        for m in range(10):
            assert (await store.put(f"asset/{n}/{m}", b"x")).size == 1

    async def delete() -> None:
        for _ in range(10):
            await store.delete("asset/")

    await asyncio.gather(*(put(n) for n in range(4)), delete())
    await store.delete("asset/")
    assert await store.list("") == []


async def test_list_and_delete_by_prefix(store):
    keys = ["a/b/1", "a/b/2", "a/b-c", "a/bc/1", "b", "a-b/1"]
    for key in keys:
        await store.put(key, key.encode())
    assert await store.list("") == sorted(keys)
    assert await store.list("a/b") == ["a/b-c", "a/b/1", "a/b/2", "a/bc/1"]
    assert await store.list("a/b/") == ["a/b/1", "a/b/2"]
    assert await store.sizes("a/b") == {"a/b-c": 5, "a/b/1": 5, "a/b/2": 5, "a/bc/1": 6}
    await store.delete("a/b/1")
    await store.delete("a/b/")
    assert await store.list("a/b") == ["a/b-c", "a/bc/1"]
    await store.delete("a/")
    assert await store.list("") == ["a-b/1", "b"]
    await store.put("a/b/1", b"again")
    assert await store.get("a/b/1") == b"again"


@pytest.mark.parametrize("key", BAD_KEYS, ids=lambda key: ascii(key)[:20])
async def test_bad_keys(store, key):
    calls = (store.get(key), store.put(key, b""), store.replace(key, b""), store.stat(key), store.path(key))
    for call in calls:
        with pytest.raises(BadKey):
            await call
    if not key.endswith("a/"):
        with pytest.raises(BadKey):
            await store.delete(key)


@pytest.mark.parametrize("prefix", ["../", "/", "a//", "a/../b", ".tmp/", "a\0"])
async def test_bad_prefixes(store, prefix):
    for call in (store.list(prefix), store.sizes(prefix), store.delete(prefix)):
        with pytest.raises(BadKey):
            await call


async def test_path_is_the_object_where_there_are_files(store):
    await store.put("a/b", b"body")
    path = await store.path("a/b")
    if path is not None:
        assert await asyncio.to_thread(path.read_bytes) == b"body"


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["put", "replace", "delete", "list"]), KEY, st.binary(max_size=8)),
        max_size=12,
    )
)
def test_it_is_a_mapping(kind, build, tmp_path_factory, steps):
    """Any sequence of calls behaves like a dict, where no key is also a folder of another."""

    async def run() -> None:
        store, model = build(kind, tmp_path_factory.mktemp("store")), {}
        for step, name, body in steps:
            key = f"{name}.end"
            if any(f"{key}/".startswith(f"{k}/") or f"{k}/".startswith(f"{key}/") for k in model if k != key):
                continue
            if step == "put":
                await store.put(key, body)
                model.setdefault(key, body)
            elif step == "replace":
                await store.replace(key, body)
                model[key] = body
            elif step == "delete":
                await store.delete(key)
                model.pop(key, None)
            else:
                assert await store.list(name[:1]) == sorted(k for k in model if k.startswith(name[:1]))
        assert {key: await store.get(key) for key in await store.list("")} == model

    asyncio.run(run())


async def test_scoped_views_do_not_meet(tmp_path):
    whole = DiskStore(tmp_path)
    one, two = scoped(whole, "one"), scoped(whole, "one2")
    await one.put("k", b"1")
    await two.put("k", b"2")
    assert await whole.list("") == ["one/k", "one2/k"]
    assert await one.list("") == ["k"]
    await one.delete("k")
    assert await two.get("k") == b"2"


async def test_memory_is_bounded():
    store = MemoryStore(capacity=10)
    await store.put("a", b"12345678")
    with pytest.raises(StoreFull):
        await store.put("b", b"123")
    assert await store.list("") == ["a"]
    await store.replace("a", b"1234567890")
    await store.delete("a")
    await store.put("b", b"1234567890")


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("number", "error"), [(errno.ENOSPC, StoreFull), (errno.EDQUOT, StoreFull), (errno.EIO, StoreFailed)]
)
@pytest.mark.parametrize("how", ["put", "replace"])
async def test_a_failing_sync_leaves_nothing(tmp_path, number, error, how):
    broken = True

    def sync(handle: int) -> None:
        if broken:
            raise OSError(number, os.strerror(number))
        os.fdatasync(handle)

    store = DiskStore(tmp_path, sync=sync)
    with pytest.raises(error):
        await getattr(store, how)("a/b", b"x" * 100_000)
    assert await store.stat("a/b") is None
    assert files(tmp_path) == []
    broken = False
    await getattr(store, how)("a/b", b"good")
    broken = True
    with pytest.raises(error):
        await store.replace("a/b", b"new")
    assert await store.get("a/b") == b"good"
    assert files(tmp_path) == ["a/b"]


def test_a_real_full_disk_leaves_nothing(tmp_path):
    script = """
import asyncio, pathlib, sys
from packager.errors import StoreFull
from packager.store import DiskStore
async def main():
    root = pathlib.Path(sys.argv[1])
    store = DiskStore(root)
    await store.put("small", b"x" * 1000)
    try:
        await store.put("large", b"x" * 2_000_000)
    except StoreFull:
        print(await store.list(""), list((root / ".tmp").iterdir()), (await store.put("b", b"y")).size)
asyncio.run(main())
"""
    shell = 'mount -t tmpfs -o size=1m none "$1" && exec "$2" -c "$3" "$1"'
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", shell, "sh", str(tmp_path), sys.executable, script],
        capture_output=True,
        text=True,
        check=False,
    )
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip(f"no file system of our own here: {done.stderr.strip()}")
    assert done.stdout == "['small'] [] 1\n", done.stderr


async def test_sweep_removes_what_a_killed_writer_left(tmp_path):
    store = DiskStore(tmp_path)
    assert await store.sweep() == 0
    await store.put("a/b", b"kept")
    tmp = tmp_path / ".tmp"
    (tmp / "0123").write_bytes(b"half an obj")
    (tmp / "gone").mkdir()
    (tmp / "gone" / "0.m4s").write_bytes(b"rest of a deletion")
    assert await store.list("") == ["a/b"]
    assert await store.sweep() == 2
    assert files(tmp_path) == ["a/b"]


async def test_sweep_leaves_a_writer_of_another_process_alone(tmp_path):
    store = DiskStore(tmp_path)
    await store.put("a", b"")
    with (tmp_path / ".tmp" / "busy").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert await store.sweep() == 0
    assert await store.sweep() == 1


async def test_sweep_during_writes_loses_none(tmp_path):
    store, other = DiskStore(tmp_path), DiskStore(tmp_path)
    puts = [store.put(f"f/{n}", b"x" * 1000) for n in range(40)]
    await asyncio.gather(*puts, *(other.sweep() for _ in range(20)))
    assert len(await store.list("f/")) == 40


def test_a_killed_writer_leaves_whole_objects_only(tmp_path):
    """Kill a writing process at some moment: each key that can be seen is complete."""
    script = """
import asyncio, pathlib, sys
from packager.store import DiskStore
async def main():
    store = DiskStore(pathlib.Path(sys.argv[1]))
    for n in range(100_000):
        await store.put(f"f/{n}", bytes([n % 251]) * 300_000)
        print(n, flush=True)
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        acknowledged = [int(child.stdout.readline()) for _ in range(12)]
        child.kill()

    async def check() -> None:
        store = DiskStore(tmp_path)
        await store.sweep()
        keys = await store.list("")
        assert {f"f/{n}" for n in acknowledged} <= set(keys)
        for key in keys:
            assert await store.get(key) == bytes([int(key[2:]) % 251]) * 300_000
        assert not list((tmp_path / ".tmp").iterdir())

    asyncio.run(check())


async def test_the_etag_survives_without_attributes_and_follows_an_edit(tmp_path):
    store = DiskStore(tmp_path)
    before = await store.put("a", b"body")
    plain = tmp_path / "b"
    plain.write_bytes(b"body")
    found = await store.stat("b")
    assert found is not None
    assert found.etag == before.etag
    (tmp_path / "a").write_bytes(b"edited by hand")
    found = await store.stat("a")
    assert found is not None
    assert (found.size, found.etag) == (14, (await store.put("c", b"edited by hand")).etag)
