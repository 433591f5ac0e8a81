"""A broadcast of an hour: exact to the frame, in step, bounded, in memory that does not grow."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from statistics import median

import aiohttp
import m3u8
import pytest

from tests.flow.on_air import listed, playlist, stream, until, whole
from tests.flow.whole_site import Client, rows
from tests.media import fragments, reader
from tests.media.camera import BEEPS, NUMBERS, filming

HERE = Path(__file__).resolve().parents[2]
SETTINGS = {
    "STREAMER_LIVE_RTMP_PORT": "0",
    "STREAMER_ENCODE_PRESET": "ultrafast",
    "STREAMER_DISK_RESERVE_BYTES": "0",
    "STREAMER_CACHE_BYTES": str(
        1 << 20
    ),  # full after a minute, so that whatever still grows is something else
}
RATE = 25
WINDOW_SECONDS = 60
SAMPLE_SECONDS = 5
SERVER_GROWTH, ENCODER_GROWTH = 4 << 20, 4 << 20
"""Bytes by which the last third of the time may lie above the middle one."""

DRIFT_MS = 20
JUDGED_SECONDS = 16
"""Of every place of the recording that is looked and listened to."""


@dataclass
class Rendition:
    """One rendition as its viewers get it, judged segment by segment."""

    name: str
    facts: fragments.Init
    target: str
    following: int | None = None
    end: int | None = None
    count: int = 0
    faults: list[str] = field(default_factory=list)

    def listed(self, text: str, found: m3u8.M3U8) -> None:
        """Judge a playlist: what may never change has not, and it is no longer than the window."""
        self._expect("DISCONTINUITY\n" not in text, "a discontinuity")
        self._expect(text.count("#EXT-X-MAP:") == 1, "another init")
        self._expect(_frozen(text) == self.target, f"{_frozen(text)}, not {self.target}")
        seconds = sum(one.duration for one in whole(found))
        self._expect(seconds <= WINDOW_SECONDS + 3 * found.target_duration, f"{seconds} s are listed")

    def segment(self, body: bytes, *, parts: int) -> None:
        """Judge a segment: it begins where the one before ended, and all of its parts are equally long."""
        made = fragments.read_segment(body, self.facts)
        samples = [sample for one in made for sample in one.samples]
        begin = samples[0].decode
        self._expect(self.end in {None, begin}, f"segment {self.count} begins at {begin}, not {self.end}")
        self.end = samples[-1].decode + samples[-1].duration
        self.count += 1
        lengths = {sample.duration for sample in samples}
        self._expect(len(lengths) == 1, f"frames of {lengths} ticks")
        self._expect(len(made) == parts, f"{len(made)} parts")
        counts = [len(one.samples) for one in made]
        if self.facts.handler == "vide":
            self._expect(set(counts) == {8}, f"parts of {counts} frames")
            self._expect(samples[0].sync, "no keyframe begins the segment")
        else:
            self._expect(max(counts) - min(counts) <= 1, f"parts of {counts} units")

    def _expect(self, holds: object, text: str) -> None:
        if not holds:
            self.faults.append(f"{self.name}: {text}")


def _frozen(text: str) -> str:
    """Return the lines of a playlist that hold for all of a broadcast."""
    names = ("#EXT-X-TARGETDURATION", "#EXT-X-PART-INF", "#EXT-X-SERVER-CONTROL")
    return " ".join(line for line in text.splitlines() if line.startswith(names))


class Viewer:
    """Follows every rendition for as long as it is let, by blocking reloads."""

    def __init__(self, site: Client, identity: str) -> None:
        self._site = site
        self._root = f"/v/{identity}/"
        self.renditions: list[Rendition] = []

    async def begin(self) -> None:
        main = m3u8.loads((await self._site.get(self._root + "main.m3u8")).decode())
        for uri in (one.uri for one in (*main.playlists, *main.media)):
            found = await listed(self._site, self._root + uri, lambda one: len(whole(one)) >= 1)
            init = await self._site.get(self._root + found.segments[0].init_section.uri)
            text = (await self._site.get(self._root + uri)).decode()
            name, facts = uri.removesuffix(".m3u8"), fragments.read_init(init)
            self.renditions.append(Rendition(name=name, facts=facts, target=_frozen(text)))

    async def follow(self) -> None:
        await asyncio.gather(*(self._one(each) for each in self.renditions))

    async def _one(self, mine: Rendition) -> None:
        path = f"{self._root}{mine.name}.m3u8"
        while True:
            asked = "" if mine.following is None else f"?_HLS_msn={mine.following}"
            text = (await self._site.get(path + asked)).decode()
            found = m3u8.loads(text)
            mine.listed(text, found)
            ready, first = whole(found), found.media_sequence or 0
            start = 0 if mine.following is None else mine.following - first
            for segment in ready[start:]:
                mine.segment(await self._site.get(self._root + segment.uri), parts=6)
            mine.following = first + len(ready)


@dataclass
class Memory:
    """What processes hold in memory, sampled: the server's own, and its encoder's."""

    server: int
    samples: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(SAMPLE_SECONDS)
            self.samples["server"].append(_resident(self.server))
            encoders = [_resident(pid) for pid in _descendants(self.server) if _named(pid, "ffmpeg")]
            if encoders:
                self.samples["encoder"].append(max(encoders))

    def growth(self, name: str) -> int:
        """Return by how much the last third lies above the middle one: caches fill in the first."""
        taken = self.samples[name]
        third = len(taken) // 3
        return round(median(taken[2 * third :]) - median(taken[third : 2 * third]))

    def course(self, name: str) -> list[int]:
        """Return some thirty samples in megabytes."""
        taken = self.samples[name]
        return [one >> 20 for one in taken[:: max(1, len(taken) // 30)]]


def _resident(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(found[0]) << 10 if found else 0


def _named(pid: int, name: str) -> bool:
    try:
        return name in Path(f"/proc/{pid}/comm").read_text(encoding="utf-8")
    except OSError:
        return False


def _descendants(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in task.read_text(encoding="utf-8").split()]
        except OSError:
            continue
        for child in children:
            found += [child, *_descendants(child)]
    return found


async def recorded(site: Client, asset: str, name: str) -> tuple[bytes, m3u8.M3U8]:
    found = await playlist(site, f"/v/{asset}/{name}.m3u8")
    return await site.get(f"/v/{asset}/{found.segments[0].init_section.uri}"), found


async def lag(site: Client, asset: str, names: Sequence[str], at: float) -> list[float]:
    """Return by how many milliseconds beeps come after the pictures of whole seconds, from a second on."""
    cut = []
    for name in names:
        init, found = await recorded(site, asset, name)
        before, wanted = 0.0, []
        for one in found.segments:
            if at <= before < at + JUDGED_SECONDS:
                wanted.append(await site.get(f"/v/{asset}/{one.uri}"))
            before += one.duration
        cut.append((init, wanted))
    video, audio = cut
    seen = reader.read_numbers(*video)
    flashes = tuple(time for time, number in seen if number is not None and _taken(time, number) % RATE == 0)
    return list(reader.Sync(flashes=flashes, beeps=reader.find_beeps(reader.read_sound(*audio))).offsets)


def _taken(time: Fraction, number: int) -> int:
    """Return which picture it is of all: the drawn numbers begin anew after 65536."""
    return number + (round(time * RATE - number) + NUMBERS // 2) // NUMBERS * NUMBERS


@pytest.mark.soak
@pytest.mark.timeout(3 * 3600)
async def test_rule_an_hour_is_exact_in_step_and_bounded(spawn, data_dir, request, capsys):
    seconds = request.config.getoption("--live-seconds")
    argv = (sys.executable, "-m", "streamer", "serve", "--port", "0", "--data", data_dir)
    child = await spawn(*argv, env=SETTINGS, cwd=HERE)
    line = await child.says("http://", seconds=60)
    async with aiohttp.ClientSession() as session:
        site = Client(session, line[line.index("http://") :].strip().rstrip("/"))
        made = await stream(site, dvr_seconds=WINDOW_SECONDS, reconnect_seconds=1)
        viewer, memory = Viewer(site, made["id"]), Memory(child.pid)
        address = f"{made['ingest']['rtmp']}/{made['key']}"
        async with filming(address, width=320, height=180, sound=BEEPS):
            asset = (await until(site, made["id"], "live"))["asset"]
            await viewer.begin()
            tasks = [asyncio.create_task(each) for each in (viewer.follow(), memory.watch())]
            ended, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for task in ended:
                await task
        await until(site, made["id"], "ended", seconds=60)
        whole_asset = await site.until(asset, "complete")
        names = (viewer.renditions[0].name, viewer.renditions[-1].name)
        places = [int((whole_asset["duration"] - JUDGED_SECONDS - 4) * at / 6) + 2 for at in range(7)]
        lags = [await lag(site, asset, names, at) for at in places]
        assert rows(data_dir, "SELECT count(*) FROM generation WHERE asset = ?", asset) == [(1,)]
    growth = {name: memory.growth(name) for name in ("server", "encoder")}
    apart = [round(median(found), 1) for found in lags]
    figures = {
        "seconds": whole_asset["duration"],
        "segments": {each.name: each.count for each in viewer.renditions},
        "sound after picture, ms": dict(zip(places, apart, strict=True)),
        "memory, MB": {name: memory.course(name) for name in growth},
        "growth, KB": {name: one >> 10 for name, one in growth.items()},
    }
    with capsys.disabled():
        print(json.dumps(figures))
    assert [fault for each in viewer.renditions for fault in each.faults] == []
    assert all(each.count * 48 >= (seconds - 10) * RATE for each in viewer.renditions)
    assert all(len(found) >= JUDGED_SECONDS - 2 for found in lags)
    assert max(abs(one - lags[0][0]) for found in lags for one in found) < DRIFT_MS
    assert growth["server"] < SERVER_GROWTH
    assert growth["encoder"] < ENCODER_GROWTH
