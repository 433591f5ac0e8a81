"""A plan that grows: whatever the steps, the borders at the end are those of the whole file."""

from dataclasses import replace
from fractions import Fraction
from itertools import accumulate, pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from packager import growing, ladder, present
from packager.index import Index
from packager.model import AudioTrack, Grid, Source, VideoTrack

BASE = Fraction(1, 1000)
RATE = Fraction(25)
STEP = 40


def source_of(frames, sound, *, start=0):
    """Return what is known of a source of so many frames and so many milliseconds of sound."""
    tracks = () if sound is None else (audio(sound),)
    video = None
    if frames:
        video = VideoTrack(
            index=0, codec="h264", width=640, height=360, pixel_format="yuv420p", frame_rate=RATE,
            time_base=BASE, start=start * BASE, end=(start + frames * STEP) * BASE,
        )  # fmt: skip
    size = frames + (sound or 0)
    return Source(container="matroska", size=size, duration=Fraction(size), video=video, audio=tracks)


def audio(sound):
    return AudioTrack(
        index=1,
        codec="aac",
        channels=2,
        layout="stereo",
        sample_rate=44_100,
        start=Fraction(0),
        end=sound * BASE,
    )


def index_of(frames, keys, *, start=0):
    times = start + np.arange(frames, dtype=np.int64) * STEP
    chosen = np.array([key for key in keys if key < frames], dtype=np.int64)
    return Index(time_base=BASE, times=times, keyframes=times[chosen])


def planned(source, index, *, keyed=True):
    return ladder.plan(source, index, identity="x", encoder="e", allow_keyframe_grid=keyed)


def grow(steps, keys, *, start, keyed=True):
    """Yield the plans of a source that grows in steps of (frames, sound)."""
    plan = None
    for number, (frames, sound) in enumerate(steps):
        ended = number == len(steps) - 1
        source, index = source_of(frames, sound, start=start), index_of(frames, keys, start=start)
        if plan is None:
            plan = growing.settled(planned(source, index, keyed=keyed), source, index, ended=ended)
        else:
            plan = growing.grown(plan, source, index, ended=ended)
            assert plan is not None
        if plan is not None:
            yield plan


