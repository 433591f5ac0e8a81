"""Sources that grow: in the end they are what a probe finds; their segments are right before it."""

from __future__ import annotations

import asyncio
import random
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import pytest

from packager import feeding, growing, keys, ladder, run
from packager.errors import FormatNotAllowed, Refused
from packager.following import Following, Unfollowable, followed
from packager.inits import Inits
from packager.original import SourceCut, read_span
from packager.probe import probe
from packager.process import Spawner
from packager.store import MemoryStore
from tests.flow.packaged import EFFORT
from tests.flow.test_exact import wrong_frames
from tests.media import reader
from tests.media.clip import Library
from tests.media.clip import run as ffmpeg
from tests.media.sources import KINDS

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
FRAGMENTED = ("-c", "copy", "-movflags", "frag_keyframe+default_base_moof+delay_moov")
GROWING = {"mkv": "mkv", "mpegts": "mpegts", "webm": "webm", "fragmented": "irregular"}


class Coming:
    """A source of which more and more bytes come."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.received = 0
        self.size = path.stat().st_size
        self._more = asyncio.Condition()

    @property
    def whole(self) -> bool:
        return self.received >= self.size

    async def read(self, start: int, stop: int) -> bytes:
        if stop > self.received:
            raise SourceCut("not there yet")
        return read_span(self.path, start, stop)

    async def grown(self, beyond: int) -> None:
        async with self._more:
            await self._more.wait_for(lambda: self.received > beyond or self.whole)

    async def come(self, size: int) -> None:
        async with self._more:
            self.received = min(self.size, self.received + size)
            self._more.notify_all()


@pytest.fixture
async def spawner():
    async with Spawner(Path(FFMPEG)) as made:
        yield made


@pytest.fixture
def source_file(clips: Library, tmp_path: Path):
    def file(name: str) -> Path:
        path = clips.path(GROWING[name])
        if name != "fragmented":
            return path
        made = tmp_path / "fragmented.mp4"
        ffmpeg(["-i", str(path), *FRAGMENTED, str(made)])
        return made

    return file


class Maker:
    """Makes the segments of the smallest rung and of the sound, each as soon as its bytes have come."""

    def __init__(self, original: Coming, spawner: Spawner) -> None:
        self.plan = None
        self.store = MemoryStore()
        self.early = 0
        self._original, self._spawner = original, spawner
        self._made: dict[str, int] = {}

    async def take(self, seen) -> None:
        if self.plan is None:
            base = ladder.plan(seen.source, seen.index, identity="x", encoder="test", effort=EFFORT)
            self.plan = growing.settled(base, seen.source, seen.index, ended=seen.ended)
            if self.plan is not None:
                self.inits = await Inits(self._spawner).of(self.plan)
        else:
            generation = self.plan.generation
            self.plan = growing.grown(self.plan, seen.source, seen.index, ended=seen.ended)
            assert self.plan is not None
            assert self.plan.generation == generation
        if self.plan is not None:
            await self._make(seen)

    async def _make(self, seen) -> None:
        feeder = feeding.feeder(seen.tables)
        digests = {name: init.digest for name, init in self.inits.items()}
        for name, count in (
            (self.plan.video[-1].name, self.plan.pictures),
            ("audio-0", len(self.plan.borders) - 1),
        ):
            for number in range(self._made.get(name, 0), count):
                reach = run.reach(self.plan, feeder, names=[name], number=number)
                if reach is None or reach > self._original.received:
                    assert not seen.ended, "it can only be made from the whole file"
                    break
                asked = {"names": [name], "first": number, "last": number, "inits": digests, "feeder": feeder}
                made = run.of(self.plan, seen.index, **asked)
                await run.execute(
                    made,
                    original=self._original,
                    store=self.store,
                    spawner=self._spawner,
                    sink=lambda _: None,
                )
                self._made[name] = number + 1
                self.early += not self._original.whole


@pytest.mark.parametrize("name", GROWING)
async def test_a_growing_source_is_made_right_as_it_comes_and_ends_as_what_a_probe_finds(
    name, source_file, spawner, tmp_path
):
    clip, path = KINDS[GROWING[name]], source_file(name)
    dice, original = random.Random(name), Coming(path)
    maker = Maker(original, spawner)
    async with Following(spawner, original, into=tmp_path / "tables", size=original.size) as following:
        coming = asyncio.create_task(trickle(original, dice))
        while (seen := await following.more()) is not None:
            await maker.take(seen)
            last = seen
        await coming
    assert last.ended
    whole = await probe(spawner, path, into=tmp_path / "probed")
    assert (last.source, last.index) == (whole.source, whole.index)
    assert (tmp_path / "tables").read_bytes() == (tmp_path / "probed").read_bytes()
    plan = maker.plan
    planned = ladder.plan(whole.source, whole.index, identity="x", encoder="test", effort=EFFORT)
    assert (plan.borders, plan.shown, plan.duration) == (planned.borders, planned.shown, planned.duration)
    assert maker.early >= 2, "nothing could be made before the end"
    rung = plan.video[-1].name
    bodies = [await maker.store.get(keys.segment(plan.generation, rung, n)) for n in range(plan.pictures)]
    assert wrong_frames(clip, plan, reader.read_numbers(maker.inits[rung].body, bodies)) == []
    for number in range(len(plan.borders) - 1):
        assert await maker.store.get(keys.segment(plan.generation, "audio-0", number))


async def trickle(original: Coming, dice: random.Random) -> None:
    """Let the source come in pieces of any size; a pause between lets the follower catch up."""
    while not original.whole:
        await original.come(dice.randrange(1, original.size // 12))
        await asyncio.sleep(0.1)


async def test_what_is_cut_off_in_the_middle_ends_there(source_file, spawner, tmp_path):
    cut = tmp_path / "cut.mkv"
    body = source_file("mkv").read_bytes()
    cut.write_bytes(body[: len(body) * 2 // 3])
    original = Coming(cut)
    await original.come(original.size)
    async with Following(spawner, original) as following:
        while (seen := await following.more()) is not None:
            last = seen
    assert last.ended
    assert 6 < last.source.duration < 7
    assert last.tables.marks.end == original.size


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"#EXTM3U\n" * 400, FormatNotAllowed),
        (b"\x1a\x45\xdf\xa3" + bytes(range(256)) * 40, Refused),
        (b"\0\0\0\x18ftypisom" + b"\0" * 12 + b"\0\0\x40\0mdat" + b"\x80\x01" * 4500, Unfollowable),
    ],
)
async def test_what_cannot_be_followed_is_refused_or_left_until_it_is_whole(body, error, spawner, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(body)
    original = Coming(path)
    await original.come(original.size)
    async with Following(spawner, original) as following:
        with pytest.raises(error):
            await following.more()


def test_the_head_tells_what_can_be_followed(clips: Library, source_file):
    assert followed(b"\x1a\x45\xdf\xa3") is None
    names = {name: followed(source_file(name).read_bytes()[:4096]) for name in GROWING}
    assert names == {"mkv": "matroska", "mpegts": "mpegts", "webm": "matroska", "fragmented": "mov"}
    assert followed(clips.path("irregular").read_bytes()[:4096]) == ""
    assert followed(clips.path("avi").read_bytes()[:4096]) == ""
    head = source_file("fragmented").read_bytes()
    assert followed(head[:1100]) is None or followed(head[:1100]) == "mov"


async def test_a_feed_begins_at_a_sync_sample_and_holds_no_more_than_it_must(
    clips: Library, spawner, tmp_path
):
    path = clips.path("mpegts")
    probed = await probe(spawner, path, into=tmp_path / "tables")
    marks = probed.tables.marks
    feeder, track = feeding.feeder(probed.tables), probed.source.video
    body = path.read_bytes()
    later = feeder.stretch(track.index, track.start + 4, track.start + 6)
    early = feeder.stretch(track.index, track.start + 4, track.start + 6, early=True)
    start, stop = later.pieces[-1]
    assert (start % 188, stop % 188) == (0, 0)
    assert early.pieces[-1][0] < start
    assert stop - start < len(body) // 2
    assert body.startswith(later.pieces[0][:188], body.index(later.pieces[0][:188]))
    assert len(marks.to_bytes()) < 2000
    assert feeder.stretch(99, Fraction(0), Fraction(1)) is None
