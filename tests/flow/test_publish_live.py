"""A broadcast goes to a bucket while it is on air, whatever the storage and the server do meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from urllib.parse import urlsplit

import aiohttp
import m3u8
import pytest
from lxml import etree

from tests.flow import on_air
from tests.flow.listening import streaming
from tests.flow.published import check_headers, contents
from tests.flow.test_publish_api import destinations, serving, until
from tests.flow.whole_site import API, running
from tests.media import clients, reader
from tests.media.serving import serve
from tests.storage import BUCKET, rclone

SLOWEST = 20
MPD = {"m": "urn:mpeg:dash:schema:mpd:2011"}
LIVE = "public, max-age=1, stale-if-error=8"


@pytest.fixture
def storage(tmp_path, monkeypatch):
    """Return what starts a storage, always at the same address."""
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(rclone(tmp_path / "buckets"))
        stack.close()
        for name, value in first.env.items():
            monkeypatch.setenv(name, value)
        yield lambda: rclone(tmp_path / "buckets", port=urlsplit(first.endpoint).port)


class Copy:
    """A broadcast in the bucket, as somebody finds it who only knows the bucket."""

    def __init__(self, base: str, asset: str) -> None:
        self.root = f"{base}/vod/{asset}/"
        self.named: set[str] = set()

    async def get(self, key: str) -> bytes | None:
        """Return an object, None where there is none; a manifest that names what is missing is wrong."""
        async with aiohttp.ClientSession() as session, session.get(self.root + key) as response:
            return await response.read() if response.status == 200 else None

    async def playlist(self, key: str) -> m3u8.M3U8 | None:
        body = await self.get(key)
        if not body or not body.endswith(b"\n"):  # the server of this test writes in place
            return None
        found = m3u8.loads(body.decode())
        for uri in [one.uri for one in found.segments if not one.gap_tag and one.uri not in self.named]:
            assert await self.get(uri), (uri, body)
            self.named.add(uri)
        return found

    async def reaches(self, key: str, segments: int) -> m3u8.M3U8:
        """Reload a playlist until it has so many segments."""
        async with asyncio.timeout(SLOWEST):
            while (found := await self.playlist(key)) is None or len(found.segments) < segments:
                await asyncio.sleep(0.1)
            return found

    async def numbers(self, found: m3u8.M3U8) -> list[int | None]:
        """Return what is written in each picture."""
        init = await self.get(found.segments[0].init_section.uri)
        bodies = [await self.get(one.uri) for one in found.segments]
        return [number for _, number in reader.read_numbers(init, bodies)]


async def begun(site) -> tuple[dict, str]:
    """Make a stream that is published on air; return it and the address for publishers."""
    made = await on_air.stream(site, destination="cdn")
    assert made["destination"] == "cdn"
    return made, made["ingest"]["rtmp"]


async def test_a_broadcast_is_in_the_bucket_while_it_is_on_air_and_complete_behind_its_end(
    clips, tmp_path, storage
):
    async with contextlib.AsyncExitStack() as stack:
        base = await stack.enter_async_context(serve(tmp_path / "buckets" / BUCKET))
        up = contextlib.ExitStack()
        server = up.enter_context(storage())
        site = await stack.enter_async_context(
            running(tmp_path / "data", live_rtmp_port=0, destinations=destinations())
        )
        made, address = await begun(site)
        async with on_air.publishing(address, made["key"], clips.make(on_air.FILM)):
            asset = (await on_air.until(site, made["id"], "live"))["asset"]
            top = (await site.asset(asset))["rungs"][0]["name"]
            copy = Copy(base, asset)
            await copy.reaches(f"{top}.m3u8", 2)
            await held_to_be_live(copy, contents(server, f"vod/{asset}/"), top)
            client = await stack.enter_async_context(aiohttp.ClientSession(base_url=site.base))
            events = await stack.enter_async_context(streaming(client, f"asset:{asset}"))
            up.close()
            before = await on_air.playlist(site, f"/v/{asset}/{top}.m3u8")
            delayed = await events.next("publish.delayed")
            assert delayed["data"]["code"] == "endpoint-away"
            # Who watches at the server notices nothing.
            count = len(on_air.whole(before)) + 2
            await on_air.listed(site, f"/v/{asset}/{top}.m3u8", lambda one: len(on_air.whole(one)) >= count)
            server = stack.enter_context(storage())
            await events.next("publish.recovered")
            found = await copy.reaches(f"{top}.m3u8", count)
            assert not any(one.gap_tag for one in found.segments)
            length = sum(one.duration for one in found.segments)
            assert await copy.numbers(found) == list(range(round(25 * length)))
        await site.json("POST", f"{on_air.LIVE}/{made['id']}/end")
        await until(site, asset, "published")
        there = contents(server, f"vod/{asset}/")
        for key, got in there.items():
            assert await site.get(f"/v/{asset}/{key}") == got["Bytes"], key
        again = await site.json("POST", f"{API}/{asset}/publish", json={"destination": "cdn"}, status=202)
        assert again["state"] == "publishing"
        assert (await until(site, asset, "published"))["uploaded"] == 0
        for name in ("main.m3u8", "main.mpd"):
            played = await clients.ffmpeg(copy.root + name)
            assert (played.status, played.frames) == (0, await frames(copy, top)), played.log


async def held_to_be_live(copy: Copy, there: dict[str, dict], top: str) -> None:
    """Hold what is in the bucket to what a bucket can do, and to its rules for caches."""
    main = m3u8.loads(there["main.m3u8"]["Bytes"].decode())
    assert main.playlists[0].uri == f"{top}.m3u8"
    for key in (f"{top}.m3u8", "audio-0.m3u8"):
        text = there[key]["Bytes"].decode()
        assert not any(one in text for one in ("SERVER-CONTROL", "EXT-X-PART", "HINT", "ENDLIST"))
        assert "EXT-X-PROGRAM-DATE-TIME" in text
        assert there[key]["CacheControl"] == LIVE
        assert there[key]["ContentType"] == "application/vnd.apple.mpegurl"
    mpd = etree.fromstring(there["main.mpd"]["Bytes"])
    assert (mpd.get("type"), there["main.mpd"]["CacheControl"]) == ("dynamic", LIVE)
    for template in mpd.iterfind(".//m:SegmentTemplate", MPD):
        listed = sum(1 + int(one.get("r", 0)) for one in template.iterfind(".//m:S", MPD))
        for one in template.getparent().iterfind("m:Representation", MPD):
            for number in range(int(template.get("startNumber")), listed):
                named = template.get("media").replace("$RepresentationID$", one.get("id"))
                assert await copy.get(named.replace("$Number$", str(number)))


async def frames(copy: Copy, top: str) -> int:
    found = await copy.playlist(f"{top}.m3u8")
    assert found.is_endlist
    assert found.playlist_type == "vod"
    numbers = await copy.numbers(found)
    assert numbers == list(range(len(numbers)))
    return len(numbers)


async def test_a_server_that_is_killed_goes_on_in_the_bucket_too(clips, tmp_path, data_dir, storage, spawn):
    async with (
        serve(tmp_path / "buckets" / BUCKET) as base,
        aiohttp.ClientSession() as session,
    ):
        with storage() as server:
            live = {"STREAMER_LIVE_RTMP_PORT": "0"}
            first = await serving(spawn, session, server, data_dir, server.endpoint, **live)
            made, address = await begun(first)
            async with on_air.publishing(address, made["key"], clips.make(on_air.FILM)):
                asset = (await on_air.until(first, made["id"], "live"))["asset"]
                top = (await first.asset(asset))["rungs"][0]["name"]
                copy = Copy(base, asset)
                before = await copy.reaches(f"{top}.m3u8", 1)
                first.child.signal(signal.SIGKILL)
                await first.child.wait()
            second = await serving(spawn, session, server, data_dir, server.endpoint, **live)
            await until(second, asset, "live")
            address = (await second.json("GET", f"{on_air.LIVE}/{made['id']}"))["ingest"]["rtmp"]
            async with on_air.publishing(address, made["key"], clips.make(on_air.FILM)):
                await on_air.until(second, made["id"], "live")
                after = await copy.reaches(f"{top}.m3u8", len(before.segments) + 3)
            assert after.media_sequence == before.media_sequence
            assert [one.uri for one in before.segments] == [
                one.uri for one in after.segments[: len(before.segments)]
            ]
            assert [one.discontinuity for one in after.segments].count(True) == 1
            await second.json("POST", f"{on_air.LIVE}/{made['id']}/end")
            done = await until(second, asset, "published")
            there = contents(server, f"vod/{asset}/")
            check_headers(there, asset)
            assert len(there) >= done["objects"]
            assert (await copy.playlist(f"{top}.m3u8")).is_endlist