@st.composite
def arrivals(draw, longest):
    """Draw keyframe places, how picture and sound arrive, and when the first picture is shown."""
    keys = [0, *accumulate(draw(st.lists(st.integers(1, longest), max_size=12)))]
    frames = keys[-1] + draw(st.integers(1, longest))
    sound = draw(st.none() | st.integers(1, frames * STEP + 9000))
    cuts = sorted(draw(st.lists(st.integers(0, 1000), max_size=8)))
    late = draw(st.integers(0, 1500))
    reach = frames * STEP + late
    steps = [
        (max(1, frames * cut // 1000), None if sound is None else min(sound, max(1, reach * cut // 1000)))
        for cut in cuts
    ]
    return keys, [*steps, (frames, sound)], draw(st.sampled_from([0, 83, 1500]))


def check(plans, whole):
    assert len({plan.generation for plan in plans}) == 1
    for before, after in pairwise(plans):
        assert after.borders[: len(before.borders)] == before.borders
        assert after.shown[: len(before.shown)] == before.shown
        for rung in before.audio:
            known = before.sound_borders(rung)
            assert after.sound_borders(rung)[: len(known)][:-1] == known[:-1]
            if len(after.borders) > len(before.borders) or not after.ended:
                assert after.sound_borders(rung)[len(known) - 1] == known[-1]
    last = plans[-1]
    assert (last.borders, last.shown, last.ended) == (whole.borders, whole.shown, True)
    assert last.duration == whole.duration
    assert [last.sound_borders(rung) for rung in last.audio] == [
        whole.sound_borders(rung) for rung in whole.audio
    ]


@settings(max_examples=150)
@given(arrivals(110))
def test_a_plan_on_the_keyframe_grid_grows_into_that_of_the_whole_file(drawn):
    keys, steps, start = drawn
    plans = list(grow(steps, keys, start=start))
    whole = planned(source_of(*steps[-1], start=start), index_of(steps[-1][0], keys, start=start))
    assert whole.picture.grid is Grid.KEYFRAME
    check(plans, whole)


@settings(max_examples=150)
@given(arrivals(400))
def test_a_plan_on_the_frame_grid_grows_into_that_of_the_whole_file(drawn):
    keys, steps, start = drawn
    plans = list(grow(steps, keys, start=start, keyed=False))
    whole = planned(
        source_of(*steps[-1], start=start), index_of(steps[-1][0], keys, start=start), keyed=False
    )
    check(plans, whole)
    assert plans[-1].picture == whole.picture


@settings(max_examples=50)
@given(st.lists(st.integers(1, 60_000), min_size=1, max_size=8))
def test_a_plan_of_sound_alone_grows_into_that_of_the_whole_file(lengths):
    plan = None
    for number, sound in enumerate(sorted(lengths)):
        source, ended = source_of(0, sound), number == len(lengths) - 1
        before = plan
        if plan is None:
            plan = growing.settled(planned(source, None), source, None, ended=ended)
        else:
            plan = growing.grown(plan, source, None, ended=ended)
        if before is not None:
            assert plan.borders[: len(before.borders)] == before.borders
    assert plan.borders == planned(source, None).borders


def test_a_late_gop_that_breaks_the_keyframe_grid_ends_the_plan():
    keys = [0, 100, 200]
    source, index = source_of(250, None), index_of(250, keys)
    plan = growing.settled(planned(source, index), source, index, ended=False)
    assert plan.shown == (0, 4000, 8000)
    assert growing.grown(plan, source_of(400, None), index_of(400, keys), ended=False) is None


def test_a_segment_waits_for_its_sound():
    source, index = source_of(250, 5000), index_of(250, [0, 100, 200])
    plan = growing.settled(planned(source, index), source, index, ended=False)
    assert plan.borders == (0, 4000)
    later = growing.grown(plan, source_of(250, 8400), index, ended=False)
    assert later.borders == (0, 4000, 8000)
    assert later.generation == plan.generation


def test_nothing_is_settled_before_a_whole_segment_and_what_tells_its_end():
    keys = [0, 50, 140, 160]

    def shown(frames):
        source, index = source_of(frames, None), index_of(frames, keys)
        plan = growing.settled(planned(source, index), source, index, ended=False)
        return plan and plan.shown

    assert shown(50) is None
    assert shown(156) == (0, 2000)
    assert shown(180) == (0, 2000, 5600)


def test_the_first_segment_is_settled_with_the_first_keyframe_that_can_end_it():
    keys = [0, 40, 60, 110]
    source, index = source_of(61, 2800), index_of(61, keys)
    plan = growing.settled(planned(source, index), source, index, ended=False)
    assert plan.borders == (0, 2400)
    whole = planned(source_of(200, 8000), index_of(200, keys))
    assert whole.borders[:2] == plan.borders


def test_a_first_frame_that_moves_ends_the_plan():
    source, index = source_of(250, None), index_of(250, [0, 100])
    plan = growing.settled(planned(source, index), source, index, ended=False)
    moved = replace(index, times=index.times - 40, keyframes=index.keyframes - 40)
    assert growing.grown(plan, source, moved, ended=True) is None


def test_what_is_said_of_a_growing_plan_stays_until_its_end():
    keys = range(0, 1000, 100)
    said = []
    for frames in (250, 600, 900):
        source, index = source_of(frames, frames * STEP), index_of(frames, keys)
        base = planned(source, index)
        plan = growing.settled(base, source, index, ended=False)
        names = [*(rung.name for rung in plan.video), plan.intra.name, *(rung.name for rung in plan.audio)]
        sizes = {name: dict.fromkeys(range(len(plan.borders) - 1), 1000) for name in names}
        shown = present.presentation(plan, codecs=dict.fromkeys(names, "x"), sizes=sizes, started=0)
        said.append((shown.target_duration, [(one.name, one.bandwidth, one.average) for one in shown.video]))
        whole = present.presentation(base, codecs=dict.fromkeys(names, "x"), sizes={}, started=0)
        assert all(a.bandwidth >= b.bandwidth for a, b in zip(shown.video, whole.video, strict=True))
    assert said[0] == said[1] == said[2]
