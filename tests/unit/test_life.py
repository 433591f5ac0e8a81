"""Where the parts of a live encoder's life begin and end."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest

from packager import life
from packager.life import Life
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
def test_no_part_is_longer_than_its_target_and_none_much_shorter(rate, part):
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


def test_a_life_survives_being_written_down():
    made = lived(Fraction(25))
    assert life.from_json(life.to_json(made)) == made
