"""The MPD: its form, that it says what the HLS playlists say, and that user text stays text."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from packager import dash, hls
from packager.model import Presentation
from tests.unit.presentations import (
    CASES,
    GENERATION,
    HOSTILE,
    arriving,
    audio,
    complete,
    film,
    hostile,
    silent,
    sound,
    text,
)

GOLDEN = Path(__file__).parent.parent / "golden"
GRAMMAR = etree.RelaxNG(etree.parse(GOLDEN / "schema" / "mpd.rng"))
MPD = {"m": "urn:mpeg:dash:schema:mpd:2011"}


def parsed(presentation: Presentation) -> etree._Element:
    root = etree.fromstring(dash.mpd(presentation).encode())
    GRAMMAR.assertValid(root)
    return root


def sets(root: etree._Element, kind: str) -> list[etree._Element]:
    return root.xpath(f"//m:AdaptationSet[@contentType='{kind}']", namespaces=MPD)


def attribute(element: etree._Element, path: str) -> list[str]:
    return [str(found) for found in element.xpath(path, namespaces=MPD)]


def unfolded(representation: etree._Element) -> tuple[list[int], int]:
    """Return the borders and the timescale of a Representation, its own template before the set's."""
    template = representation.xpath("(m:SegmentTemplate|../m:SegmentTemplate)[last()]", namespaces=MPD)[0]
    borders: list[int] = []
    for element in template.iterfind(".//m:S", MPD):
        borders = borders or [int(element.get("t"))]
        for _ in range(1 + int(element.get("r", "0"))):
            borders.append(borders[-1] + int(element.get("d")))
    return borders, int(template.get("timescale"))


@pytest.mark.parametrize("case", CASES)
def test_the_mpd_is_the_golden_one(case):
    """Compare with tests/golden/manifests; REGENERATE_GOLDEN=1 writes it anew."""
    file = GOLDEN / "manifests" / case / "main.mpd"
    body = dash.mpd(CASES[case]())
    if os.environ.get("REGENERATE_GOLDEN") == "1":
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(body, encoding="utf-8", newline="")
    assert body == file.read_text(encoding="utf-8"), f"{file}: run with REGENERATE_GOLDEN=1 if this is meant"


@pytest.mark.parametrize("case", CASES)
def test_the_mpd_has_the_form_of_the_standard(case):
    root = parsed(CASES[case]())
    numbers = attribute(root, "//m:AdaptationSet/@id")
    assert len(set(numbers)) == len(numbers)
    names = attribute(root, "//m:Representation/@id")
    assert len(set(names)) == len(names)


def test_the_grammar_notices_what_is_wrong():
    good = dash.mpd(film())
    wrong = [
        good.replace(' minBufferTime="PT4S"', ""),
        good.replace('<S t="0" d="96000"', '<S t="0" d="0"'),
        good.replace('lang="de"', 'lang="de de"'),
        re.sub(r"(<Label>.*</Label>)\n(<Role .*/>)", r"\2\n\1", good),
        good.replace('bandwidth="500"', ""),
    ]
    assert all(body != good and not GRAMMAR.validate(etree.fromstring(body.encode())) for body in wrong)


def test_video_is_one_set_with_the_top_rungs_shape():
    (main, trick) = sets(parsed(film()), "video")
    assert (main.get("maxWidth"), main.get("maxHeight"), main.get("par")) == ("1920", "1080", "16:9")
    assert attribute(main, "m:Representation/@id") == ["1080p", "720p", "360p"]
    assert attribute(main, "m:SegmentTemplate/@media") == [f"{GENERATION}/$RepresentationID$/$Number$.m4s"]
    assert attribute(trick, "m:EssentialProperty/@value") == [main.get("id")]


def test_rungs_of_unlike_timescales_have_timelines_of_their_own():
    presentation = complete()
    (main,) = sets(parsed(presentation), "video")
    assert not main.findall("m:SegmentTemplate", MPD)
    for element, rung in zip(main.findall("m:Representation", MPD), presentation.video, strict=True):
        assert unfolded(element) == (list(rung.borders), rung.timescale)


def test_each_audio_layout_is_a_set_with_its_tracks_name_and_role():
    found = [
        (
            element.get("lang"),
            *attribute(element, "m:AudioChannelConfiguration/@value | m:Role/@value"),
            element.findtext("m:Label", namespaces=MPD),
            element.get("selectionPriority"),
        )
        for element in sets(parsed(film()), "audio")
    ]
    assert found == [
        ("en", "2", "main", "Original", "2"),
        ("en", "6", "main", "Original", "1"),
        ("de", "2", "alternate", "Deutsch", "1"),
    ]


