"""Which objects are read from where an asset is published, and how soon that is noticed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from streamer.errors import NoSuchAsset
from streamer.placements import Stand
from streamer.redirects import FRESH_SECONDS, Redirects
from streamer.rows import PlaybackPolicy, State

SEGMENT = "g1/360p/0.m4s"
NEAR, CDN = "https://near.example.org", "https://cdn.example.org/vod"


def shown(**changes):
    fields = {"state": State.COMPLETE, "generation": "g1", "live": None, "policy": PlaybackPolicy.PUBLIC}
    return SimpleNamespace(**fields | changes)


class Rig:
    """A catalog and placements of one asset, and a clock."""

    def __init__(self):
        self.now = 0.0
        self.looks = 0
        self.asset = shown()
        self.rows = [SimpleNamespace(name="g1", created=5)]
        self.placements = [self.placed("cdn", Stand.PUBLISHED, 9)]
        bases = {"near": f"{NEAR}/", "cdn": CDN}
        self.redirects = Redirects(bases, catalog=self, placements=self, clock=lambda: self.now)

    @staticmethod
    def placed(destination, state, updated):
        return SimpleNamespace(destination=destination, state=state, updated=updated)

    async def get(self, asset):
        self.looks += 1
        if asset != "a":
            raise NoSuchAsset(asset)
        return self.asset

    async def of(self, asset):
        return self.placements

    async def generations(self, asset):
        return self.rows


async def test_what_never_changes_is_read_where_it_is_published():
    rig = Rig()
    assert await rig.redirects.target("a", SEGMENT) == f"{CDN}/a/{SEGMENT}"
    for key in ("main.m3u8", "360p.m3u8", "g1/360p/0.1.m4s", "other/360p/0.m4s", "c1/en/0.vtt"):
        assert await rig.redirects.target("a", key) is None
    assert await rig.redirects.target("b", SEGMENT) is None
    rig.placements.append(rig.placed("near", Stand.PUBLISHED, 9))
    assert await rig.redirects.target("a", SEGMENT) == f"{CDN}/a/{SEGMENT}"
    assert rig.looks == 2
    rig.now += FRESH_SECONDS
    assert await rig.redirects.target("a", SEGMENT) == f"{NEAR}/a/{SEGMENT}"


@pytest.mark.parametrize(
    "change",
    [
        {"asset": shown(state=State.PLAYABLE)},
        {"asset": shown(policy=PlaybackPolicy.SIGNED)},
        {"rows": [SimpleNamespace(name="g1", created=10)]},
        {"placements": [Rig.placed("cdn", Stand.WITHDRAWING, 9)]},
        {"placements": [Rig.placed("elsewhere", Stand.PUBLISHED, 9)]},
    ],
)
async def test_what_is_not_published_as_it_is_now_is_read_here(change):
    rig = Rig()
    for name, value in change.items():
        setattr(rig, name, value)
    assert await rig.redirects.target("a", SEGMENT) is None


async def test_of_a_recording_every_life_is_published():
    rig = Rig()
    rig.asset = shown(generation="l1", live=object())
    assert await rig.redirects.target("a", "l2/360p/7.m4s") == f"{CDN}/a/l2/360p/7.m4s"
