"""Uploads in a bucket: a server that never saw the first bytes goes on, and workers read them by ranges."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import pytest
from yarl import URL

from tests.contract.stores import SERVERS
from tests.flow.published import FILM, contents
from tests.flow.whole_site import faults, rows, running
from tests.relay import relayed
from tests.storage import BUCKET

HERE = Path(__file__).resolve().parents[2]
MEDIA, UPLOADS = f"s3://{BUCKET}/media", f"s3://{BUCKET}/uploads"


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


@contextlib.asynccontextmanager
async def pair(folder, url, **settings):
    """Run two servers that share a database and a bucket, and no disk."""
    chosen = {"database": url, "media": MEDIA, "uploads": UPLOADS, "encode_copy": True, **settings}
    async with (
        running(folder / "a", node="a", **chosen) as a,
        running(folder / "b", node="b", **chosen) as b,
    ):
        yield a, b


async def test_any_server_goes_on_with_an_upload_any_machine_encodes_it_and_every_server_shows_it(
    tmp_path, database_url, film, spawn
):
    body = film.read_bytes()
    half = len(body) // 2
    env = {
        "STREAMER_DATABASE": database_url,
        "STREAMER_DATA": str(tmp_path / "worker"),
        "STREAMER_MEDIA": MEDIA,
        "STREAMER_UPLOADS": UPLOADS,
    }
    async with pair(tmp_path, database_url, farm="workers") as (a, b):
        worker = await spawn(sys.executable, "-m", "streamer", "worker", "--json", cwd=HERE, env=env)
        upload, asset = await a.create(len(body))
        assert await a.patch(upload, 0, body[:half]) == 204
        sent = {"Tus-Resumable": "1.0.0"}
        _, headers, _ = await b.ask("HEAD", upload, headers=sent)
        assert headers["Upload-Offset"] == str(half)
        assert await a.patch(upload, half + 1, b"") == 409
        assert await b.patch(upload, half, body[half:]) == 204
        await worker.says("run.started", seconds=60)
        await b.until(asset, "complete")
        assert await faults(a, database_url, asset) == []
        assert await a.bodies(asset) == await b.bodies(asset)
        assert await a.manifests(asset) == await b.manifests(asset)


async def test_an_upload_outlives_the_disk_of_its_server_and_its_bucket_being_away(data_dir, storage, film):
    body, half = film.read_bytes(), 20_000
    async with relayed(URL(storage.endpoint).port) as relay:
        settings = {"uploads": {"url": UPLOADS, "endpoint": relay.url}}
        async with running(data_dir, **settings) as site:
            upload, asset = await site.create(len(body))
            assert await site.patch(upload, 0, body[:half]) == 204
            await relay.cut()
            assert await site.patch(upload, half, body[half:]) == 503
            await relay.open()
        for left in data_dir.glob("spool-0/*"):
            left.unlink()
        async with running(data_dir, **settings) as site:
            _, headers, _ = await site.ask("HEAD", upload, headers={"Tus-Resumable": "1.0.0"})
            assert headers["Upload-Offset"] == str(half)
            assert await site.patch(upload, half, body[half:]) == 204
            await site.until(asset, "complete")
            assert await faults(site, data_dir, asset) == []
            ((identity,),) = rows(data_dir, "SELECT upload_id FROM asset")
            kept = contents(storage, f"uploads/{identity}/pieces/")
            assert b"".join(kept[name]["Bytes"] for name in sorted(kept)) == body
            await site.ask("DELETE", f"/api/v1/assets/{asset}")
            assert not contents(storage, f"uploads/{identity}/")
