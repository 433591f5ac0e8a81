"""A server whose media are in a bucket: an empty disk shows them, and it outlives the bucket's absence."""

from __future__ import annotations

import json
import shutil

import pytest
from yarl import URL

from streamer.errors import ConfigError
from tests.contract.stores import SERVERS
from tests.flow.published import FILM, contents
from tests.flow.whole_site import faults, running, settle
from tests.relay import relayed
from tests.storage import BUCKET

MEDIA = f"s3://{BUCKET}/media"


@pytest.fixture(scope="module", params=["rclone", pytest.param("radosgw", marks=pytest.mark.soak)])
def storage(request, tmp_path_factory):
    with SERVERS[request.param](tmp_path_factory.mktemp("storage")) as server:
        yield server


@pytest.fixture(scope="module")
def film(clips):
    return clips.make(FILM)


@pytest.fixture(autouse=True)
def _environment(storage, monkeypatch):
    for name, value in storage.env.items():
        monkeypatch.setenv(name, value)


def emptied(data):
    shutil.rmtree(data / "tier")


async def test_a_video_in_a_bucket_is_shown_again_by_a_server_with_an_empty_disk(data_dir, storage, film):
    async with running(data_dir, media=MEDIA) as site:
        asset = (await site.post(film))["id"]
        await site.until(asset, "complete")
        bodies, manifests = await site.bodies(asset), await site.manifests(asset)
        assert await faults(site, data_dir, asset) == []
    assert not (data_dir / "media").exists()
    kept = contents(storage, f"media/{asset}/")
    assert {f"/v/{asset}/{key}" for key in kept} >= set(bodies)
    assert all(kept[path.removeprefix(f"/v/{asset}/")]["Bytes"] == body for path, body in bodies.items())
    emptied(data_dir)
    async with running(data_dir, media=MEDIA) as site:
        path, body = max(bodies.items(), key=lambda one: len(one[1]))
        status, headers, part = await site.ask("GET", path, headers={"Range": "bytes=100-199"})
        assert (status, part) == (206, body[100:200])
        assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert await site.bodies(asset) == bodies
        assert await site.manifests(asset) == manifests
        assert (data_dir / "tier" / path.removeprefix("/v/")).read_bytes() == body


async def test_a_bucket_that_is_away_is_waited_for_and_what_is_near_is_served(data_dir, storage, film):
    async with relayed(URL(storage.endpoint).port) as relay:
        media = {"url": MEDIA, "endpoint": relay.url}
        async with running(data_dir, media=media) as site:
            asset = (await site.post(film))["id"]
            await site.until(asset, "playable")
            await relay.cut()
            await settle(lambda: not site.server.works.making(asset).packaging.running)
            assert (await site.asset(asset))["state"] == "playable"
            await relay.open()
            await site.until(asset, "complete")
            assert await faults(site, data_dir, asset) == []
            bodies = await site.bodies(asset)
        emptied(data_dir)
        async with running(data_dir, media=media) as site:
            (near, *_, far) = bodies
            assert await site.get(near) == bodies[near]
            await relay.cut()
            status, headers, told = await site.ask("GET", far)
            assert (status, headers["Cache-Control"]) == (503, "no-store")
            assert json.loads(told)["type"] == "urn:streamer:problem:store-away"
            assert await site.get(near) == bodies[near]
            await relay.open()
            assert await site.get(far) == bodies[far]


async def test_a_bucket_that_cannot_be_used_is_told_at_the_start(data_dir):
    with pytest.raises(ConfigError, match="there is no bucket 'nothere'"):
        async with running(data_dir, media="s3://nothere/media"):
            pass
