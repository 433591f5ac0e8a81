"""The MPD of a broadcast: its form, when it says that segments are there, and how lives follow each other."""

from __future__ import annotations

import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from lxml import etree

from packager import live_dash
from packager.life import Aired
from packager.marker import Marker
from tests.unit.broadcasts import CASES as LIVE
from tests.unit.broadcasts import CODECS, STARTED, aired, fallen, lived, markers, over, restarted, succession
from tests.unit.marked import marker

GOLDEN = Path(__file__).parent.parent / "golden"
GRAMMAR = etree.RelaxNG(etree.parse(GOLDEN / "schema" / "mpd.rng"))
MPD = {"m": "urn:mpeg:dash:schema:mpd:2011"}
CASES = {
    "first-part": lambda: ((aired(lived(), 0, 1),), False),
    "successor": lambda: (succession(), False),
    "fallen": lambda: (fallen(), False),
    "killed": lambda: (restarted()[:1], False),
    "restarted": lambda: (restarted(), False),
    "recording": lambda: ((succession()[0], over(succession()[1].life, 2, 1)), True),
    "marked": lambda: (LIVE["marked"]().lives, False),
    "marked-recording": lambda: (LIVE["marked-recording"]().lives, True),
}


def parsed(
    lives: tuple[Aired, ...],
    *,
    ended: bool = False,
    window: int | None = 7200,
    markers: tuple[Marker, ...] = (),
) -> etree._Element:
    body = live_dash.mpd(lives, CODECS, ended=ended, window=window, markers=markers)
    root = etree.fromstring(body.encode())
    GRAMMAR.assertValid(root)
    return root


def said(root: etree._Element, path: str) -> list[str]:
    return [str(found) for found in root.xpath(path, namespaces=MPD)]


@pytest.mark.parametrize("case", CASES)
def test_the_mpd_is_the_golden_one(case):
    """Compare with tests/golden/live; REGENERATE_GOLDEN=1 writes it anew."""
    lives, ended = CASES[case]()
    told = LIVE[case]().markers
    parsed(lives, ended=ended, markers=told)
    file = GOLDEN / "live" / case / "main.mpd"
    body = live_dash.mpd(lives, CODECS, ended=ended, window=7200, markers=told)
    if os.environ.get("REGENERATE_GOLDEN") == "1":
        file.write_text(body, encoding="utf-8", newline="")
    assert body == file.read_text(encoding="utf-8"), f"{file}: run with REGENERATE_GOLDEN=1 if this is meant"


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30_000, 1001), Fraction(24), Fraction(60)], ids=str)
def test_every_segment_is_said_to_be_there_when_its_first_part_is(rate):
    life = lived(rate=rate)
    root = parsed((aired(life, 3),))
    for template in root.iterfind(".//m:SegmentTemplate", MPD):
        length = Fraction(int(template.get("duration")), int(template.get("timescale")))
        offset = Fraction(template.get("availabilityTimeOffset"))
        assert length == life.segment_seconds
        assert 0 <= length - offset - life.part_seconds < Fraction(1, 1_000_000)
        for name in life.names:
            # The standard allows half a segment; players look for one by its nominal time.
            for number in (1, 100, 5000):
                border = Fraction(life.border(name, number), life.scale(name))
                assert abs(border - number * length) < Fraction(12, 1000)


def test_on_air_it_only_changes_with_the_lives():
    life = lived()
    texts = {live_dash.mpd((aired(life, segments, 2),), CODECS, window=60) for segments in range(200)}
    assert len(texts) == 1


def test_a_life_that_is_over_has_an_end_before_the_next_begins():
    root = parsed(succession())
    assert said(root, "//m:Period/@id") == ["l1", "l2"]
    assert said(root, "//m:Period/@start") == ["PT0S", "PT14.5S"]
    assert said(root, "//m:Period/@duration") == ["PT8.32S"]
    assert said(root, "//m:Period[2]//m:Representation/@id") == ["360p", "audio-0"]


def test_nobody_is_sent_for_what_one_rendition_lacks():
    assert said(parsed(fallen()), "//m:Period[1]/@duration") == ["PT5.76S"]


def test_what_is_older_than_the_window_is_not_listed():
    first, second = succession()
    assert live_dash.first_listed((first, aired(second.life, 3)), window=20) == 0
    later = (first, aired(second.life, 30))
    assert said(parsed(later, window=20), "//m:Period/@id") == ["l2"]
    assert said(parsed(later, window=20), "//m:MPD/@timeShiftBufferDepth") == ["PT20S"]
    assert said(parsed(later, window=None), "//m:Period/@id") == ["l1", "l2"]
    assert not said(parsed(later, window=None), "//m:MPD/@timeShiftBufferDepth")
    # A start that moved would move all that was said before.
    assert said(parsed(later, window=20), "//m:MPD/@availabilityStartTime") == ["2026-11-28T12:00:00.250Z"]


def test_the_clock_of_the_parts_is_told_with_the_latency_it_is_measured_by():
    root = parsed((aired(replace(lived(), started=STARTED), 1),))
    assert set(said(root, "//m:ProducerReferenceTime/@wallClockTime")) == {"2026-11-28T12:00:00.250Z"}
    assert said(root, "//m:Latency/@target") == ["960"]  # three parts
    assert said(root, "//m:MPD/m:UTCTiming/@value") == ["/time"]


def test_a_recording_has_no_time_between_its_lives():
    lives, ended = CASES["recording"]()
    root = parsed(lives, ended=ended)
    assert said(root, "//m:Period/@start") == ["PT0S", "PT8.32S"]
    assert said(root, "/m:MPD/@mediaPresentationDuration") == ["PT12.48S"]
    assert len(root.xpath("//m:SegmentTimeline", namespaces=MPD)) == 4
    assert not said(root, "//m:UTCTiming/@value")


EVENT = "//m:EventStream[@schemeIdUri='urn:streamer:marker:2026']/m:Event"


def test_on_air_it_lists_the_markers_that_no_segment_tells_of():
    root = parsed(succession(), markers=markers())
    assert said(root, f"//m:Period[1]{EVENT[1:]}/@presentationTime") == ["1000"]  # ticks of 25,000
    assert said(root, f"//m:Period[2]{EVENT[1:]}/@presentationTime") == ["12500"]
    assert said(root, f"{EVENT}/@id") == ["1", "3"]
    assert said(root, "//m:EventStream[@schemeIdUri='urn:scte:scte35:2014:xml+bin']/m:Event/@id") == ["3"]
    sets = root.xpath("//m:AdaptationSet", namespaces=MPD)
    assert {len(one.findall("m:InbandEventStream", MPD)) for one in sets} == {2}


def test_a_marker_that_segments_tell_of_does_not_change_it():
    life = lived()
    here = marker(Fraction(STARTED, 1000) + 3)
    texts = {live_dash.mpd((aired(life, 3),), CODECS, markers=told) for told in ((), (here,))}
    assert len(texts) == 1


def test_another_marker_makes_it_a_later_one():
    past = replace(marker(Fraction(STARTED, 1000)), inband=False, created=STARTED + 60_000)
    root = parsed((aired(lived(), 3),), markers=(past,))
    assert said(root, "/m:MPD/@publishTime") == ["2026-11-28T12:01:00.250Z"]
