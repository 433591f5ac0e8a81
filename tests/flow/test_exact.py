"""Every source kind, packaged: the right frame at the right time, 0 wrong, 0 missing, in every rung."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import pytest

from packager import feeding, keys, ladder, present, run
from packager.errors import PackagingError
from packager.inits import Inits
from packager.ladder import Effort
from packager.model import Grid, Kind
from packager.original import WholeFile
from packager.package import package
from packager.probe import probe
from packager.process import Spawner
from packager.store import MemoryStore
from tests.media import fragments, reader
from tests.media.sources import KINDS

EFFORT = Effort(preset="ultrafast", sides=(144,), copy=False)
PICTURES = [name for name, clip in KINDS.items() if clip.timing is not None]


@pytest.fixture
async def spawner():
    async with Spawner(Path(imageio_ffmpeg.get_ffmpeg_exe())) as made:
        yield made


async def stored(store, rendition):
    init = await store.get(f"{rendition.prefix}/init.mp4")
    count = len(rendition.borders) - 1
    return init, [await store.get(f"{rendition.prefix}/{n}.m4s") for n in range(count)]


def wrong_frames(clip, plan, shown):
    """Return what is wrong with (time, number) pairs that one rung shows, in words."""
    picture = plan.picture
    if picture.grid is Grid.KEYFRAME:
        expected = [(max(frame.time - plan.origin, Fraction(0)), frame.number) for frame in clip.frames]
        expected[0] = (Fraction(0), expected[0][1])
        return reader.faults(expected, shown) if expected != shown else []
    faults = []
    if len(shown) != picture.frames:
        faults.append(f"{len(shown)} frames, {picture.frames} planned")
    for place, (time, number) in enumerate(shown):
        if time != place / picture.rate:
            faults.append(f"frame {place} at {time}")
        if number not in clip.acceptable(time + plan.origin, picture.rate):
            faults.append(f"frame {place} shows {number}")
    return faults


async def judge(clip, plan, store, presentation):
    for rendition in presentation.video:
        init, segments = await stored(store, rendition)
        assert fragments.check(init, segments, borders=list(rendition.borders)) == []
        faults = wrong_frames(clip, plan, reader.read_numbers(init, segments))
        assert not faults, (rendition.name, len(faults), faults[:8])


def before(packaging):
    """Return the BANDWIDTH of every rendition as it stands before anything is encoded."""
    shown = present.presentation(
        packaging.plan,
        codecs={name: init.codecs for name, init in packaging.inits.items()},
        sizes={},
        started=0,
    )
    return {one.name: one.bandwidth for one in (*shown.video, *shown.audio)}


def expected_end(clip, plan):
    return clip.frames[-1].time + 1 / clip.rate - plan.origin


@pytest.mark.parametrize("name", PICTURES)
async def test_frames_of_every_kind_are_exact(name, clips, spawner):
    clip = KINDS[name]
    store, planned = MemoryStore(), []
    presentation = await package(
        clips.path(name), store, spawner=spawner, slots=2, sink=lambda _: None, started=0, effort=EFFORT,
        planned=lambda packaging: planned.append((packaging.plan, before(packaging))),
    )  # fmt: skip
    assert len(planned) == 1, "the plan did not hold"
    plan, bounds = planned[0]
    if clip.grid:
        assert plan.picture.grid == clip.grid, plan.picture.reasons
    pictures = plan.shown[-1]
    assert abs(Fraction(pictures, plan.timescale) - expected_end(clip, plan)) <= 2 / clip.rate
    await judge(clip, plan, store, presentation)
    for rendition in (*presentation.video, *presentation.audio):
        sizes = {n: len(body) for n, body in enumerate((await stored(store, rendition))[1])}
        peak, _ = present.measured(
            sizes, rendition.borders, timescale=rendition.timescale, target=presentation.target_duration
        )
        assert rendition.bandwidth >= peak
        assert bounds[rendition.name] >= peak, "understated before the encode"
    assert presentation.intra.kind is Kind.INTRA


# Every second kind by default: what is special about a kind shows in the test above too.
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.soak] * (n % 2)) for n, name in enumerate(PICTURES)]
)
async def test_segments_made_alone_in_any_order_and_overlapping_are_the_same_frames(
    name, clips, spawner, tmp_path
):
    clip, path = KINDS[name], clips.path(name)
    probed = await probe(spawner, path, into=tmp_path / "tables")
    feeder = feeding.feeder(probed.tables)
    source, index = probed.source, probed.index
    plan = ladder.plan(source, index, identity=name, encoder="test", effort=EFFORT)
    digests = {rung: init.digest for rung, init in (await Inits(spawner).of(plan)).items()}
    rung = plan.video[-1]
    alone, overlapping = MemoryStore(), MemoryStore()
    last = plan.pictures - 1
    spans = [(n, n, alone) for n in range(plan.pictures)]
    spans += [(n, min(n + 2, last), overlapping) for n in range(plan.pictures)]
    random.Random(name).shuffle(spans)
    for begin, end, store in spans:
        asked = {"names": [rung.name], "first": begin, "last": end, "inits": digests, "feeder": feeder}
        tools = {"original": WholeFile(path), "store": store, "spawner": spawner, "sink": lambda _: None}
        made = run.of(plan, index, **asked)
        assert (made.feed is not None) == (clip.suffix != ".avi")
        try:
            await run.execute(made, **tools)
        except PackagingError:  # as the farm does: again, from an earlier place
            await run.execute(run.of(plan, index, **asked, early=True), **tools)
    inits = await Inits(spawner).of(plan)
    for store in (alone, overlapping):
        bodies = [await store.get(keys.segment(plan.generation, rung.name, n)) for n in range(plan.pictures)]
        faults = wrong_frames(clip, plan, reader.read_numbers(inits[rung.name].body, bodies))
        assert not faults, faults[:8]
