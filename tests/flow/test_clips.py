"""Clips of a broadcast on air and of its recording: the very same segments as an asset of their own."""

from __future__ import annotations

import asyncio
from fractions import Fraction

import m3u8
import pytest

from tests.flow.on_air import FILM, LIVE, listed, playlist, publishing, stream, until, whole
from tests.flow.whole_site import API, Site, running, settle
from tests.media import clients, reader

RATE = 25


@pytest.fixture
async def site(data_dir):
    async with running(data_dir, live_rtmp_port=0) as opened:
        yield opened


async def clip(site: Site, asset: str, start: float, end: float, **more) -> dict:
    wish = {"start": start, "end": end, **more}
    return await site.json("POST", f"{API}/{asset}/clips", status=201, json=wish)


async def pictures(site: Site, root: str, found: m3u8.M3U8) -> list[int | None]:
    init = await site.get(root + found.segments[0].init_section.uri)
    bodies = [await site.get(root + one.uri) for one in whole(found)]
    return [number for _, number in reader.read_numbers(init, bodies)]


async def test_a_clip_on_air_and_one_of_the_recording_are_assets_of_the_same_segments(site, clips):
    made = await stream(site)
    async with publishing(made["ingest"]["rtmp"], made["key"], clips.make(FILM)):
        asset = (await until(site, made["id"], "live"))["asset"]
        top = (await site.asset(asset))["rungs"][0]["name"]
        await listed(site, f"/v/{asset}/{top}.m3u8", lambda one: len(whole(one)) >= 4)
        early = await clip(site, asset, 2.5, 100, title="The second on")
        assert (await site.asset(asset))["live"]["state"] == "live"
    await site.json("POST", f"{LIVE}/{made['id']}/end")
    late = await clip(site, asset, 2.5, 3)
    recorded = await playlist(site, f"/v/{asset}/{top}.m3u8")
    everything = await pictures(site, f"/v/{asset}/", recorded)
    length = Fraction(str(recorded.segments[0].duration))
    assert (early["title"], late["title"]) == ("The second on", "On air")
    assert (late["start"], late["end"]) == (float(length), float(2 * length))
    assert (early["start"], early["end"] >= float(3 * length)) == (late["start"], True)
    for made_of in (early, late):
        root = f"/v/{made_of['id']}/"
        assert (made_of["state"], made_of["live"]["state"]) == ("complete", "ended")
        assert made_of["duration"] == pytest.approx(made_of["end"] - made_of["start"], abs=0.001)
        found = await playlist(site, f"{root}{top}.m3u8")
        assert found.is_endlist
        for one in whole(found):
            assert await site.get(root + one.uri) == await site.get(f"/v/{asset}/{one.uri}")
        first, last = round(made_of["start"] * RATE), round(made_of["end"] * RATE)
        assert await pictures(site, root, found) == everything[first:last]
        sums = []
        for manifest in ("main.m3u8", "main.mpd"):
            played = await clients.ffmpeg(site.base + root + manifest)
            assert played.status == 0, played.log
            assert played.frames == last - first, (manifest, played.log)
            sums.append(played.hashes)
        assert sums[0] == sums[1]
    await site.json("DELETE", f"{API}/{asset}", status=204)
    await settle(lambda: not (site.data / "media" / asset).exists())
    assert await pictures(site, f"/v/{early['id']}/", await playlist(site, f"/v/{early['id']}/{top}.m3u8"))
    inner = await clip(site, early["id"], 0, 0.1)
    assert (inner["start"], inner["end"]) == (0, float(length))
    assert await pictures(
        site, f"/v/{inner['id']}/", await playlist(site, f"/v/{inner['id']}/{top}.m3u8")
    ) == await pictures(site, f"/v/{late['id']}/", await playlist(site, f"/v/{late['id']}/{top}.m3u8"))


async def test_what_cannot_be_cut_is_refused_and_leaves_nothing(site, clips):
    made = await stream(site)
    async with publishing(made["ingest"]["rtmp"], made["key"], clips.make(FILM)):
        asset = (await until(site, made["id"], "live"))["asset"]
        top = (await site.asset(asset))["rungs"][0]["name"]
        await listed(site, f"/v/{asset}/{top}.m3u8", whole)
    await site.json("POST", f"{LIVE}/{made['id']}/end")
    path = f"{API}/{asset}/clips"
    wishes = [
        {},
        {"start": 0},
        {"start": 1, "end": 1},
        {"start": -1, "end": 1},
        {"start": "0", "end": 1},
        {"start": False, "end": 1},
        {"start": 0, "end": 10**400},
        {"start": 0, "end": 1, "titel": "x"},
        {"start": 0, "end": 1, "title": ""},
        {"start": 1000, "end": 1001},
    ]
    for wish in wishes:
        assert (await site.ask("POST", path, json=wish))[0] == 400, wish
    async with asyncio.timeout(60):
        upload, film = await site.create(100)
    del upload
    assert (await site.ask("POST", f"{API}/{film}/clips", json={"start": 0, "end": 1}))[0] == 409
    assert (await site.ask("POST", f"{API}/abcdefgh0123/clips", json={"start": 0, "end": 1}))[0] == 404
    assert sorted(one["id"] for one in (await site.json("GET", API))["items"]) == sorted([asset, film])
    assert {folder.name for folder in (site.data / "media").iterdir()} - {".tmp"} == {asset}


async def test_a_repeated_request_makes_one_clip(site, clips):
    made = await stream(site)
    async with publishing(made["ingest"]["rtmp"], made["key"], clips.make(FILM)):
        asset = (await until(site, made["id"], "live"))["asset"]
        top = (await site.asset(asset))["rungs"][0]["name"]
        await listed(site, f"/v/{asset}/{top}.m3u8", lambda one: len(whole(one)) >= 2)
        told = [
            await site.json(
                "POST",
                f"{API}/{asset}/clips",
                status=201,
                json={"start": 0, "end": 1},
                headers={"Idempotency-Key": "once"},
            )
            for _ in range(2)
        ]
    assert told[0] == told[1]
    assert len((await site.json("GET", API))["items"]) == 2
