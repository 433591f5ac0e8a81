"""Publishing over the API: what is under way survives a restart, and a rule publishes by itself."""

from __future__ import annotations

import asyncio
import json
import signal
from itertools import chain
from pathlib import Path

import aiohttp
import pytest

from streamer.destinations import Destination
from tests.flow import on_air
from tests.flow.published import FILM, contents, gate, start
from tests.flow.whole_site import API, Client, running
from tests.media import clients
from tests.media.serving import serve
from tests.spawn import Child
from tests.storage import BUCKET, Storage, rclone


@pytest.fixture
def storage(tmp_path, monkeypatch):
    with rclone(tmp_path / "buckets") as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        yield server


CDN = "https://cdn.example.org/vod"


def destinations(endpoint: str | None = None, redirect: str | None = None) -> dict[str, Destination]:
    return {"cdn": Destination(url=f"s3://{BUCKET}/vod", endpoint=endpoint, redirect=redirect)}


async def until(site: Client, asset: str, state: str, *, destination: str = "cdn") -> dict:
    """Wait until a placement is in a state."""
    async with asyncio.timeout(60):
        while True:
            items = (await site.json("GET", f"{API}/{asset}/publish"))["items"]
            found = next((one for one in items if one["destination"] == destination), None)
            if found is not None and found["state"] == state:
                return found
            await asyncio.sleep(0.02)


async def test_published_and_withdrawn_over_the_api(clips, tmp_path, storage):
    async with running(tmp_path / "data", destinations=destinations(redirect=CDN)) as site:
        asset = (await site.post(clips.make(FILM)))["id"]
        path = f"{API}/{asset}/publish"
        begun = await site.json("POST", path, json={"destination": "cdn"}, status=202)
        assert (begun["state"], begun["failure"]) == ("publishing", None)
        done = await until(site, asset, "published")
        assert (await site.asset(asset))["state"] == "complete"
        found = contents(storage, f"vod/{asset}/")
        assert len(found) == done["objects"] == done["uploaded"]
        assert sum(len(one["Bytes"]) for one in found.values()) == done["bytes"]
        for name, body in (await site.manifests(asset)).items():
            assert found[name]["Bytes"] == body
        for segment in chain.from_iterable((await site.urls(asset)).values()):
            status, headers, _ = await site.ask("GET", segment, allow_redirects=False)
            key = segment.removeprefix(f"/v/{asset}/")
            assert (status, headers["Location"]) == (307, f"{CDN}/{asset}/{key}")
            assert headers["Access-Control-Allow-Origin"] == "*"
            assert key in found
        await site.json("POST", path, json={"destination": "cdn"}, status=202)
        assert (await until(site, asset, "published"))["uploaded"] == 0
        await site.json("DELETE", f"{path}?destination=cdn", status=202)
        await until(site, asset, "withdrawn")
        assert contents(storage, f"vod/{asset}/") == {}


async def test_what_a_killed_server_was_publishing_the_next_one_goes_on_with(clips, data_dir, storage, spawn):
    async with gate(storage.endpoint, let=9) as front, aiohttp.ClientSession() as session:
        first = await serving(spawn, session, storage, data_dir, front.url)
        asset = (await first.post(clips.make(FILM)))["id"]
        await first.until(asset, "complete")
        await first.json("POST", f"{API}/{asset}/publish", json={"destination": "cdn"}, status=202)
        await front.full.wait()
        first.child.signal(signal.SIGKILL)
        await first.child.wait()
        there = contents(storage, f"vod/{asset}/")
        assert there
        second = await serving(spawn, session, storage, data_dir, storage.endpoint)
        done = await until(second, asset, "published")
        assert done["uploaded"] == done["objects"] - len(there)


class Served(Client):
    """A server in a process of its own, and a client of it."""

    def __init__(self, session: aiohttp.ClientSession, base: str, child: Child) -> None:
        super().__init__(session, base)
        self.child = child


