"""Passing pictures through, over the whole server: what viewers see of a drop, the recording, a refusal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from fractions import Fraction
from itertools import groupby

import m3u8
import pytest

from tests.flow.on_air import FILM, LIVE, listed, playlist, publishing, stream, until, whole
from tests.flow.whole_site import Site, running
from tests.media import clients, reader
from tests.media.clip import X264

RATE = Fraction(25)
REORDERED = replace(FILM, name="publish-reordered", video=(*X264, "-g", "25", "-bf", "2"))
SPARSE = replace(FILM, name="publish-sparse", video=(*X264, "-g", "100", "-bf", "0"))


@pytest.fixture
async def site(data_dir) -> AsyncIterator[Site]:
    async with running(data_dir, live_rtmp_port=0) as opened:
        yield opened


async def lives(site: Site, root: str, found: m3u8.M3U8) -> list[list[tuple[Fraction, int | None]]]:
    """Return times and numbers of the pictures of each life of a playlist."""
    made = []
    for init, segments in groupby(whole(found), key=lambda one: one.init_section.uri):
        bodies = [await site.get(root + one.uri) for one in segments]
        made.append(reader.read_numbers(await site.get(root + init), bodies))
    return made


async def test_a_publisher_that_drops_leaves_a_gap_and_the_recording_plays_through(site, clips):
    made = await stream(site, passthrough=True)
    root, film = f"/v/{made['id']}/", clips.make(REORDERED)
    async with publishing(made["ingest"]["rtmp"], made["key"], film):
        shown = await until(site, made["id"], "live")
        main = m3u8.loads((await site.get(root + "main.m3u8")).decode())
        names = [one.uri for one in main.playlists]
        assert names == ["180p.m3u8", "144p.m3u8"]
        await listed(site, root + names[0], lambda one: len(whole(one)) >= 1)
    await until(site, made["id"], "reconnecting")
    gone = len(whole(await playlist(site, root + names[0])))
    async with publishing(made["ingest"]["rtmp"], made["key"], film):
        await until(site, made["id"], "live")
        await listed(site, root + names[0], lambda one: len(whole(one)) >= gone + 1)
    assert (await until(site, made["id"], "reconnecting"))["asset"] == shown["asset"]
    await site.json("POST", f"{LIVE}/{made['id']}/end")
    asset = await site.until(shown["asset"], "complete")
    assert [rung["copied"] for rung in asset["rungs"]] == [True, False, False]
    root = f"/v/{asset['id']}/"
    for name in names:
        found = await playlist(site, root + name)
        assert [one.discontinuity for one in whole(found)].count(True) == 1
        for seen in await lives(site, root, found):
            assert [round(time * RATE) for time, _ in seen] == list(range(len(seen)))
            # The publisher was cut off: the last pictures lack those that they refer to.
            assert [number for _, number in seen[:-3]] == list(range(len(seen) - 3))
    frames = round(25 * asset["duration"])
    played = await clients.ffmpeg(site.base + root + "main.m3u8")
    assert played.status == 0, played.log
    assert played.frames >= frames - 12  # where timestamps begin anew its decoder drops some
    played = await clients.gstreamer(site.base + root + "main.m3u8")
    assert (played.status, played.frames) == (0, frames), played.log


async def test_a_long_keyframe_interval_is_encoded_and_its_owner_told_why(site, clips):
    made = await stream(site, passthrough=True)
    async with publishing(made["ingest"]["rtmp"], made["key"], clips.make(SPARSE)):
        shown = await until(site, made["id"], "live")
        (reason,) = (await site.asset(shown["asset"]))["uncopied"]
        assert "keyframes are more than 2 seconds apart" in reason
