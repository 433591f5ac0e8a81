"""Picture and sound stay together: a beep is heard within 10 ms of its flash, from start to end."""

from __future__ import annotations

import random
import struct
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import imageio_ffmpeg
import m3u8
import pytest

from packager import keys
from packager.package import package
from packager.process import Spawner
from packager.store import DiskStore
from tests.flow.packaged import EFFORT, planned, stored
from tests.media import fragments, reader
from tests.media.clip import FAST, Clip, Sound, run
from tests.media.sources import KINDS
from tests.media.timing import constant

CLOSE = 10
"""Milliseconds between flash and beep; people notice from about 45 (ITU-R BT.1359)."""

MOVED = 3
"""Milliseconds by which packaging may move the one against the other; the judge is exact to about one."""

TOGETHER = (
    "fps25",
    "edit_cut",
    "edit_start",
    "mpegts",
    "audio_late",
    "video_late",
    "audio_shorter",
    "audio_longer",
    "mkv",
    "webm",
)
AAC = ("-c:a", "aac", "-b:a", "96k")
MANY = {
    **{name: KINDS[name] for name in ("mono", "surround51", "surround71", "languages")},
    "rate44": replace(KINDS["fps25"], name="rate44", sounds=(Sound(codec=(*AAC, "-ar:a", "44100")),)),
}
CHANNELS = {"mono": [2], "surround51": [2, 6], "surround71": [2, 6], "languages": [2, 2, 2], "rate44": [2]}


@pytest.fixture
async def spawner():
    async with Spawner(Path(imageio_ffmpeg.get_ffmpeg_exe())) as made:
        yield made


async def packaged(path, folder, spawner, *, copy=True):
    store = DiskStore(folder)
    presentation = await package(
        path,
        store,
        spawner=spawner,
        slots=2,
        sink=lambda _: None,
        started=0,
        effort=replace(EFFORT, copy=copy),
    )
    return store, presentation


def faults(clip: Clip, sync: reader.Sync) -> list[str]:
    """Return what is wrong with the sync of a packaged clip, in words."""
    expected = reader.Sync(flashes=clip.flashes, beeps=clip.beeps()).offsets
    if len(sync.offsets) != len(expected):
        return [f"{len(sync.offsets)} flashes have a beep, not {len(expected)}"]
    return [
        f"beep {place} is {have:.1f} ms after its flash, {want:.1f} in the source"
        for place, (have, want) in enumerate(zip(sync.offsets, expected, strict=True))
        if abs(have) >= CLOSE or abs(have - want) >= MOVED
    ]


def decoded(folder: Path, manifest: str, clip: Clip) -> reader.Sync:
    """Decode what ffmpeg makes of a manifest, picture and sound together, to raw; return what is in it."""
    raw = folder / f"{manifest}.nut"
    inputs = ["-copyts", *(["-allowed_extensions", "ALL"] if manifest.endswith("m3u8") else [])]
    inputs += ["-i", str(folder / manifest), "-map", "0:v:0", "-map", "0:a:0", "-fps_mode", "passthrough"]
    # Without a time base of its own a raw picture is moved to the nearest place of the nominal rate.
    video = ["-enc_time_base:v", "1/90000", "-c:v", "rawvideo", "-pix_fmt", "gray"]
    run([*inputs, *video, "-c:a", "pcm_s16le", str(raw)])
    flashes = tuple(time for time, number in reader.read_file(raw) if number in clip.flash_numbers)
    return reader.Sync(flashes=flashes, beeps=reader.find_beeps(reader.read_sound_file(raw)))


@pytest.mark.parametrize("name", TOGETHER)
async def test_beeps_fall_on_flashes(name, clips, spawner, tmp_path):
    clip = KINDS[name]
    store, presentation = await packaged(clips.path(name), tmp_path, spawner)
    audio = await stored(store, presentation.audio[0])
    for rendition in presentation.video:
        sync = reader.beeps_and_flashes(await stored(store, rendition), audio)
        assert faults(clip, sync) == []
        assert len(sync.offsets) > 3


