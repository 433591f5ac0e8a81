"""What of a broadcast is in a bucket: what goes there next, what may be named, and what is given up."""

from __future__ import annotations

from dataclasses import replace

from cdn.arrivals import Arrivals
from packager.life import Aired, Reach
from tests.unit.broadcasts import aired, fallen, lived, over, restarted

NAMES = ("720p", "360p", "audio-0")


def inits(life: str = "l1") -> list[str]:
    return [f"{life}/{name}/init.mp4" for name in NAMES]


def row(number: int, life: str = "l1") -> list[str]:
    return [f"{life}/{name}/{number}.m4s" for name in NAMES]


def reach(shown: list[Aired]) -> list[tuple[str, int, list[int]]]:
    return [(one.life.generation, one.begin, [each.segments for each in one.reach.values()]) for one in shown]


def all_of(arrivals: Arrivals, lives) -> None:
    for key in arrivals.wanted(lives):
        arrivals.arrived(key)


def test_inits_go_first_and_then_all_renditions_of_the_oldest_segment():
    arrivals = Arrivals(window=None)
    assert arrivals.wanted([]) == []
    assert arrivals.wanted([aired(lived(), 2, 1)]) == [*inits(), *row(0), *row(1)]


def test_only_what_is_there_without_a_hole_is_shown():
    arrivals, lives = Arrivals(window=None), [aired(lived(), 3)]
    arrivals.wanted(lives)
    for key in (*row(0), *row(1)[:2], *row(2)):
        arrivals.arrived(key)
    assert arrivals.shown(lives) == []  # nobody could play it without its inits
    for key in inits():
        arrivals.arrived(key)
    assert reach(arrivals.shown(lives)) == [("l1", 0, [3, 3, 1])]
    assert arrivals.wanted(lives) == row(1)[2:]
    arrivals.arrived(row(1)[2])
    assert reach(arrivals.shown(lives)) == [("l1", 0, [3, 3, 3])]
    assert (arrivals.wanted(lives), arrivals.waiting(lives)) == ([], 0)


def test_the_next_life_is_shown_once_all_of_the_one_before_is_there():
    arrivals, lives = Arrivals(window=None), restarted(segments=1, parts=0)
    assert arrivals.wanted(lives) == [
        *inits(),
        *inits("l2"),
        *(key for number in range(4) for key in row(number)),
        *row(0, "l2"),
    ]
    for key in [one for one in arrivals.wanted(lives) if one != "l1/audio-0/3.m4s"]:
        arrivals.arrived(key)
    assert reach(arrivals.shown(lives)) == [("l1", 0, [4, 4, 3])]
    assert not arrivals.shown(lives)[0].over
    arrivals.arrived("l1/audio-0/3.m4s")
    shown = arrivals.shown(lives)
    assert reach(shown) == [("l1", 0, [4, 4, 4]), ("l2", 0, [1, 1, 1])]
    assert (shown[0].over, shown[0].lost) == (True, 2)


def test_what_is_too_far_behind_is_a_gap_and_one_begins_behind_it_where_nothing_came_before():
    life = lived()
    late = Arrivals(window=600, behind=20)
    lives = [aired(life, 100)]
    wanted = late.wanted(lives)
    assert wanted[:6] == [*row(90), *row(91)][:6] or wanted[3:6] == row(90)
    all_of(late, lives)
    assert reach(late.shown(lives)) == [("l1", 90, [100, 100, 100])]
    lives = [aired(life, 140)]
    all_of(late, lives)
    assert reach(late.shown(lives)) == [("l1", 90, [140, 140, 140])]
    assert [number for number in range(90, 140) if late.gap("l1", "720p", number)] == list(range(100, 130))


def test_a_life_of_which_nothing_came_in_time_is_all_gaps_so_that_numbers_go_on():
    arrivals = Arrivals(window=None, behind=20)
    first, second, third = over(lived(), 3), over(lived(name="l2", first=3), 3), lived(name="l3", first=6)
    all_of(arrivals, [first])
    lives = [first, second, aired(third, 30)]
    all_of(arrivals, lives)
    shown = arrivals.shown(lives)
    assert reach(shown) == [("l1", 0, [3, 3, 3]), ("l2", 0, [3, 3, 3]), ("l3", 0, [30, 30, 30])]
    assert all(arrivals.gap("l2", name, 1) for name in NAMES)
    assert not arrivals.gap("l3", "720p", 29)


def test_one_goes_on_from_what_was_found():
    there = [*inits(), *row(94), *row(95), *row(96), "main.m3u8"]
    arrivals, lives = Arrivals(there=there, window=20), [aired(lived(), 100)]
    assert arrivals.wanted(lives) == [
        *row(89),
        *row(90),
        *row(91),
        *row(92),
        *row(93),
        *row(97),
        *row(98),
        *row(99),
    ]
    all_of(arrivals, lives)
    assert reach(arrivals.shown(lives)) == [("l1", 89, [100, 100, 100])]


def test_what_nobody_has_any_more_is_a_gap():
    arrivals, lives = Arrivals(window=None), [aired(lived(), 2)]
    all_of(arrivals, lives)
    lives = [aired(lived(), 3)]
    arrivals.wanted(lives)
    for key in row(2):
        arrivals.lost(key)
    assert arrivals.wanted(lives) == []
    assert reach(arrivals.shown(lives)) == [("l1", 0, [3, 3, 3])]
    assert arrivals.gap("l1", "360p", 2)


def test_the_end_of_a_short_last_segment_is_kept():
    arrivals, lives = Arrivals(window=None), fallen()
    all_of(arrivals, lives)
    shown = arrivals.shown(lives)
    assert shown[0] == lives[0]
    short = replace(lives[0], over=False)
    again = Arrivals(window=None)
    all_of(again, [short])
    assert again.shown([short])[0].reach["audio-0"] == Reach(segments=3, end=lives[0].reach["audio-0"].end)


def test_how_late_it_is_is_told_in_seconds():
    arrivals, lives = Arrivals(window=None, behind=60), [aired(lived(), 10)]
    arrivals.wanted(lives)
    assert arrivals.waiting(lives) == 19
    for number in range(5):
        for key in row(number):
            arrivals.arrived(key)
    arrivals.wanted(lives)
    assert arrivals.waiting(lives) == 9
