"""Which rungs, which grid, which rate: the plan's rules, one by one."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packager import ladder, present
from packager.index import Index
from packager.ladder import Effort
from packager.model import AudioTrack, Colour, Grid, Scan, Source, TextTrack, VideoTrack
from packager.plan import from_json, to_json

BASE = Fraction(1, 12_800)


def video(**changes):
    track = VideoTrack(
        index=0,
        codec="h264",
        width=1920,
        height=1080,
        pixel_format="yuv420p",
        frame_rate=Fraction(25),
        time_base=BASE,
        start=Fraction(0),
        end=Fraction(20),
    )
    return replace(track, **changes)


def audio(**changes):
    track = AudioTrack(
        index=1,
        codec="aac",
        channels=2,
        layout="stereo",
        sample_rate=48_000,
        start=Fraction(0),
        end=Fraction(20),
    )
    return replace(track, **changes)


def index(*, every=50, frames=500, first=0):
    times = first + np.arange(frames, dtype=np.int64) * 512
    return Index(time_base=BASE, times=times, keyframes=times[::every])


def plan_of(track, *sounds, table=None, **changes):
    source = Source(container="mp4", size=1, duration=Fraction(20), video=track, audio=sounds, indexed=True)
    return ladder.plan(replace(source, **changes), table or index(), identity="x", encoder="e")


@pytest.mark.parametrize(
    ("width", "height", "sides"),
    [
        (1920, 1080, [1080, 720, 480, 360, 240, 144]),
        (1920, 1088, [1080, 720, 480, 360, 240, 144]),
        (1920, 1060, [1060, 720, 480, 360, 240, 144]),
        (1280, 534, [534, 480, 360, 240, 144]),
        (7680, 4320, [2160, 1440, 1080, 720, 480, 360, 240, 144]),
        (320, 181, [180, 144]),
        (256, 150, [150, 144]),
        (256, 145, [144]),
        (160, 120, [120]),
        (64, 3, [2]),
    ],
)
def test_rungs_go_down_from_the_source_and_never_up(width, height, sides):
    rungs = ladder.video_rungs(video(width=width, height=height), effort=Effort())
    assert [min(rung.width, rung.height) for rung in rungs] == sides
    assert all(rung.width % 2 == rung.height % 2 == 0 for rung in rungs)


def test_rotation_and_sample_aspect_decide_before_the_ladder():
    turned = ladder.video_rungs(video(rotation=90), effort=Effort())[0]
    assert (turned.width, turned.height) == (1080, 1920)
    wide = ladder.video_rungs(video(width=720, height=576, sample_aspect=Fraction(64, 45)), effort=Effort())[
        0
    ]
    assert (wide.width, wide.height) == (1024, 576)


@pytest.mark.parametrize(
    ("rate", "variable", "out"),
    [
        ("25", False, "25"),
        ("120", False, "60"),
        ("240", False, "60"),
        ("29.9", True, "30000/1001"),
        ("100", False, "50"),
    ],
)
def test_one_rate_on_the_frame_grid(rate, variable, out):
    assert ladder.output_rate(video(frame_rate=Fraction(rate), variable=variable)) == Fraction(out)


def test_closed_keyframes_close_enough_give_the_keyframe_grid():
    plan = plan_of(video(), audio())
    assert plan.picture.grid is Grid.KEYFRAME
    assert plan.timescale == 12_800
    assert plan.borders[:3] == (0, 2 * 12_800, 6 * 12_800)
    assert present.target_duration(plan) == 6


@pytest.mark.parametrize(
    "changes",
    [{"scan": Scan.INTERLACED}, {"frame_rate": Fraction(120)}],
    ids=["interlaced", "above 60"],
)
def test_what_the_keyframe_grid_cannot_hold_says_why(changes):
    plan = plan_of(video(**changes), audio())
    assert plan.picture.grid is Grid.FRAME
    assert plan.picture.reasons


def test_long_gops_take_the_frame_grid():
    plan = plan_of(video(), audio(), table=index(every=200))
    assert plan.picture.grid is Grid.FRAME
    assert plan.borders[1] == 100 * 1000
    assert plan.picture.reasons == ("closed keyframes are more than 6 s apart",)


def test_sound_that_begins_first_moves_the_origin_for_every_track():
    early = plan_of(video(start=Fraction(3, 2), end=Fraction(43, 2)), audio(), table=index(first=19_200))
    assert early.origin == 0
    assert early.borders[0] == 0
    late = plan_of(video(), audio(start=Fraction(3, 2)))
    assert late.origin == 0


def test_every_audio_track_has_stereo_and_surround_where_there_is():
    rungs = ladder.audio_rungs((audio(channels=6, language="de"), audio(index=2, channels=1, default=True)))
    assert [(rung.name, rung.channels, rung.default) for rung in rungs] == [
        ("audio-0", 2, False),
        ("audio-0-surround", 6, False),
        ("audio-1", 2, True),
    ]


def test_sound_alone_is_an_asset():
    source = Source(
        container="mp3", size=1, duration=Fraction(10), video=None, audio=(audio(end=Fraction(10)),)
    )
    plan = ladder.plan(source, None, identity="x", encoder="e")
    assert (plan.picture, plan.video, plan.pictures) == (None, (), 0)
    assert plan.borders == (0, 192_000, 384_000, 480_000)


def test_hdr_is_shown_as_bt709():
    plan = plan_of(video(colour=Colour(primaries="bt2020", transfer="smpte2084", matrix="bt2020nc")))
    assert plan.picture.tone_map
    assert plan.picture.colour.transfer == "bt709"


def test_the_generation_names_choices_not_lengths():
    one, other = plan_of(video(), audio()), plan_of(video(end=Fraction(20)), audio(), duration=Fraction(19))
    assert one.generation == other.generation
    assert one.generation != plan_of(video(), audio(channels=6)).generation
    assert replace(one, salt="again").generation != one.generation


def test_a_plan_survives_its_serialisation():
    plan = plan_of(video(), audio(), text=(TextTrack(index=3, codec="subrip", language="en"),))
    assert from_json(to_json(plan)) == plan
    assert from_json(to_json(plan)).generation == plan.generation


@given(
    st.lists(st.integers(1, 900_000), min_size=1, max_size=40),
    st.lists(st.integers(1, 6000), min_size=40, max_size=40),
)
def test_measured_peak_is_what_a_player_may_have_to_carry(sizes, lengths):
    borders = [0]
    for length in lengths[: len(sizes)]:
        borders.append(borders[-1] + length)
    peak, average = present.measured(dict(enumerate(sizes)), borders, timescale=1000, target=4)
    assert average <= -(-8 * sum(sizes) * 1000 // borders[-1])
    for a, b in present.spans(borders, 1000, 4):
        assert 8 * sum(sizes[a:b]) * 1000 <= peak * (borders[b] - borders[a])
    assert present.measured({}, borders, timescale=1000, target=4) == (None, None)


def test_sound_that_ends_a_moment_later_stays_in_the_last_segment_and_leaves_the_picture_alone():
    plan = plan_of(video(), audio(end=Fraction(20_005, 1000)), table=index(every=200))
    assert len(plan.borders) == len(plan.shown)
    assert plan.shown[-1] == 500 * 1000
    assert plan.borders[-1] > plan.shown[-1]
    assert plan.duration == Fraction(20_005, 1000)
