"""A near tier before a far store: bounded, never wrong, and of use while the far one is away."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdn.tier import Tier
from cdn.tiers import RECHECK_SECONDS, WHOLE_BYTES, Tiers
from packager.errors import StoreAway, StoreFailed
from packager.store import MemoryStore

MOST = 4000


class Far(MemoryStore):
    """A store that counts what is asked, can be away, and can be held back."""

    def __init__(self):
        super().__init__()
        self.asked = Counter()
        self.away = False
        self.free = asyncio.Event()
        self.free.set()

    async def get(self, key, start=0, stop=None):
        await self._ask("get")
        body = await super().get(key, start, stop)
        await self.free.wait()
        return body

    async def stat(self, key):
        await self._ask("stat")
        return await super().stat(key)

    async def _ask(self, what):
        self.asked[what] += 1
        if self.away:
            raise StoreAway("away")


class Clock:
    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


class Rig:
    """Two tiers over a folder, opened anew as after a restart."""

    def __init__(self, root, far=None):
        self.root = root
        self.far = far or Far()
        self.clock = Clock()
        self.near = Tier(root, most=MOST, clock=self.clock)
        self.store = Tiers(self.far, self.near, clock=self.clock)


async def rig(root, far=None):
    made = Rig(root, far)
    await made.near.open()
    return made


def files(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


async def test_what_is_written_is_near_and_read_without_asking(tmp_path):
    one = await rig(tmp_path)
    stat = await one.store.put("a/k", b"body")
    assert await one.store.get("a/k", 1, 3) == b"od"
    assert await one.store.stat("a/k") == stat
    path = await one.store.path("a/k")
    assert path.read_bytes() == b"body"
    assert one.far.asked == {}


async def test_all_who_ask_at_once_share_one_fetch(tmp_path):
    one = await rig(tmp_path)
    await one.far.put("k", b"0123456789")
    bodies = await asyncio.gather(*(one.store.get("k", n, n + 1) for n in range(10)), one.store.get("k"))
    assert b"".join(bodies) == b"0123456789" * 2
    assert one.far.asked["get"] == 1
    assert files(tmp_path) == {"k": b"0123456789"}


async def test_who_stops_waiting_does_not_stop_the_others(tmp_path):
    one = await rig(tmp_path)
    await one.far.put("k", b"body")
    one.far.free.clear()
    first, second = (asyncio.create_task(one.store.get("k")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    one.far.free.set()
    assert await second == b"body"


@pytest.mark.parametrize("size", [MOST // 4 + 1, WHOLE_BYTES + 1])
async def test_ranges_of_what_is_large_are_read_where_it_is(tmp_path, size):
    one = await rig(tmp_path)
    await one.far.put("k", b"0123456789" + bytes(size - 10))
    assert await one.store.get("k", 2, 5) == b"234"
    assert await one.store.path("k") is None
    assert files(tmp_path) == {}


@pytest.mark.parametrize("turns", [0, 1, 3, 10, 100, 1000])
async def test_a_write_that_is_given_up_leaves_no_file_that_nobody_counts(tmp_path, turns):
    one = await rig(tmp_path)
    writing = asyncio.create_task(one.store.put("k", b"body"))
    for _ in range(turns):
        await asyncio.sleep(0)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    assert one.near.used == sum(map(len, files(tmp_path).values()))


async def test_what_another_server_has_deleted_is_gone_after_a_while(tmp_path):
    one = await rig(tmp_path)
    await one.store.put("k", b"body")
    await one.far.delete("k")
    one.clock.seconds += RECHECK_SECONDS
    assert await one.store.stat("k") is None
    assert files(tmp_path) == {}


async def test_copies_are_good_while_the_store_is_away(tmp_path):
    one = await rig(tmp_path)
    stat = await one.store.put("k", b"body")
    await one.far.put("other", b"body")
    one.far.away = True
    one.clock.seconds += RECHECK_SECONDS
    assert await one.store.stat("k") == stat
    assert await one.store.get("k") == b"body"
    with pytest.raises(StoreAway):
        await one.store.get("other")


async def test_bytes_that_are_not_those_of_the_hash_are_refused(tmp_path):
    one = await rig(tmp_path)
    stat = await one.far.put("k", b"body")
    one.far._objects["k"] = b"b0dy", stat
    with pytest.raises(StoreFailed):
        await one.store.get("k")
    assert files(tmp_path) == {}


@pytest.mark.parametrize("how", ["replace", "delete"])
async def test_what_changes_while_it_comes_is_not_kept(tmp_path, how):
    one = await rig(tmp_path)
    await one.far.put("k", b"old")
    one.far.free.clear()
    coming = asyncio.create_task(one.store.get("k"))
    while not one.far.asked["get"]:
        await asyncio.sleep(0)
    await (one.store.replace("k", b"new") if how == "replace" else one.store.delete("k"))
    one.far.free.set()
    assert await coming == b"old"
    assert files(tmp_path) == {}
    if how == "replace":
        assert await one.store.get("k") == b"new"


async def test_keys_that_change_are_never_near(tmp_path):
    far, near = Far(), Tier(tmp_path, most=MOST)
    await near.open()
    store = Tiers(far, near, lasting=lambda key: key != "main")
    await store.replace("main", b"one")
    assert await store.get("main") == b"one"
    await far.replace("main", b"two")  # as another server does
    assert await store.get("main") == b"two"
    assert files(tmp_path) == {}


async def test_after_a_restart_what_is_whole_is_there_again(tmp_path):
    one = await rig(tmp_path)
    for key in ("a/whole", "a/cut", "a/strange"):
        await one.store.put(key, b"0123456789")
    (tmp_path / ".tmp" / "half").write_bytes(b"0123")
    os.truncate(tmp_path / "a" / "cut", 4)
    (tmp_path / "a" / "strange").unlink()
    (tmp_path / "a" / "strange").write_bytes(b"9876543210")
    again = await rig(tmp_path, one.far)
    assert set(files(tmp_path)) == {"a/whole"}
    assert again.near.used == 10
    assert await again.store.get("a/whole") == b"0123456789"
    assert again.far.asked["get"] == 0


async def test_a_disk_that_fails_costs_copies_only(tmp_path):
    one = await rig(tmp_path)
    (tmp_path / ".tmp").rmdir()
    await one.store.put("k", b"body")
    assert await one.store.path("k") is None
    assert await one.store.get("k", 1, 2) == b"o"
    (tmp_path / ".tmp").mkdir()
    one.clock.seconds += 60
    assert (await one.store.path("k")).read_bytes() == b"body"


NAMES = [f"{n}/k" for n in range(6)]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "get", "path", "replace", "delete", "restart"]),
        st.sampled_from(NAMES),
        st.integers(0, MOST // 3),
    ),
    max_size=25,
)


@settings(max_examples=60)
@given(steps=STEPS)
def test_it_is_a_mapping_that_never_holds_more_than_it_may(steps):
    async def run(root):
        one, model = await rig(root), {}
        for step, key, size in steps:
            body = key.encode()[:1] * size
            if step == "put":
                await one.store.put(key, body)
                model.setdefault(key, body)
            elif step == "replace":
                await one.store.replace(key, body)
                model[key] = body
            elif step == "delete":
                await one.store.delete(key)
                model.pop(key, None)
            elif step == "restart":
                one = await rig(root, one.far)
            elif key in model:
                path = await one.store.path(key) if step == "path" else None
                assert (await one.store.get(key) if path is None else path.read_bytes()) == model[key]
            held = files(root)
            assert all(model[key] == body for key, body in held.items())
            assert one.near.used == sum(map(len, held.values())) <= MOST

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))
