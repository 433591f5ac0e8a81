"""Damaged sources: whatever has a decodable frame is packaged whole, exact in number, with a warning."""

from __future__ import annotations

import random
from pathlib import Path

import imageio_ffmpeg
import pytest

from packager.facts import Warned
from packager.ladder import Effort
from packager.package import package
from packager.process import Spawner
from packager.store import MemoryStore
from tests.media import fragments, reader
from tests.media.clip import run
from tests.media.sources import KINDS

EFFORT = Effort(preset="ultrafast", sides=(144,))


@pytest.fixture
async def spawner():
    async with Spawner(Path(imageio_ffmpeg.get_ffmpeg_exe())) as made:
        yield made


async def packaged(path, spawner):
    store, warnings, plans = MemoryStore(), [], []
    presentation = await package(
        path,
        store,
        spawner=spawner,
        slots=2,
        sink=lambda fact: warnings.append(fact.text) if isinstance(fact, Warned) else None,
        started=0,
        effort=EFFORT,
        planned=lambda packaging: plans.append(packaging.plan),
    )
    for rendition in (*presentation.video, *presentation.audio):
        init = await store.get(f"{rendition.prefix}/init.mp4")
        count = len(rendition.borders) - 1
        bodies = [await store.get(f"{rendition.prefix}/{n}.m4s") for n in range(count)]
        assert fragments.check(init, bodies, borders=list(rendition.borders)) == []
    top = presentation.video[-1]
    init = await store.get(f"{top.prefix}/init.mp4")
    bodies = [await store.get(f"{top.prefix}/{n}.m4s") for n in range(len(top.borders) - 1)]
    return presentation, warnings, plans[-1], reader.read_numbers(init, bodies)


@pytest.mark.parametrize("name", ["irregular", "fps25", "open_gop", "mkv", "mpegts", "long_gop"])
@pytest.mark.parametrize("kept", [0.35, 0.9])
async def test_what_is_left_of_a_truncated_file_plays(name, kept, clips, spawner, tmp_path):
    whole = clips.path(name).read_bytes()
    path = tmp_path / f"cut{clips.path(name).suffix}"
    if path.suffix == ".mp4":
        whole = faststart(clips.path(name), tmp_path)
    path.write_bytes(whole[: int(len(whole) * kept)])
    presentation, warnings, plan, shown = await packaged(path, spawner)
    assert 0.1 < presentation.duration <= KINDS[name].duration + 1
    assert warnings or path.suffix != ".mp4", "nobody is told that the end is missing"
    assert len(shown) >= plan.picture.frames
    right = [number for _, number in shown[: len(shown) * 2 // 3]]
    assert right == sorted(right)
    assert right[0] == 0


@pytest.mark.parametrize("name", ["irregular", "fps25", "mkv", "mpegts", "long_gop"])
async def test_garbage_in_the_middle_costs_only_what_it_covers(name, clips, spawner, tmp_path):
    body = bytearray(clips.path(name).read_bytes())
    dice = random.Random(name)
    middle = len(body) // 2
    body[middle : middle + 4000] = dice.randbytes(4000)
    path = tmp_path / f"garbled{clips.path(name).suffix}"
    path.write_bytes(body)
    presentation, _, _, shown = await packaged(path, spawner)
    assert presentation.duration >= 9
    wanted = range(40)
    assert [number for _, number in shown[:40]] == list(wanted)


def faststart(path, folder):
    moved = folder / "moved.mp4"
    run(["-i", str(path), "-map", "0", "-c", "copy", "-movflags", "+faststart", str(moved)])
    return moved.read_bytes()
