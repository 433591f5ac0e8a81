"""Sound made piece by piece has joints as clean as sound made in one go, whatever the source."""

from __future__ import annotations

import random
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from packager.process import Spawner
from tests.flow.packaged import planned
from tests.media import drawing, fragments, reader
from tests.media.clip import run, write_wave

SECONDS = 20
AAC = ("-c:a", "aac", "-b:a", "192k")
MP3 = ("-c:a", "libmp3lame", "-b:a", "192k")
OPUS = ("-c:a", "libopus", "-b:a", "160k")
SOURCES = {
    "pcm_mov": (48000, ".mov", ("-c:a", "pcm_s16le")),
    "aac_mp4_44": (44100, ".m4a", AAC),
    "aac_mkv": (48000, ".mkv", AAC),
    "aac_mkv_44": (44100, ".mkv", AAC),
    "flac_mkv": (48000, ".mkv", ("-c:a", "flac")),
    "mp3_mkv_44": (44100, ".mkv", MP3),
    "opus_webm": (48000, ".webm", OPUS),
    "aac_ts_44": (44100, ".ts", AAC),
    "mp3": (44100, ".mp3", MP3),
    "opus_ogg": (48000, ".ogg", OPUS),
}


@pytest.fixture
async def spawner():
    async with Spawner(Path(imageio_ffmpeg.get_ffmpeg_exe())) as made:
        yield made


@pytest.fixture(scope="module")
def sounds(tmp_path_factory) -> Path:
    """Write the sweep, with a little noise, as PCM at both rates."""
    folder = tmp_path_factory.mktemp("sounds")
    for rate in (44100, 48000):
        noise = np.random.default_rng(rate).standard_normal(SECONDS * rate).astype(np.float32)
        sound = drawing.sweep(seconds=SECONDS, rate=rate) + 0.003 * noise
        write_wave(folder / f"{rate}.wav", sound, rate=rate, channels=2)
    return folder


def heard(path: Path, origin) -> np.ndarray:
    """Return what goes into the encoder: the source as one decoder plays it, from media time 0 on."""
    pcm = reader.read_sound_file(path)
    late = round((pcm.start - origin) * pcm.rate)
    return pcm.sound[-late:] if late < 0 else np.concatenate([np.zeros(late, np.float32), pcm.sound])


def joint_levels(made, rung, *, whole, pieces) -> tuple[float, float]:
    """Return in dB the worst error of the encoder away from joints, and the worst at joints of pieces.

    Away from joints is anywhere in one continuous encode, and half a second from the joints of the pieces:
    AAC at one bit rate has an error of -35 or -48 dB in the same place, by what was spent before it.
    """
    reference = heard(made.path, made.plan.origin)
    rate, joints = rung.sample_rate, made.borders(rung)[1:-1]
    assert len(joints) >= 4
    one, many = (reader.read_sound(*track).sound for track in (whole, pieces))
    anywhere = range(rate, len(reference) - rate, rate // 4)
    between = [place for place in anywhere if min(abs(place - joint) for joint in joints) > rate // 2]
    least = max(
        reader.joint_error(reference, one, list(anywhere)), reader.joint_error(reference, many, between)
    )
    return least, reader.joint_error(reference, many, joints)


def units(track) -> list[int]:
    """Return the length of every access unit, in samples."""
    facts = fragments.read_init(track[0])
    parts = [part for body in track[1] for part in fragments.read_segment(body, facts)]
    return [sample.duration for part in parts for sample in part.samples]


@pytest.mark.parametrize("name", SOURCES)
async def test_joints_of_lone_segments_are_as_clean_as_one_encode(name, sounds, spawner):
    rate, suffix, codec = SOURCES[name]
    path = sounds / f"{name}{suffix}"
    run(["-i", str(sounds / f"{rate}.wav"), *codec, str(path)])
    made = await planned(path, spawner)
    rung = made.plan.audio[0]
    lone = [(n, n) for n in range(made.segments)]
    random.Random(name).shuffle(lone)
    pieces = await made.make(rung.name, lone)
    whole = await made.make(rung.name, [(0, made.segments - 1)])
    borders = made.borders(rung)
    for track in (pieces, whole):
        assert fragments.check(*track, borders=borders, digest=made.inits[rung.name]) == []
        assert units(track) == [1024] * (borders[-1] // 1024)
    least, joints = joint_levels(made, rung, whole=whole, pieces=pieces)
    assert least < -25, "what came out is not what went in"
    assert joints <= least + 3


async def test_runs_of_any_size_join_where_sound_begins_late(sounds, spawner, tmp_path):
    # Matroska, 1.5 s of silence before the first sample, 44.1 kHz: nothing falls on whole milliseconds.
    path = tmp_path / "late.mkv"
    black = ["-f", "lavfi", "-i", "color=black:s=64x36:r=10:d=20", "-itsoffset", "1.5"]
    video = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "20"]
    run([*black, "-i", str(sounds / "44100.wav"), *video, *AAC, "-t", "20", str(path)])
    made = await planned(path, spawner)
    rung = made.plan.audio[0]
    last = made.segments - 1
    mixed = await made.make(rung.name, [(3, last), (1, 2), (0, 0), (2, 3)])
    whole = await made.make(rung.name, [(0, last)])
    least, joints = joint_levels(made, rung, whole=whole, pieces=mixed)
    assert least < -25
    assert joints <= least + 3