@pytest.mark.parametrize("manifest", [keys.MULTIVARIANT, keys.MPD])
@pytest.mark.parametrize("name", ["fps25", "edit_cut", "mpegts"])
async def test_a_player_shows_the_flash_with_the_beep(name, manifest, clips, spawner, tmp_path):
    clip = KINDS[name]
    # Copied pictures may have B-frames, whose negative offsets FFmpeg's reader turns into a constant delay.
    await packaged(clips.path(name), tmp_path, spawner, copy=False)
    sync = decoded(tmp_path, manifest, clip)
    assert faults(clip, sync) == []
    assert len(sync.offsets) > 3


def cheap(seconds: int) -> Clip:
    return Clip(
        name=f"cheap{seconds}",
        suffix=".mp4",
        timing=constant(10, seconds),
        width=160,
        height=90,
        video=(*FAST, "-pix_fmt", "yuv420p", "-g", "20", "-bf", "2"),
    )


def spans(count: int, seed: int) -> list[tuple[int, int]]:
    """Cut segments 0 to `count` into Runs of 1 to 7 segments, shuffled."""
    chance = random.Random(seed)
    cuts = [0]
    while cuts[-1] < count:
        cuts.append(min(count, cuts[-1] + chance.randint(1, 7)))
    out = [(a, b - 1) for a, b in pairwise(cuts)]
    chance.shuffle(out)
    return out


@pytest.mark.parametrize("seconds", [60, pytest.param(600, marks=pytest.mark.soak)])
async def test_nothing_drifts_over_runs_of_different_sizes(seconds, clips, spawner):
    clip = cheap(seconds)
    made = await planned(clips.make(clip), spawner)
    video = await made.make(made.plan.video[-1].name, spans(made.plan.pictures, 1))
    audio = await made.make(made.plan.audio[0].name, spans(made.segments, 2))
    sync = reader.beeps_and_flashes(video, audio)
    assert faults(clip, sync) == []
    assert len(sync.offsets) >= seconds - 1
    assert abs(sync.end - sync.start) < 1


def channels(init: bytes) -> int:
    """Return the channel count of an init's sample entry (ISO/IEC 14496-12, AudioSampleEntry)."""
    place = next(body for kind, body, _ in fragments.walk(init) if kind == b"stsd")
    return struct.unpack_from(">H", init, place + 8 + 8 + 16)[0]


@pytest.mark.parametrize("name", MANY)
async def test_every_track_is_whole_at_its_rate_with_its_channels(name, clips, spawner, tmp_path):
    clip = MANY[name]
    store, presentation = await packaged(clips.make(clip), tmp_path, spawner, copy=False)
    found = []
    for rendition in presentation.audio:
        init, segments = await stored(store, rendition)
        borders = list(rendition.borders)
        assert fragments.check(init, segments, borders=borders) == []
        found.append(channels(init))
        assert found[-1] == rendition.channels
        facts = fragments.read_init(init)
        assert facts.timescale == rendition.sample_rate == (44100 if name == "rate44" else 48000)
        span = Fraction(borders[-1], facts.timescale)
        listed = m3u8.load(str(tmp_path / keys.playlist(rendition.name))).segments
        assert abs(sum(segment.duration for segment in listed) - float(span)) < 1e-5
        assert abs(span - clip.duration) < Fraction(1, 10)
        track = int(rendition.name.split("-")[1])
        pcm = reader.read_sound(init, segments)
        assert len(pcm.sound) == borders[-1]
        beeps = reader.find_beeps(pcm, clip.sounds[track].tone)
        expected = [time - clip.start for time in clip.beeps(track)]
        assert len(beeps) == len(expected) > 8
        assert max(abs(a - b) for a, b in zip(beeps, expected, strict=True)) < Fraction(CLOSE, 1000)
    assert found == CHANNELS[name]
