"""Where a clip begins and ends, and what its manifests say."""

from __future__ import annotations

from fractions import Fraction

import m3u8
import pytest
from lxml import etree

from packager import recording
from packager.clipping import cut
from packager.life import Aired, Reach
from tests.unit.broadcasts import CODECS, lived, over
from tests.unit.test_live_dash import GRAMMAR, MPD

PART = Fraction(2, 5)
"""Five of them are a segment of two seconds."""

LIFE = lived(part=PART, first=100)
FIRST = over(LIFE, 5)
SECOND = over(lived(part=PART, first=105, name="l2", heights=(360,)), 3)


def stretches(clip) -> list[tuple[str, int, int]]:
    return [(aired.life.generation, aired.begin, aired.segments) for aired in clip.lives]


@pytest.mark.parametrize(
    ("start", "end", "found", "borders"),
    [
        (0, 10, [("l1", 0, 5)], (0, 10)),
        (0, 100, [("l1", 0, 5), ("l2", 0, 3)], (0, 16)),
        (Fraction("3.9"), Fraction("4.1"), [("l1", 1, 3)], (2, 6)),
        (4, 6, [("l1", 2, 3)], (4, 6)),
        (9, 11, [("l1", 4, 5), ("l2", 0, 1)], (8, 12)),
        (Fraction("12.5"), Fraction("12.6"), [("l2", 1, 2)], (12, 14)),
    ],
)
def test_a_clip_has_the_whole_segments_that_cover_it(start, end, found, borders):
    clip = cut([FIRST, SECOND], Fraction(start), Fraction(end))
    assert stretches(clip) == found
    assert (clip.start, clip.end) == borders
    assert sum(aired.seconds for aired in clip.lives) == clip.end - clip.start


@pytest.mark.parametrize(("start", "end"), [(16, 20), (1000, 1001)])
def test_behind_the_end_there_is_nothing(start, end):
    assert cut([FIRST, SECOND], Fraction(start), Fraction(end)) is None
    assert cut([], Fraction(0), Fraction(1)) is None


def test_on_air_it_has_what_all_renditions_have():
    reach = {
        "720p": Reach(segments=3, parts=1),
        "360p": Reach(segments=3),
        "audio-0": Reach(segments=2, parts=4),
    }
    clip = cut([Aired(life=LIFE, reach=reach)], Fraction(1), Fraction(100))
    assert (stretches(clip), clip.start, clip.end) == ([("l1", 0, 2)], 0, 4)
    assert clip.lives[0].over
    assert {name: one.end for name, one in clip.lives[0].reach.items()} == {
        name: LIFE.border(name, 2) for name in LIFE.names
    }


def test_a_life_that_ended_short_counts_as_long_as_it_was():
    short = over(LIFE, 1, 2)  # a segment of two parts behind a whole one
    clip = cut([short, SECOND], Fraction("2.7"), Fraction("2.9"))
    assert (stretches(clip), clip.start, clip.end) == ([("l1", 1, 2), ("l2", 0, 1)], 2, Fraction("4.8"))


def test_a_clip_can_be_cut_from_a_clip():
    outer = cut([FIRST, SECOND], Fraction(3), Fraction(13))
    inner = cut(outer.lives, Fraction(2), Fraction(9))
    assert stretches(inner) == [("l1", 2, 5), ("l2", 0, 1)]
    assert (inner.start, inner.end) == (2, 10)


def test_playlists_list_it_under_the_numbers_that_it_had():
    made = recording.manifests(cut([FIRST, SECOND], Fraction(5), Fraction(11)).lives, CODECS)
    found = m3u8.loads(made["360p.m3u8"])
    assert [one.uri for one in found.segments] == [
        *(f"l1/360p/{number}.m4s" for number in (2, 3, 4)),
        "l2/360p/0.m4s",
    ]
    assert (found.playlist_type, found.is_endlist, found.media_sequence) == ("vod", True, 102)
    assert sum(one.duration for one in found.segments) == 8
    assert [one.discontinuity for one in found.segments] == [False, False, False, True]


def test_periods_begin_with_its_first_picture():
    clip = cut([FIRST, SECOND], Fraction(5), Fraction(11))
    tree = etree.fromstring(recording.manifests(clip.lives, CODECS)["main.mpd"].encode())
    assert GRAMMAR.validate(tree), GRAMMAR.error_log
    assert tree.get("mediaPresentationDuration") == "PT8S"
    first, second = tree.findall("m:Period", MPD)
    assert [(one.get("start"), one.get("duration")) for one in (first, second)] == [
        ("PT0S", "PT6S"),
        ("PT6S", "PT2S"),
    ]
    for template in first.iterfind(".//m:SegmentTemplate", MPD):
        scale = int(template.get("timescale"))
        assert template.get("startNumber") == "2"
        assert int(template.get("presentationTimeOffset")) == 4 * scale
        begun = int(template.find(".//m:S", MPD).get("t"))
        assert abs(begun - 4 * scale) <= 512
    for template in second.iterfind(".//m:SegmentTemplate", MPD):
        assert (template.get("startNumber"), template.get("presentationTimeOffset")) == ("0", None)


def test_a_whole_broadcast_is_its_own_recording():
    whole = cut([FIRST, SECOND], Fraction(0), Fraction(16))
    assert recording.manifests(whole.lives, CODECS) == recording.manifests([FIRST, SECOND], CODECS)


def test_times_of_a_rate_that_is_no_whole_number_are_exact():
    aired = over(lived(rate=Fraction(30_000, 1001)), 4)
    clip = cut([aired], Fraction("2.01"), Fraction("2.02"))
    assert (clip.start, clip.end) == (Fraction(60 * 1001, 30_000), Fraction(120 * 1001, 30_000))
