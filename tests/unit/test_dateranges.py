"""EXT-X-DATERANGE: what of a marker playlists say, and which of them they list."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from urllib.parse import unquote

from packager.dateranges import DateRanges, line
from packager.life import Aired
from packager.live_hls import MediaPlaylist
from tests.unit.broadcasts import STARTED, aired, lived, succession
from tests.unit.marked import SECTION, marker, spliced

BEGUN = Fraction(STARTED, 1000)


def ids(text: str) -> list[int]:
    return [int(one) for one in re.findall(r'DATERANGE:ID="marker(\d+)"', text)]


def test_a_line_has_the_moment_to_the_millisecond_and_all_that_is_told():
    text = line(spliced(BEGUN + Fraction(1, 3)))
    assert 'START-DATE="2026-11-28T12:00:00.583Z",DURATION=1.500,' in text
    assert text.endswith(f",SCTE35-OUT=0x{SECTION.hex().upper()}\n")
    data = re.search(r'X-DATA="([^"]*)"', text)[1]
    assert json.loads(unquote(data)) == {"title": 'A "quote", <b> & a comma', "ü": [1, None]}


def test_what_a_marker_does_not_have_is_not_said():
    assert line(marker(BEGUN)) == (
        '#EXT-X-DATERANGE:ID="marker000007",CLASS="score",START-DATE="2026-11-28T12:00:00.250Z"\n'
    )


def test_markers_are_listed_in_the_order_of_their_moments():
    ranges = DateRanges([marker(Fraction(at), number=at) for at in (3, 1, 2)])
    assert ids(ranges.between(Fraction(0))) == [1, 2, 3]
    assert ids(ranges.between(Fraction(2), Fraction(3))) == [2]


def test_a_playlist_lists_the_markers_from_its_window_on_and_those_ahead():
    ranges = DateRanges([marker(BEGUN + at, number=at) for at in (0, 40, 60, 90, 999)])
    made = MediaPlaylist("360p", window=30)
    text = made.render((aired(lived(), 40, 2),), ranges=ranges)
    assert ids(text) == [60, 90, 999]  # the window is from 46.08 s to 76.8 s
    assert ids(made.render((aired(lived(), 41, 2),), ranges=DateRanges())) == []


def test_a_delta_lists_them_all():
    ranges = DateRanges([marker(BEGUN + at, number=at) for at in range(20)])
    text = MediaPlaylist("360p", window=7200).render((aired(lived(), 12, 3),), ranges=ranges, skip=True)
    assert "SKIPPED-SEGMENTS" in text
    assert ids(text) == list(range(20))


def test_a_recording_lists_nothing_behind_its_end():
    first, second = succession()
    ended = (first, Aired(life=second.life, reach=second.reach, over=True))
    moments = [BEGUN + 1, BEGUN + 10, BEGUN + 15, BEGUN + 500]
    ranges = DateRanges([marker(at, number=n) for n, at in enumerate(moments)])
    assert ids(MediaPlaylist("360p").render(ended, ended=True, ranges=ranges)) == [0, 1, 2]