def test_text_is_one_file_and_tells_what_is_forced():
    found = [
        (element.findtext(".//m:BaseURL", namespaces=MPD), attribute(element, "m:Role/@value"))
        for element in sets(parsed(film()), "text")
    ]
    assert found == [
        (f"{GENERATION}/text-1/0.vtt", ["main", "subtitle"]),
        (f"{GENERATION}/text-2/0.vtt", ["forced-subtitle"]),
        (f"{GENERATION}/text-3/0.vtt", ["subtitle"]),
    ]


def test_storyboard_is_an_image_set_of_tiles():
    presentation = film()
    slow = replace(presentation, storyboard=replace(presentation.storyboard, interval=Fraction(5, 2)))
    (images,) = sets(parsed(slow), "image")
    template = images.find("m:SegmentTemplate", MPD)
    assert Fraction(int(template.get("duration")), int(template.get("timescale"))) == Fraction(125, 2)
    assert template.get("media") == f"{GENERATION}/storyboard/$Number$.jpg"
    assert attribute(images, ".//m:EssentialProperty/@value") == ["5x5"]
    assert attribute(images, "m:Representation/@width | m:Representation/@height") == ["1600", "900"]


def test_sound_alone_and_picture_alone_are_whole():
    assert not sets(parsed(sound()), "video")
    assert not sets(parsed(silent()), "audio")
    assert attribute(parsed(silent()), "//@par") == ["9:16"]


def test_the_duration_never_cuts_the_last_frame():
    for duration, said in {
        Fraction(1, 3): "PT0.333334S",
        Fraction(90): "PT90S",
        Fraction(5, 2): "PT2.5S",
    }.items():
        root = parsed(replace(silent(), duration=duration))
        assert root.get("mediaPresentationDuration") == said


def test_names_are_those_of_the_hls_playlist():
    for case in (film(), hostile()):
        body = hls.multivariant(case)
        labels = [element.text for element in parsed(case).iterfind(".//m:Label", MPD)]
        assert set(labels) == set(re.findall(r'NAME="([^"]*)"', body))


def test_hostile_text_is_no_markup():
    presentation = replace(film(), audio=(audio("audio-1", title=HOSTILE, language='"><x>'),), text=())
    root = parsed(presentation)
    assert "<script>" in root.findtext(".//m:Label", namespaces=MPD)
    assert "<script" not in dash.mpd(presentation)
    assert attribute(root, "//m:AdaptationSet[@contentType='audio']/@lang") == ["und"]


@given(
    st.lists(st.integers(1, 5) | st.integers(1, 10**7), min_size=1, max_size=60),
    st.sampled_from([1, 1000, 24_000, 44_100, 90_000]),
    st.integers(0, 10**6),
    st.text(max_size=30),
    st.text(max_size=12),
)
def test_any_borders_and_titles_come_back(lengths, scale, start, title, language):
    borders = [start + sum(lengths[:n]) for n in range(len(lengths) + 1)]
    track = audio("audio-1", borders=tuple(borders), timescale=scale, title=title, language=language)
    presentation = replace(film(), audio=(track,), text=(text("text-1", title=title, language=language),))
    (element,) = sets(parsed(presentation), "audio")
    representation = element.find("m:Representation", MPD)
    assert unfolded(representation) == (borders, scale)
    lines = re.findall(r"#EXTINF:([0-9.]+),", hls.media(track, presentation))
    exact = [Fraction(end - begin, scale) for begin, end in pairwise(borders)]
    assert all(abs(Fraction(a) - b) <= Fraction(1, 10**6) for a, b in zip(lines, exact, strict=True))


def test_a_presentation_that_grows_changes_nothing_but_its_timelines_and_times():
    shorter, longer, ended = arriving(), replace(film(), ended=False), film()
    first, second, last = (parsed(each) for each in (shorter, longer, ended))
    assert first.get("availabilityStartTime") == second.get("availabilityStartTime")
    assert first.get("publishTime") < second.get("publishTime")
    assert (first.get("type"), last.get("type")) == ("dynamic", "static")
    before, after = (
        {each.get("id"): each.getparent().get("id") for each in root.iterfind(".//m:Representation", MPD)}
        for root in (first, last)
    )
    assert before.items() <= after.items()
    (before, *_), (after, *_) = sets(first, "video"), sets(second, "video")
    known, _ = unfolded(before.find("m:Representation", MPD))
    assert unfolded(after.find("m:Representation", MPD))[0][: len(known)] == known
