"""Published to Ceph: conditions, policy and CORS of a real storage, and players that read from it."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests import edges
from tests.ceph import radosgw
from tests.flow.published import FILM, check_headers, client_of, contents, gate, start
from tests.flow.test_purge import VCL
from tests.flow.whole_site import running
from tests.media import clients
from tests.media.browser import chromium, open_page, play
from tests.storage import BUCKET

pytestmark = pytest.mark.soak

OPEN = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{BUCKET}/open/*",
        }
    ],
}
CORS = {
    "CORSRules": [
        {
            "AllowedOrigins": ["*"],
            "AllowedMethods": ["GET", "HEAD"],
            "AllowedHeaders": ["Range"],
            "MaxAgeSeconds": 86400,
        }
    ]
}


@pytest.fixture(scope="module")
def storage(tmp_path_factory):
    with radosgw(tmp_path_factory.mktemp("ceph")) as server:
        client = client_of(server)
        client.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(OPEN))
        client.put_bucket_cors(Bucket=BUCKET, CORSConfiguration=CORS)
        client.close()
        yield server


async def test_the_whole_life_of_what_is_published(clips, tmp_path, storage, spawn):
    async def command(*arguments):
        child = await start(spawn, storage, *arguments, "--json")
        assert await child.wait() == 0, child.output
        return json.loads(child.lines[-1])

    async with running(tmp_path / "data") as site:
        asset = (await site.post(clips.make(FILM)))["id"]
        await site.until(asset, "complete")
        arguments = ("publish", asset, f"s3://{BUCKET}/open", "--data", tmp_path / "data")
        async with gate(storage.endpoint, let=9) as front:
            child = await start(spawn, replace(storage, endpoint=front.url), *arguments)
            await front.full.wait()
            child.signal(signal.SIGKILL)
            front.free.set()
            assert await child.wait() == -signal.SIGKILL
        there = contents(storage, f"open/{asset}/")
        assert there
        assert not [key for key in there if "/" not in key]
        done = await command(*arguments)
        assert done["uploaded"] == done["objects"] - len(there)
        assert (await command(*arguments))["uploaded"] == 0
        found = contents(storage, f"open/{asset}/")
        check_headers(found, asset)
        for key, got in found.items():
            assert await site.get(f"/v/{asset}/{key}") == got["Bytes"]
        # Only the captions and what names them.
        await site.json(
            "PUT", f"/api/v1/assets/{asset}/captions/en", data=b"WEBVTT\n\n00:00.000 --> 00:01.000\nHi\n"
        )
        assert (await command(*arguments))["uploaded"] == 4
        origin = await clients.ffmpeg(f"{site.base}/v/{asset}/main.m3u8")
    place = f"/{BUCKET}/open/{asset}"
    assert await clients.ffmpeg(f"{storage.endpoint}{place}/main.m3u8") == origin
    await played_through_an_edge(storage.endpoint, tmp_path, place)
    gone = await command("unpublish", asset, f"s3://{BUCKET}/open")
    assert gone["objects"] == done["objects"] + 2
    assert contents(storage, f"open/{asset}/") == {}


async def played_through_an_edge(endpoint: str, folder: Path, place: str) -> None:
    """Play in a browser what a Varnish reads of the bucket, and hold it to having kept what it read."""
    vcl = VCL.replace("PORT", str(urlsplit(endpoint).port))
    async with (
        edges.configured(vcl, folder) as edge,
        chromium() as browser,
        open_page(browser) as page,
        aiohttp.ClientSession(headers={"Origin": "http://example.org"}) as session,
    ):
        for engine, name in (("hls.js", "main.m3u8"), ("dash.js", "main.mpd")):
            watched = await play(page, engine, f"{edge}{place}/{name}", 3)
            assert (watched.fatal, watched.position >= 3) == ((), True), engine
        for _ in range(2):
            async with session.get(f"{edge}{place}/main.m3u8") as got:
                assert got.headers["Access-Control-Allow-Origin"] == "*"
        assert len(got.headers["X-Varnish"].split()) == 2  # of its own request and of the one that brought it


async def test_of_two_who_publish_at_once_each_object_is_written_once(clips, tmp_path, storage, spawn):
    folder = tmp_path / "out"
    child = await start(spawn, storage, "package", clips.make(FILM), folder, "--preset", "ultrafast")
    assert await child.wait() == 0
    both = [
        await start(spawn, storage, "publish", folder, f"s3://{BUCKET}/twice", "--json") for _ in range(2)
    ]
    assert [await child.wait() for child in both] == [0, 0], [child.output for child in both]
    assert len(contents(storage, "twice/")) == json.loads(both[0].lines[-1])["objects"]
