"""A broadcast that a crash has cut, through the whole server: recorded, watched, deleted."""

from __future__ import annotations

import m3u8
import pytest

from packager import keys
from packager.store import DiskStore, Scoped
from streamer.live.streams import Settings
from streamer.rows import StreamState
from tests import lives
from tests.backend import backend
from tests.flow.whole_site import API, orphans, running

LIVE = "/api/v1/live"
VTT = b"WEBVTT\n\n00:01.000 --> 00:02.000\nHallo\n"


@pytest.fixture
async def cut(data_dir):
    """Leave in the data folder what a server leaves that is killed in the second life of a broadcast."""
    async with backend(data_dir, "catalog.sqlite") as back:
        stream, _ = await back.register.create(title="Evening", settings=Settings(reconnect_seconds=0))
        asset = await back.broadcasts.begin(stream.id)
        store = Scoped(DiskStore(data_dir / "media"), asset.id)
        for lived, counts in ((lives.life("l1"), (2, 2, 2)), (lives.life("l2", first=2), (2, 2, 1))):
            for name, count in zip(lived.names, counts, strict=True):
                await store.put(keys.init(lived.generation, name), lives.init(lived, name))
                for number in range(count):
                    key = keys.segment(lived.generation, name, number)
                    await store.put(key, lives.segment(lived, name, number))
            await back.broadcasts.begin_life(asset.id, lived)
        await back.broadcasts.stand(stream.id, StreamState.LIVE)
    return stream.id, asset.id


async def test_the_next_start_makes_a_recording_that_plays_and_is_found_by_both_ids(data_dir, cut):
    stream, asset = cut
    async with running(data_dir) as site:
        shown = await site.asset(asset)
        assert (shown["state"], shown["duration"], shown["live"]) == (
            "complete",
            6,
            {"stream": stream, "state": "ended"},
        )
        assert (await site.json("GET", f"{LIVE}/{stream}"))["asset"] == asset
        assert b'type="static"' in await site.get(f"/v/{asset}/main.mpd")
        urls = await site.urls(asset)
        assert set(urls) == {"360p", "180p", "audio-0"}
        for name, paths in urls.items():
            playlist = m3u8.loads((await site.get(f"/v/{asset}/{name}.m3u8")).decode())
            assert playlist.is_endlist
            assert [segment.discontinuity for segment in playlist.segments] == [False, False, True]
            for path in paths:
                assert (await site.get(path))[4:8] == b"moof"
        page = (await site.get(f"/watch/{stream}")).decode()
        assert f'asset="{asset}"' in page
        assert f'stream="{stream}"' in page
        assert "Evening" in page


async def test_captions_are_added_to_a_recording_and_removed(data_dir, cut):
    stream, asset = cut
    captions = f"{API}/{asset}/captions/de?label=Deutsch"
    async with running(data_dir) as site:
        shown = await site.json("PUT", captions, data=VTT)
        vtt = await site.get(shown["captions"][0]["url"])
        assert b"00:00:01.000 --> 00:00:02.000\nHallo" in vtt
        for name in (asset, stream):
            main = m3u8.loads((await site.get(f"/v/{name}/main.m3u8")).decode())
            (named,) = [one for one in main.media if one.type == "SUBTITLES"]
            assert (named.name, named.language, named.uri) == ("Deutsch", "de", "text-de.m3u8")
            assert {one.stream_info.subtitles for one in main.playlists} == {named.group_id}
            playlist = m3u8.loads((await site.get(f"/v/{name}/text-de.m3u8")).decode())
            (segment,) = playlist.segments
            assert (playlist.is_endlist, segment.duration) == (True, 6)
            assert await site.get(f"/v/{name}/{segment.uri}") == vtt
        clip = await site.json("POST", f"{API}/{asset}/clips", status=201, json={"start": 2, "end": 4})
        shown = await site.json("PUT", f"{API}/{clip['id']}/captions/de", data=VTT)
        assert b"X-TIMESTAMP-MAP=MPEGTS:180000,LOCAL:00:00:00.000" in await site.get(
            shown["captions"][0]["url"]
        )
        await site.json("DELETE", captions)
        assert b"SUBTITLES" not in await site.get(f"/v/{asset}/main.m3u8")
        assert (await site.ask("GET", f"/v/{asset}/text-de.m3u8"))[0] == 404


async def test_what_is_no_longer_there_is_404_and_not_made(data_dir, cut):
    _, asset = cut
    async with running(data_dir) as site:
        for path in ("l2/360p/7.m4s", "l3/360p/0.m4s", "720p.m3u8"):
            assert (await site.ask("GET", f"/v/{asset}/{path}"))[0] == 404
        assert (await site.json("GET", "/api/v1/queue"))["assets"] == []


async def test_a_recording_is_deleted_without_a_trace(data_dir, cut):
    stream, asset = cut
    async with running(data_dir) as site:
        assert (await site.ask("DELETE", f"{API}/{asset}"))[0] == 204
        assert (await site.ask("GET", f"/v/{asset}/main.m3u8"))[0] == 404
        found = await site.json("GET", f"{LIVE}/{stream}")
        assert (found["state"], found["asset"]) == ("idle", None)
        page = (await site.get(f"/watch/{stream}")).decode()
        assert "asset=" not in page
        assert (await site.ask("GET", "/watch/zzzzzzzzzzzz"))[0] == 404
    assert orphans(data_dir, asset) == []
