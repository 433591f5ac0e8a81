"""Which pictures of a broadcast stand in its storyboard, and which rung is its poster's."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from packager import live_thumbs
from packager.life import Aired, Reach
from tests import lives


def test_there_is_a_tile_for_each_segment_and_times_go_on_over_lives():
    first, second = lives.life("l1"), lives.life("l2", first=3)
    shown = live_thumbs.tiles([lives.over(first, 3), replace(lives.over(second, 3), begin=1)])
    assert [(tile.aired.life.generation, tile.number) for tile in shown] == [
        ("l1", 0),
        ("l1", 1),
        ("l1", 2),
        ("l2", 1),
        ("l2", 2),
    ]
    assert [tile.begin for tile in shown] == [Fraction(2 * number) for number in range(5)]


@pytest.mark.parametrize(("segments", "tiles", "step"), [(1000, 1000, 1), (1001, 501, 2), (43_200, 982, 44)])
def test_a_long_recording_has_them_further_apart(segments, tiles, step):
    shown = live_thumbs.tiles([lives.over(lives.life(), segments)])
    assert len(shown) == tiles
    assert [tile.number for tile in shown] == list(range(0, segments, step))


def test_nothing_has_no_tiles():
    assert live_thumbs.tiles([]) == []
    assert live_thumbs.tiles([Aired(life=lives.life(), reach={"360p": Reach()}, over=True, begin=0)]) == []


@pytest.mark.parametrize(
    ("heights", "taken"), [((1080, 720, 360), "720p"), ((360, 180), "360p"), ((2160, 1440), "1440p")]
)
def test_a_poster_is_taken_of_the_largest_rung_that_fits_a_page(heights, taken):
    assert live_thumbs.poster_rung(lives.life(heights=heights)).name == taken
