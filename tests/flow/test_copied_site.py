"""A server sends a copied rung straight from the upload: any range, after a restart too, stored nowhere."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from packager.folder import content_etag
from tests.flow.test_copied import packets, samples
from tests.flow.whole_site import faults, orphans, running, settle, stored
from tests.media import fragments
from tests.media.clip import X264, Clip
from tests.media.timing import constant

TOP = ("180p", "audio-0")
NOISY = Clip(
    name="noisy",
    suffix=".mp4",
    timing=constant(24, 14),
    video=(*X264, "-g", "48", "-bf", "2", "-b:v", "900k", "-maxrate", "900k", "-bufsize", "900k"),
    filters="noise=alls=6:allf=t",
    options=("-movflags", "+faststart"),
)
"""Large enough that a part of it is more than a probe asks for."""


@pytest.fixture
async def site(tmp_path):
    async with running(tmp_path / "data", encode_copy=True) as made:
        yield made


async def shown(site, asset):
    """Return the paths of the top rung's segments, once they are listed."""
    await site.until(asset, "playable")
    return (await site.urls(asset))["180p"]


async def test_the_top_rung_is_there_at_once_and_answers_as_stored_objects_do(site, clips):
    path = clips.path("irregular")
    asset = (await site.post(path))["id"]
    urls = await shown(site, asset)
    said = await site.asset(asset)
    assert [rung["name"] for rung in said["rungs"] if rung["copied"]] == list(TOP)
    assert all(rung["done"] == rung["segments"] for rung in said["rungs"] if rung["copied"])
    assert said["uncopied"] == []
    bodies = [await site.get(url) for url in urls]
    init = await site.get(urls[0].replace("0.m4s", "init.mp4"))
    assert samples(init, bodies) == packets(path, "video")
    for url, body in zip(urls, bodies, strict=True):
        status, headers, found = await site.ask("HEAD", url)
        assert (status, found, headers["Content-Length"]) == (200, b"", str(len(body)))
        assert headers["Etag"] == f'"{content_etag(body)}"', headers
        assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
        status, headers, found = await site.ask("GET", url, headers={"Range": "bytes=100-299"})
        assert (status, found) == (206, body[100:300])
        assert headers["Content-Range"] == f"bytes 100-299/{len(body)}"
        status, _, _ = await site.ask("GET", url, headers={"If-None-Match": headers["Etag"]})
        assert status == 304
    assert (await site.ask("GET", urls[0].replace("/0.m4s", f"/{len(urls)}.m4s")))[0] == 404
    await site.until(asset, "complete")
    assert not any(key.split("/")[1] in TOP for key in stored(site.data, asset))
    assert await faults(site, site.data, asset) == []


async def test_restarted_it_is_served_from_the_upload_and_deleted_it_is_gone(clips, tmp_path):
    data = tmp_path / "data"
    async with running(data, encode_copy=True) as site:
        asset = (await site.post(clips.path("edit_start")))["id"]
        urls = await shown(site, asset)
        before = [await site.get(url) for url in urls]
        await site.until(asset, "complete")
        manifests = await site.manifests(asset)
    async with running(data, encode_copy=True) as site:
        assert await site.manifests(asset) == manifests
        assert [await site.get(url) for url in urls] == before
        assert (await site.ask("HEAD", urls[-1]))[0] == 200
        async with site.session.delete(f"{site.base}/api/v1/assets/{asset}") as response:
            assert response.status == 204
        assert (await site.ask("GET", urls[0]))[0] == 404
        await settle(lambda: not orphans(data, asset))


async def test_encoded_anew_without_copying_the_old_top_rung_is_still_served(clips, tmp_path):
    data = tmp_path / "data"
    async with running(data, encode_copy=True) as site:
        asset = (await site.post(clips.path("irregular")))["id"]
        urls = await shown(site, asset)
        await site.until(asset, "complete")
        before = await site.get(urls[0])
    async with running(data, encode_copy=False) as site:
        async with site.session.post(f"{site.base}/api/v1/assets/{asset}/reencode") as response:
            assert response.status == 202
        while (await site.asset(asset))["uncopied"] != ["copying is turned off"]:
            await asyncio.sleep(0.05)
        await site.until(asset, "complete")
        assert await site.get(urls[0]) == before
        anew = await site.urls(asset)
        assert anew["180p"][0] != urls[0]
        assert not any(rung["copied"] for rung in (await site.asset(asset))["rungs"])


async def test_while_the_upload_runs_a_segment_waits_for_its_bytes(site, clips):
    """The moov stands in front: half of the file is enough for half of the segments."""
    path = clips.make(NOISY)
    body = path.read_bytes()
    upload, asset = await site.create(len(body))
    half = len(body) // 2
    assert await site.patch(upload, 0, body[:half]) == 204
    urls = await shown(site, asset)
    first = await site.get(urls[0])
    waiting = asyncio.create_task(site.get(urls[-1]))
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(waiting), 0.5)
    assert not waiting.done()
    assert await site.patch(upload, half, body[half:]) == 204
    last = await waiting
    init = await site.get(urls[0].replace("0.m4s", "init.mp4"))
    between = [await site.get(url) for url in urls[1:-1]]
    assert samples(init, [first, *between, last]) == packets(path, "video")
    assert fragments.read_init(init).edits == 0
    await site.until(asset, "complete")
