"""Posters and storyboards of broadcasts: on air, of the recording, of clips, and of what a crash has left."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import shutil
import sqlite3

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from packager import keys, live_thumbs
from packager.errors import ChildFailed
from packager.life import Aired, Reach
from packager.process import Spawner
from packager.store import MemoryStore
from streamer.live.stills import Stills
from tests.flow import live_site
from tests.flow.on_air import FILM, LIVE, listed, playlist, publishing, stream, until, whole
from tests.flow.whole_site import API, Site, running, settle
from tests.media import drawing, reader

TILE = re.compile(r"^(storyboard/\d+\.jpg)#xywh=(\d+),(\d+),(\d+),(\d+)$", re.MULTILINE)


def luma(jpeg: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("L"))


async def tiles(get, index: str) -> list[int | None]:
    """Return the numbers that are drawn in the tiles of a storyboard."""
    root = index.rpartition("/")[0]
    found = []
    for sheet, *box in TILE.findall((await get(index)).decode()):
        left, top, wide, tall = map(int, box)
        found.append(drawing.read(luma(await get(f"{root}/{sheet}"))[top : top + tall, left : left + wide]))
    return found


async def shows(site: Site, asset: str, name: str) -> dict:
    """Wait until an asset has a poster or a storyboard."""
    async with asyncio.timeout(30):
        while not (shown := await site.asset(asset))[name]:
            await asyncio.sleep(0.02)
        return shown


async def kept(store: MemoryStore, made: live_site.Media, first: int) -> Aired:
    """Store media as a life that is over, and return it."""
    life = made.life
    for name, body in made.inits.items():
        await store.put(keys.init(life.generation, name), body)
    counts = {
        name: 1 + max(one.segment for one in made.parts if one.rendition == name) for name in life.names
    }
    ends = {name: max(one.end for one in made.parts if one.rendition == name) for name in life.names}
    for name, count in counts.items():
        for number in range(first, count):
            await store.put(keys.segment(life.generation, name, number), made.segment(name, number))
    reach = {name: Reach(segments=count, end=ends[name]) for name, count in counts.items()}
    return Aired(life=life, reach=reach, over=True, begin=first)


@pytest.fixture
async def spawner():
    async with Spawner(imageio_ffmpeg.get_ffmpeg_exe()) as made:
        yield made


async def test_a_storyboard_goes_over_all_lives_whatever_their_pictures_are_like(clips, spawner):
    made, store = await live_site.media(clips, 8), MemoryStore()
    small = made.successor(first=5, generation="l2", started=9000, names=[live_site.LOW, live_site.SOUND])
    large = made.successor(first=9, generation="l3", started=18_000, names=[live_site.TOP])
    lives = [await kept(store, one, first) for one, first in ((made, 0), (small, 1), (large, 0))]
    index = await live_thumbs.storyboard(lives, store=store, spawner=spawner)
    assert index == "l3/storyboard.vtt"
    first = [
        reader.read_numbers(made.inits[live_site.TOP], [made.segment(live_site.TOP, number)])[0][1]
        for number in range(lives[0].segments)
    ]
    assert await tiles(store.get, index) == [*first, *first[1:], *first]
    with pytest.raises(ChildFailed):
        await live_thumbs.poster(made.life.video[0], b"", b"no media", spawner=spawner)


async def test_a_broadcast_has_a_poster_soon_and_its_recording_and_clips_what_a_video_has(data_dir, clips):
    async with running(data_dir, live_rtmp_port=0) as site:
        made = await stream(site, reconnect_seconds=0)
        async with publishing(made["ingest"]["rtmp"], made["key"], clips.make(FILM)):
            asset = (await until(site, made["id"], "live"))["asset"]
            shown = await shows(site, asset, "poster")
            status, headers, picture = await site.ask("GET", shown["poster"])
            assert (status, headers["Content-Type"]) == (200, "image/jpeg")
            assert "immutable" in headers["Cache-Control"]
            assert drawing.read(luma(picture)) is not None
            assert shown["poster"] in (await site.get(f"/watch/{made['id']}")).decode()
            top = shown["rungs"][0]["name"]
            await listed(site, f"/v/{asset}/{top}.m3u8", lambda one: len(whole(one)) >= 2)
        await until(site, made["id"], "ended")
        clip = (await site.json("POST", f"{API}/{asset}/clips", status=201, json={"start": 2, "end": 3}))[
            "id"
        ]
        for one in (asset, clip):
            found = await shows(site, one, "storyboard")
            assert drawing.read(luma(await site.get(found["poster"]))) is not None
            recorded = whole(await playlist(site, f"/v/{one}/{top}.m3u8"))
            init = await site.get(f"/v/{one}/{recorded[0].init_section.uri}")
            firsts = [
                reader.read_numbers(init, [await site.get(f"/v/{one}/{segment.uri}")])[0][1]
                for segment in recorded
            ]
            assert await tiles(site.get, found["storyboard"]) == firsts
        await settle(lambda: not list((site.data / "media" / asset).glob("*/poster/*")))


async def test_what_was_recorded_without_pictures_gets_them_at_the_next_start(data_dir, clips):
    async with running(data_dir, live_rtmp_port=0) as site:
        made = await stream(site)
        async with publishing(made["ingest"]["rtmp"], made["key"], clips.make(FILM)):
            asset = (await until(site, made["id"], "live"))["asset"]
            await shows(site, asset, "poster")
        await site.json("POST", f"{LIVE}/{made['id']}/end")
        await shows(site, asset, "storyboard")
    with contextlib.closing(sqlite3.connect(data_dir / "catalog.sqlite")) as catalog, catalog:
        catalog.execute("UPDATE generation SET poster = NULL, storyboard = NULL")
    shutil.rmtree(next((data_dir / "media" / asset).glob("*/storyboard")))
    async with running(data_dir) as site:
        shown = await shows(site, asset, "storyboard")
        assert None not in await tiles(site.get, shown["storyboard"])
        assert drawing.read(luma(await site.get(shown["poster"]))) is not None


class Shown:
    """Rows that keep what they are told."""

    def __init__(self) -> None:
        self.posters: list[str] = []
        self.changed = asyncio.Event()

    async def show(self, asset: str, *, poster: str) -> None:
        self.posters.append(poster)
        self.changed.set()


async def test_the_poster_is_renewed_while_the_publisher_is_seen_and_the_older_ones_go(clips, spawner):
    made, rows, seen = await live_site.media(clips, 8), Shown(), []
    async with live_site.live_site() as site:
        stills = Stills(rows, None, site.store, source=None, spawner=spawner, renewed_seconds=0)
        following = asyncio.create_task(stills.follow(site.onair, lambda: bool(seen)))
        await site.begin(made)
        await site.release(1, 0)
        assert rows.posters == []  # a slate
        seen.append(True)
        for number in range(1, 4):
            rows.changed.clear()
            await site.release(number + 1, 0)
            async with asyncio.timeout(20):
                await rows.changed.wait()
        async with asyncio.timeout(20):
            while len(kept := await site.store.list(f"{live_site.ASSET}/l1/poster/")) > 2:
                await asyncio.sleep(0)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    assert rows.posters == [f"l1/poster/{number}.jpg" for number in (1, 2, 3)]
    assert kept == [f"{live_site.ASSET}/{key}" for key in rows.posters[1:]]
