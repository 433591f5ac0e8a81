"""An asset made only as far as it is watched: what was asked for, a little ahead, and again once gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from packager.spans import Slots
from streamer.rows import Fill, wall_clock
from tests.flow.whole_site import API, FILM, Site, noted, running, settle, stored
from tests.media.clip import Library


class Later:
    """A wall clock that a test can put forward."""

    def __init__(self) -> None:
        self.ahead = 0

    def __call__(self) -> int:
        return wall_clock() + self.ahead


@pytest.fixture
def film(clips: Library) -> Path:
    return clips.make(FILM)


async def lowest(site: Site, asset: str) -> list[str]:
    """Return the addresses of the segments of the lowest encoded rung of pictures."""
    rungs = [rung for rung in (await site.asset(asset))["rungs"] if rung["kind"] == "video"]
    return (await site.urls(asset))[rungs[-1]["name"]]


async def idle(site: Site, asset: str) -> None:
    """Wait until nothing of an asset runs or is about to, and all that was made is in the catalog."""
    making = site.server.works.making(asset)
    await settle(
        lambda: making.packaging and not making.packaging.running and not making.packaging.next(Slots()).more
    )
    await settle(lambda: noted(site.data, asset) == stored(site.data, asset))


async def test_only_what_is_watched_is_made_and_what_is_gone_is_made_again(film: Path, data_dir: Path):
    clock = Later()
    async with running(data_dir, clock=clock, fill="watched", watched_quota_bytes=1) as site:
        asset = (await site.post(film))["id"]
        assert (await site.until(asset, "playable"))["fill"] == "watched"
        paths = await lowest(site, asset)
        first = await site.get(paths[4])
        await idle(site, asset)
        made = stored(data_dir, asset)
        assert 0 < len(made) < sum(len(listed) for listed in (await site.urls(asset)).values()) / 2

        assert await site.server.quota.sweep_once() == 0  # it has just been asked for
        clock.ahead += 120_000
        assert await site.server.quota.sweep_once() == len(made)
        assert stored(data_dir, asset) == noted(data_dir, asset) == {}

        assert await site.get(paths[4]) == first
        assert (await site.asset(asset))["state"] == "playable"


async def test_an_etag_from_before_gets_the_whole_of_what_came_back(film: Path, data_dir: Path):
    clock = Later()
    async with running(data_dir, clock=clock, fill="watched", watched_quota_bytes=1) as site:
        asset = (await site.post(film))["id"]
        await site.until(asset, "playable")
        path = (await lowest(site, asset))[2]
        _, headers, body = await site.ask("GET", path)
        clock.ahead += 120_000
        await idle(site, asset)
        await site.server.quota.sweep_once()
        same = {"Range": "bytes=10-19", "If-Range": headers["Etag"]}
        status, _, part = await site.ask("GET", path, headers=same)
        assert (status, part) == (206, body[10:20])
        other = {"Range": "bytes=10-19", "If-Range": '"another"'}
        status, _, whole = await site.ask("GET", path, headers=other)
        assert (status, whole) == (200, body)


async def test_left_alone_it_sleeps_and_a_viewer_wakes_it(film: Path, data_dir: Path, monkeypatch):
    monkeypatch.setattr("streamer.making.IDLE_SECONDS", 0.2)
    async with running(data_dir, fill="watched") as site:
        asset = (await site.post(film))["id"]
        await site.until(asset, "playable")
        await settle(lambda: site.server.works.making(asset) is None)
        before = stored(data_dir, asset)
        path = next(path for path in await lowest(site, asset) if path.split("/", 3)[3] not in before)
        assert await site.get(path)
        await settle(lambda: site.server.works.making(asset) is None)
    async with running(data_dir) as site:  # a new life does not wake it either
        assert site.server.works.making(asset) is None
        assert await site.get(path)


async def test_filled_after_all_it_becomes_complete_and_may_be_emptied_again(film: Path, data_dir: Path):
    clock = Later()
    async with running(data_dir, clock=clock, fill="watched", watched_quota_bytes=1) as site:
        asset = (await site.post(film))["id"]
        await site.until(asset, "playable")
        await site.json("PATCH", f"{API}/{asset}", json={"fill": Fill.FULL})
        await site.until(asset, "complete")
        assert await site.server.quota.sweep_once() == 0
        await site.json("PATCH", f"{API}/{asset}", json={"fill": Fill.WATCHED})
        assert (await site.asset(asset))["state"] == "playable"
        clock.ahead += 120_000
        assert await site.server.quota.sweep_once() > 0
        assert stored(data_dir, asset) == {}
        assert await site.get((await lowest(site, asset))[0])
