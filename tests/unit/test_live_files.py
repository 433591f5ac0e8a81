"""The manifests of a broadcast for players that only get whole files: what they list and do not say."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import m3u8
import pytest
from lxml import etree

from packager.life import Aired, Reach
from packager.live_files import FileManifests
from tests.unit.broadcasts import CODECS, STARTED, aired, lived, markers, over, restarted, succession
from tests.unit.test_live_dash import GRAMMAR, MPD, said

NOW = STARTED + 30_000


def nothing(*_named) -> bool:
    return False


def made(lives, *, window=7200, gap=nothing, **options) -> tuple[dict[str, str], etree._Element | None]:
    told = FileManifests(window=window, gap=gap).render(lives, CODECS, now=NOW, **options)
    root = etree.fromstring(told["main.mpd"].encode()) if "main.mpd" in told else None
    if root is not None:
        GRAMMAR.assertValid(root)
    return told, root


def numbers(root: etree._Element, name: str = "audio-0") -> list[tuple[int, int]]:
    """Return (number of the first, how many) segments of each Period."""
    found = []
    for one in root.xpath(f"//m:Representation[@id='{name}']", namespaces=MPD):
        (template,) = (one if len(one) else one.getparent()).xpath("m:SegmentTemplate", namespaces=MPD)
        listed = template.xpath(".//m:S", namespaces=MPD)
        found.append((int(template.get("startNumber")), sum(1 + int(each.get("r", 0)) for each in listed)))
    return found


def test_nothing_is_promised_that_only_a_server_can_do():
    told, root = made([aired(lived(), 6, 2)])
    assert list(told)[-1] == "main.m3u8"
    for key in ("720p.m3u8", "360p.m3u8", "audio-0.m3u8"):
        assert not any(tag in told[key] for tag in ("SERVER-CONTROL", "PART", "HINT", "REPORT", "SKIP"))
        listed = m3u8.loads(told[key])
        assert (len(listed.segments), listed.target_duration, listed.is_endlist) == (6, 2, False)
        assert all(one.current_program_date_time for one in listed.segments)
    assert "availabilityTimeOffset" not in told["main.mpd"]
    assert "http" not in "".join(said(root, "//m:UTCTiming/@value"))
    assert said(root, "//m:UTCTiming/@schemeIdUri") == ["urn:mpeg:dash:utc:direct:2014"]
    assert said(root, "/m:MPD/@suggestedPresentationDelay") == ["PT8S"]
    assert numbers(root) == [(0, 6)]


def test_the_window_moves_on_and_the_start_of_all_times_stays():
    _, before = made([aired(lived(), 6)], window=30)
    told, after = made([aired(lived(), 40)], window=30)
    assert m3u8.loads(told["720p.m3u8"]).media_sequence == 24
    assert numbers(after) == [(24, 16)]
    attribute = "/m:MPD/@availabilityStartTime"
    assert said(before, attribute) == said(after, attribute)
    first = said(after, "//m:AdaptationSet[1]//m:S/@t")
    assert first == [str(24 * lived().segment_frames * lived().frame_ticks)]


def test_a_rendition_that_lags_behind_is_listed_as_far_as_it_has_come():
    life = lived()
    reach = {**aired(life, 6).reach, "720p": Reach(segments=4)}
    told, root = made([Aired(life=life, reach=reach)])
    assert [len(m3u8.loads(told[f"{name}.m3u8"]).segments) for name in ("720p", "audio-0")] == [4, 6]
    assert (numbers(root, "720p"), numbers(root)) == ([(0, 4)], [(0, 6)])


def test_a_gap_is_one_in_playlists_and_the_mpd_begins_behind_it():
    told, root = made([aired(lived(), 6)], gap=lambda generation, name, number: number in {1, 2})
    assert [one.gap_tag for one in m3u8.loads(told["360p.m3u8"]).segments] == [None, True, True, *[None] * 3]
    assert numbers(root) == [(3, 3)]
    told, root = made([aired(lived(), 3)], gap=lambda *named: named[2] == 2)
    assert root is None


@pytest.mark.parametrize("lives", [succession(), restarted()], ids=["succession", "restarted"])
def test_another_life_is_a_discontinuity_and_a_period_at_its_own_time(lives):
    told, root = made(lives)
    listed = m3u8.loads(told["360p.m3u8"])
    assert [one.discontinuity for one in listed.segments].count(True) == 1
    assert said(root, "//m:Period/@start") == ["PT0S", "PT14.5S"]
    first, second = numbers(root)
    assert (first[0], second) == (0, (0, lives[1].segments))


def test_markers_are_told_of():
    told, root = made(succession(), markers=markers())
    assert told["360p.m3u8"].count("#EXT-X-DATERANGE") == 4
    assert len(said(root, "//m:Event/@id")) >= 2
    assert said(root, "//m:InbandEventStream/@schemeIdUri")


def test_the_end_is_an_end_in_both():
    lives = [succession()[0], over(succession()[1].life, 2, 1)]
    told, root = made(lives, window=8, ended=True)
    assert m3u8.loads(told["360p.m3u8"]).is_endlist
    assert said(root, "/m:MPD/@type") == ["static"]
    begin = replace(lives[1], begin=0)
    assert begin.seconds >= Fraction(4)
