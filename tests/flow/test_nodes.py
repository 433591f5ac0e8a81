"""Several servers on one database and one data directory: what one makes, every one shows."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from tests.flow.whole_site import API, Disk, faults, rows, running, runs_of, settle
from tests.media.clip import Clip
from tests.media.sources import constant

SHORT = Clip(name="nodes", suffix=".mp4", timing=constant(25, 12))
"""Twelve seconds: three segments of each rendition."""


@pytest.fixture(scope="module")
def film(clips):
    return clips.make(SHORT)


@contextlib.asynccontextmanager
async def pair(data, url, **settings):
    async with (
        running(data, database=url, node="a", **settings) as a,
        running(data, database=url, node="b", **settings) as b,
    ):
        yield a, b


async def missing(maker, other, asset):
    """Return an encoded rung's name and the path of its last segment."""
    name = maker.server.works.making(asset).packaging.plan.video[0].name
    return name, (await other.urls(asset))[name][-1]


async def test_two_servers_show_the_same(data_dir, database_url, film):
    disk = Disk()
    async with pair(data_dir, database_url, disk=disk) as (a, b):
        disk.allow(0)
        async with b.session.ws_connect(f"{b.base}/control") as control:
            await control.send_json({"type": "subscribe", "channel": "assets"})
            asset = (await a.post(film))["id"]
            await b.until(asset, "playable")
            assert await a.manifests(asset) == await b.manifests(asset)
            disk.allow()
            await b.until(asset, "complete")
            assert await a.manifests(asset) == await b.manifests(asset)
            assert await a.bodies(asset) == await b.bodies(asset)
            async with asyncio.timeout(30):
                async for message in control:
                    told = message.json()
                    if told.get("type") == "asset.changed" and told["data"]["state"] == "complete":
                        break
        status, _, _ = await b.ask("DELETE", f"{API}/{asset}")
        assert status == 204
        assert (await a.ask("GET", f"{API}/{asset}"))[0] == 404


async def test_viewers_of_all_servers_who_want_one_segment_cause_one_encode(data_dir, database_url, film):
    disk = Disk()
    async with pair(data_dir, database_url, disk=disk) as (a, b):
        disk.allow(0)  # nothing is stored before every viewer waits
        asset = (await a.post(film))["id"]
        await b.until(asset, "playable")
        packaging = a.server.works.making(asset).packaging
        name, path = await missing(a, b, asset)
        viewers = [asyncio.create_task((a, b)[n % 2].ask("GET", path)) for n in range(200)]
        await settle(lambda: packaging.waiting == 100)
        await settle(lambda: rows(database_url, "SELECT node FROM want") == [("b",)])
        disk.allow()
        answers = await asyncio.gather(*viewers)
        assert {status for status, _, _ in answers} == {200}
        assert len({body for _, _, body in answers}) == 1
        await a.until(asset, "complete")
        assert runs_of(database_url, name, 2) == 1
        assert rows(database_url, "SELECT node FROM want") == []


async def test_what_has_failed_for_good_is_told_at_every_server(data_dir, database_url, film):
    disk = Disk()
    async with pair(data_dir, database_url, disk=disk) as (a, b):
        disk.allow(0)
        asset = (await a.post(film))["id"]
        await b.until(asset, "playable")
        name, path = await missing(a, b, asset)
        viewer = asyncio.create_task(b.ask("GET", path))
        await settle(lambda: rows(database_url, "SELECT rendition FROM want") == [(name,)])
        disk.broken = True
        disk.allow(0)
        assert (await viewer)[0] == 502
        await b.until(asset, "failed")
        disk.broken = False
        disk.allow()
        await b.json("POST", f"{API}/{asset}/retry", status=202)  # by the other one than before
        await a.until(asset, "complete")
        assert await faults(a, database_url, asset) == []


async def test_a_wish_for_what_another_server_makes_reaches_it(data_dir, database_url, film):
    disk = Disk()
    async with pair(data_dir, database_url, disk=disk) as (a, b):
        disk.allow(0)
        asset = (await a.post(film))["id"]
        await b.until(asset, "playable")
        first = rows(database_url, "SELECT generation FROM asset")
        await b.json("POST", f"{API}/{asset}/reencode", status=202)
        disk.allow()  # whoever stops a Run waits for what that is writing
        await settle(lambda: rows(database_url, "SELECT generation FROM asset") != first)
        assert (await b.ask("DELETE", f"{API}/{asset}"))[0] == 204
        await settle(lambda: rows(database_url, "SELECT id FROM asset") == [])
        assert not list((data_dir / "uploads").iterdir())
        assert not (data_dir / "media" / asset).exists()
