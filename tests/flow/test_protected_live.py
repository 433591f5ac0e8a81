"""A signed stream on air through the whole server: its token opens both its addresses."""

from __future__ import annotations

import asyncio

import m3u8
import pytest

from tests.flow.on_air import FILM, LIVE, publishing, stream, until
from tests.flow.whole_site import running

SECRET = "an edge's own secret"  # noqa: S105 - of this test


@pytest.fixture
async def site(data_dir):
    async with running(data_dir, live_rtmp_port=0, edge_secret=SECRET) as opened:
        yield opened


async def _asked(site, path: str, **options) -> tuple[int, str]:
    status, headers, _ = await site.ask("GET", path, **options)
    return status, headers.get("Cache-Control", "")


async def test_a_signed_broadcast_is_watched_with_the_token_of_its_stream(site, clips):
    made = await stream(site, policy="signed", reconnect_seconds=0)
    identity = made["id"]
    token = (await site.json("POST", f"{LIVE}/{identity}/playback-tokens", status=201))["token"]
    async with publishing(made["ingest"]["rtmp"], made["key"], clips.make(FILM)):
        asset = (await until(site, identity, "live"))["asset"]
        assert (await site.asset(asset))["policy"] == "signed"
        root = f"/p/{token}/{identity}/"
        main = m3u8.loads((await site.get(root + "main.m3u8")).decode())
        name = main.playlists[0].uri
        found = m3u8.loads((await site.get(root + name)).decode())
        # Held until there is something new, for two viewers and an edge alike.
        following = f"{name}?_HLS_msn={(found.media_sequence or 0) + len(found.segments)}&_HLS_part=0"
        held = (
            _asked(site, root + following),
            _asked(site, f"/p/{token}/{asset}/{following}"),
            _asked(site, f"/v/{identity}/{following}", headers={"Streamer-Edge": SECRET}),
        )
        assert await asyncio.gather(*held) == [
            *[(200, "private, no-store")] * 2,
            (200, "public, max-age=12"),
        ]
        init = f"{found.segment_map[0].uri}"
        assert await _asked(site, root + init) == (200, "private, max-age=31536000, immutable")
        for one in (identity, asset):
            for key in ("main.m3u8", "main.mpd", name, following, init, f"{name[:-5]}.push.mp4"):
                assert await _asked(site, f"/v/{one}/{key}") == (403, "no-store"), key
        other = (await stream(site, policy="signed"))["id"]
        wrong = (await site.json("POST", f"{LIVE}/{other}/playback-tokens", status=201))["token"]
        for one in (identity, asset):
            assert await _asked(site, f"/p/{wrong}/{one}/{name}") == (403, "no-store")
        async with site.session.get(f"{site.base}{root}{name[:-5]}.push.mp4") as pushed:
            assert pushed.status == 200
            assert (await pushed.content.readexactly(8))[4:] == b"ftyp"
    await until(site, identity, "ended")
    assert await _asked(site, f"/p/{token}/{asset}/main.m3u8") == (200, "private, no-store")
    assert await _asked(site, f"/v/{asset}/main.m3u8") == (403, "no-store")
