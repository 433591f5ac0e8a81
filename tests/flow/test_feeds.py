"""Runs read no more of an MP4 than their own samples, on standard input, and what they make is the same."""

from __future__ import annotations

import asyncio
import subprocess
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import pytest

from packager import feeding, keys, run, thumbs
from packager.original import SourceCut, SourceIncomplete, WholeFile, read_span
from packager.probe import probe
from packager.process import Spawner
from packager.store import MemoryStore
from packager.tables import Tables
from tests.flow.packaged import planned
from tests.media.clip import run as ffmpeg

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
TIMED = ("irregular", "vfr_b", "open_gop", "edit_cut", "edit_start", "hdr10")
MUXED = {
    "negative_offsets": ("-movflags", "+negative_cts_offsets"),
    "no_edit_list": ("-use_editlist", "0"),
    "before_zero": ("-output_ts_offset", "-1.7", "-avoid_negative_ts", "disabled"),
    "quicktime": ("-f", "mov"),
}


class Watched(Spawner):
    """A spawner that keeps the commands it was given."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.commands = []

    async def start(self, command):
        self.commands.append(command)
        return await super().start(command)


class Coming:
    """A source of which more and more bytes are there."""

    def __init__(self, path: Path, received: int) -> None:
        self.path = path
        self.received = received
        self.asked = asyncio.Event()
        self._more = asyncio.Event()

    @property
    def whole(self) -> bool:
        return self.received == self.path.stat().st_size

    async def read(self, start: int, stop: int) -> bytes:
        if stop > self.received:
            raise SourceCut("not there yet")
        return read_span(self.path, start, stop)

    async def grown(self, beyond: int) -> None:
        while self.received <= beyond:
            self.asked.set()
            await self._more.wait()

    def come(self, received: int) -> None:
        self.received = received
        self._more.set()


@pytest.fixture
async def spawner():
    async with Watched(Path(FFMPEG)) as made:
        yield made


def shown_by_ffmpeg(body: bytes, timescale: int) -> set[int]:
    """Return the times at which ffmpeg shows the frames of a feed, in ticks."""
    options = (
        "-map",
        "0:0",
        "-fps_mode",
        "passthrough",
        "-enc_time_base",
        f"1/{timescale}",
        "-f",
        "framecrc",
    )
    argv = (FFMPEG, "-v", "quiet", "-copyts", "-f", "mp4", "-i", "pipe:0", *options, "-")
    lines = subprocess.run(argv, input=body, capture_output=True, check=True).stdout.decode().splitlines()
    return {int(line.split(",")[2]) for line in lines if not line.startswith("#")}


async def judge_times(path: Path, spawner, folder: Path) -> None:
    probed = await probe(spawner, path, into=folder / "tables")
    table = probed.tables.of(probed.source.video.index)
    scale = table.timescale
    times = set(table.rows["pts"].tolist())
    start = probed.source.video.start
    for begin in (start, start + Fraction(5, 2), start + 5):
        feed = feeding.feeder(probed.tables).stretch(table.track, begin, begin + 2)
        body = b"".join([block async for block in feed.read(WholeFile(path))])
        shown = {time - feed.shift * scale for time in shown_by_ffmpeg(body, scale)}
        assert shown <= times
        assert {time for time in times if begin <= Fraction(time, scale) < begin + 2} <= shown


@pytest.mark.parametrize("name", TIMED)
async def test_every_frame_has_the_time_of_the_source(name, clips, spawner, tmp_path):
    await judge_times(clips.path(name), spawner, tmp_path)


@pytest.mark.parametrize("name", MUXED)
async def test_every_frame_has_its_time_however_the_file_says_it(name, clips, spawner, tmp_path):
    path = tmp_path / "muxed.mp4"
    ffmpeg(["-i", str(clips.path("irregular")), "-c", "copy", *MUXED[name], str(path)])
    await judge_times(path, spawner, tmp_path)


def emptied(path: Path, ranges, target: Path) -> Path:
    """Write a file of the same size that has zeros everywhere but in some ranges."""
    whole = path.read_bytes()
    body = bytearray(len(whole))
    for start, stop in ranges:
        body[start:stop] = whole[start:stop]
    target.write_bytes(body)
    return target


@pytest.mark.parametrize(("name", "number"), [("irregular", 1), ("edit_cut", 0), ("open_gop", 1)])
async def test_a_run_needs_no_other_byte_and_knows_no_file(name, number, clips, spawner, tmp_path):
    made = await planned(clips.path(name), spawner)
    for rung in (made.plan.video[-1].name, made.plan.audio[0].name):
        asked = {"names": [rung], "first": number, "last": number, "inits": made.inits}
        one = run.from_json(run.to_json(run.of(made.plan, made.index, **asked, feeder=made.feeder)))
        ranges = [piece for piece in one.feed.pieces if isinstance(piece, tuple)]
        only = Coming(emptied(made.path, ranges, tmp_path / "only"), one.feed.reach)
        spawner.commands.clear()
        alone = await segment(one, only, spawner)
        (command,) = spawner.commands
        assert command.readable == ()
        assert not any(path in word for word in command.argv for path in (str(tmp_path), made.path.name))
        assert alone == await segment(one, WholeFile(made.path), spawner)


async def segment(one: run.Run, original, spawner) -> bytes:
    """Return the only segment of a Run."""
    store = MemoryStore()
    await run.execute(one, original=original, store=store, spawner=spawner, sink=lambda _: None)
    return await store.get(keys.segment(one.generation, one.names[0], one.first))


async def test_what_a_segment_reaches_holds_for_the_runs_that_it_is_part_of(clips, spawner):
    made = await planned(clips.path("irregular"), spawner)
    for rung, count in (
        (made.plan.video[-1].name, made.plan.pictures),
        (made.plan.audio[0].name, made.segments),
    ):
        reaches = [run.reach(made.plan, made.feeder, names=[rung], number=n) for n in range(count)]
        for first, last in ((0, 0), (0, count - 1), (1, 2)):
            asked = {"names": [rung], "first": first, "last": last, "inits": made.inits}
            for early in (False, True):
                one = run.of(made.plan, made.index, **asked, feeder=made.feeder, early=early)
                assert one.feed.reach <= max(reaches[: last + 1])
        assert reaches[0] < reaches[-1] <= made.path.stat().st_size


async def test_without_a_feed_a_file_on_its_way_is_not_opened(clips, spawner):
    made = await planned(clips.path("irregular"), spawner)
    asked = {"names": [made.plan.video[-1].name], "first": 0, "last": 0, "inits": made.inits}
    coming = Coming(made.path, 1000)
    tools = {"original": coming, "store": MemoryStore(), "spawner": spawner, "sink": lambda _: None}
    spawner.commands.clear()
    with pytest.raises(SourceIncomplete):
        await run.execute(run.of(made.plan, made.index, **asked), **tools)
    assert spawner.commands == []
    with pytest.raises(SourceCut):
        await run.execute(run.of(made.plan, made.index, **asked, feeder=made.feeder), **tools)


async def test_the_poster_comes_with_its_bytes_and_is_that_of_the_whole_file(clips, spawner):
    made = await planned(clips.path("irregular"), spawner)
    coming = Coming(made.path, 1000)
    tools = {"feeder": made.feeder, "spawner": spawner}
    waiting = asyncio.create_task(thumbs.poster(made.plan, original=coming, **tools))
    await coming.asked.wait()
    assert not waiting.done()
    second = run.reach(made.plan, made.feeder, names=[made.plan.video[-1].name], number=1)
    assert second < made.path.stat().st_size
    coming.come(second)
    early = await waiting
    tools["feeder"] = feeding.feeder(Tables({}))
    assert early == await thumbs.poster(made.plan, original=WholeFile(made.path), **tools)
