"""Where the parts of a live encoder's life begin and end."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest

from packager import life
from packager.life import Aired, Life, Reach
from packager.plan import AudioRung, VideoRung

RUNG = VideoRung(
    name="360p", width=640, height=360, maxrate=800_000, buffer=800_000, crf=23, preset="veryfast", threads=1
)
SOUND = AudioRung(name="audio-0", track=1, channels=2, sample_rate=48_000, bitrate=128_000)
RATES = [Fraction(24), Fraction(25), Fraction(30_000, 1001), Fraction(30), Fraction(50), Fraction(60)]


def lived(rate: Fraction, part: Fraction = Fraction(1, 3)) -> Life:
    frames, parts = life.frames_of(part, rate)
    return Life(
        generation="l1",
        rate=rate,
        part_frames=frames,
        parts=parts,
        started=0,
        first=7,
        video=(RUNG,),
        audio=SOUND,
    )


@pytest.mark.parametrize("part", [Fraction(1, 5), Fraction(1, 3), Fraction(1, 2), Fraction(1)])
@pytest.mark.parametrize("rate", RATES, ids=str)
def test_rule_no_part_is_longer_than_its_target_and_none_much_shorter(rate, part):
    made = lived(rate, part)
    for name in made.names:
        target = made.part_target(name)
        borders = [made.border(name, 0, part) for part in range(40 * made.parts)]
        lengths = [Fraction(b - a, made.scale(name)) for a, b in pairwise(borders)]
        assert max(lengths) <= target
        assert min(lengths) >= Fraction(85, 100) * target  # RFC 8216bis §4.4.4.9


@pytest.mark.parametrize("rate", RATES, ids=str)
def test_no_segment_rounds_to_more_than_the_target_duration(rate):
    made = lived(rate)
    for name in made.names:
        borders = [made.border(name, segment) for segment in range(500)]
        longest = max(Fraction(b - a, made.scale(name)) for a, b in pairwise(borders))
        assert int(longest + Fraction(1, 2)) <= made.target_duration


def test_sound_stays_within_half_an_access_unit_of_the_picture():
    made = lived(Fraction(30_000, 1001))
    for segment in range(2000):
        picture = Fraction(made.border("360p", segment), made.timescale)
        assert abs(Fraction(made.border("audio-0", segment), 48_000) - picture) <= Fraction(512, 48_000)


def test_rule_no_two_lives_have_a_name_in_common():
    """Caches keep media for a year: what is sent under a name is never anything else."""
    names = {life.new_generation() for _ in range(10_000)}
    assert len(names) == 10_000
    assert min(map(len, names)) >= 1 + 64 // 4


def test_a_life_survives_being_written_down():
    made = lived(Fraction(25))
    assert life.from_json(life.to_json(made)) == made


def test_a_life_follows_where_nothing_that_was_said_of_parts_becomes_wrong():
    first = lived(Fraction(25))
    assert lived(Fraction(25)).follows(first)
    assert lived(Fraction(25), Fraction(1, 5)).follows(first)
    assert not lived(Fraction(24)).follows(first)  # parts of 0.333 s where 0.320 s were announced
    assert not replace(first, audio=None).follows(first)
    assert not lived(Fraction(25), Fraction(5, 2)).follows(first)


@pytest.mark.parametrize(
    ("rate", "keyframes", "expected"),
    [
        (Fraction(25), 50, (10, 5)),
        (Fraction(25), 25, (10, 5)),
        (Fraction(25), 48, (8, 6)),
        (Fraction(30), 30, (10, 6)),
        (Fraction(60), 120, (20, 6)),
        (Fraction(24_000, 1001), 24, (8, 6)),
        (Fraction(25), 10, (10, 5)),
        (Fraction(25), 30, (10, 6)),
        (Fraction(25), 47, None),  # a prime: parts would be a frame or a segment
    ],
)
def test_segments_begin_with_keyframes_wherever_those_are(rate, keyframes, expected):
    assert life.frames_between(Fraction(1, 3), rate, keyframes=keyframes) == expected


def test_a_rendition_is_carried_by_the_nearest_that_is_not_above_it():
    def ladder(*heights):
        rungs = tuple(replace(RUNG, name=f"{height}p", height=height) for height in heights)
        return replace(lived(Fraction(25)), video=rungs)

    lives = [ladder(1080, 720, 360), ladder(720, 360), ladder(480)]
    assert life.carried(lives, "1080p") == ("1080p", "720p", "480p")
    assert life.carried(lives, "480p") == ("360p", "360p", "480p")
    assert life.carried(lives, "360p") == ("360p", "360p", "480p")  # nothing lower is there
    assert life.carried(lives, "audio-0") == ("audio-0",) * 3
    with pytest.raises(KeyError):
        life.carried(lives, "240p")


def test_the_last_segment_of_a_life_ends_with_its_last_part():
    made = lived(Fraction(25))
    ended = Aired(
        life=made,
        reach={
            "360p": Reach(segments=3, end=made.border("360p", 2, 2) + 1000),
            "audio-0": Reach(segments=2, end=made.border("audio-0", 2)),
        },
        over=True,
    )
    assert [ended.whole(name) for name in made.names] == [3, 3]
    assert [ended.parts("360p", segment) for segment in range(4)] == [6, 6, 3, 0]
    assert ended.end("360p", 2) == made.border("360p", 2, 2) + 1000
    assert ended.end("360p", 1) == made.border("360p", 2)
    gap = Fraction(ended.end("audio-0", 2) - made.border("audio-0", 2), 48_000)
    assert abs(gap - Fraction(17, 25)) < Fraction(1, 40)


def test_numbers_of_a_life_that_were_lost_are_gaps_as_long_as_a_segment():
    made = lived(Fraction(25))
    reach = {name: Reach(segments=3, end=made.border(name, 3)) for name in made.names}
    ended = Aired(life=made, reach=reach, over=True, lost=2)
    assert (ended.following, ended.segments) == (7 + 3 + 2, 3)
    assert ended.seconds == 3 * made.segment_seconds
    for name in made.names:
        assert ended.whole(name) == 5
        assert [ended.parts(name, segment) for segment in range(2, 5)] == [6, 0, 0]
        assert [ended.end(name, segment) for segment in (3, 4)] == [
            made.border(name, 4),
            made.border(name, 5),
        ]
    assert not any(ended.has("360p", 3, part) or ended.expects("360p", 3, part) for part in range(6))