async def serving(spawn, session, storage: Storage, data: Path, endpoint: str, **more: str) -> Served:
    """Start a server that knows one destination, reached at an address."""
    named = {"cdn": {"url": f"s3://{BUCKET}/vod", "endpoint": endpoint}}
    env = {"STREAMER_DESTINATIONS": json.dumps(named), "STREAMER_LIVE_RTMP_PORT": "off", **more}
    child = await start(spawn, storage, "serve", "--port", "0", "--data", data, env=env)
    line = await child.says("http://", seconds=60)
    return Served(session, line[line.index("http://") :].strip(), child)


async def test_a_rule_publishes_what_becomes_complete_and_what_was(clips, tmp_path, storage):
    async with running(tmp_path / "data") as site:
        before = (await site.post(clips.make(FILM)))["id"]
        await site.until(before, "complete")
    rule = {"destinations": destinations(), "publish_automatically": "cdn"}
    async with running(tmp_path / "data", **rule) as site:
        await until(site, before, "published")
        after = (await site.post(clips.make(FILM)))["id"]
        await until(site, after, "published")
        await site.json("DELETE", f"{API}/{before}/publish?destination=cdn", status=202)
        await until(site, before, "withdrawn")
    async with running(tmp_path / "data", **rule) as site:  # what was withdrawn stays so
        await site.json("POST", f"{API}/{after}/publish", json={"destination": "cdn"}, status=202)
        await until(site, after, "published")
        assert contents(storage, f"vod/{before}/") == {}


async def test_what_cannot_be_published_says_why(clips, tmp_path, storage):
    lost = Destination(url="s3://nowhere/vod", endpoint=storage.endpoint)
    places = {**destinations(), "lost": lost}
    async with running(tmp_path / "data", fill="watched", destinations=places) as site:
        asset = (await site.post(clips.make(FILM)))["id"]
        await site.until(asset, "playable")
        path = f"{API}/{asset}/publish"
        refused = await site.json("POST", path, json={"destination": "cdn"}, status=409)
        assert "complete" in refused["detail"]
        await site.json("POST", path, json={"destination": "none", "complete": True}, status=404)
        await site.json("POST", path, json={"destination": "cdn", "bucket": "x"}, status=400)
        await site.json("POST", path, json={"destination": "lost", "complete": True}, status=202)
        failed = await until(site, asset, "failed", destination="lost")
        assert failed["failure"]["code"] == "no-such-bucket"


async def test_a_recording_and_a_clip_are_published_once_they_are_there(clips, tmp_path, storage):
    async with running(tmp_path / "data", live_rtmp_port=0, destinations=destinations()) as site:
        made = await on_air.stream(site)
        async with on_air.publishing(made["ingest"]["rtmp"], made["key"], clips.make(on_air.FILM)):
            asset = (await on_air.until(site, made["id"], "live"))["asset"]
            refused = await site.json(
                "POST", f"{API}/{asset}/publish", json={"destination": "cdn"}, status=409
            )
            assert "on air" in refused["detail"]
            top = (await site.asset(asset))["rungs"][0]["name"]
            await on_air.listed(site, f"/v/{asset}/{top}.m3u8", lambda one: len(on_air.whole(one)) >= 3)
        await site.json("POST", f"{on_air.LIVE}/{made['id']}/end")
        wish = {"start": 2.5, "end": 3}
        clip = (await site.json("POST", f"{API}/{asset}/clips", json=wish, status=201))["id"]
        for one in (asset, clip):
            await site.json("POST", f"{API}/{one}/publish", json={"destination": "cdn"}, status=202)
            done = await until(site, one, "published")
            found = contents(storage, f"vod/{one}/")
            assert len(found) == done["objects"]
            assert set(await site.manifests(one)) <= set(found)
            for key, got in found.items():
                assert await site.get(f"/v/{one}/{key}") == got["Bytes"]
            origin = await clients.ffmpeg(f"{site.base}/v/{one}/main.mpd")
            async with serve(tmp_path / "buckets" / BUCKET) as base:
                assert (await clients.ffmpeg(f"{base}/vod/{one}/main.mpd")).hashes == origin.hashes
