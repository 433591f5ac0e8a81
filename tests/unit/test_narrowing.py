"""Rungs left out of manifests as they are rendered."""

from __future__ import annotations

import m3u8
from lxml import etree

from cdn.grants import Grant
from packager import dash, hls, live_dash, narrowing
from tests import lives
from tests.unit import presentations

NS = {"mpd": "urn:mpeg:dash:schema:mpd:2011"}


def granted(**limits):
    return Grant(subject="a", expires=1, **limits).rendition


def representations(text: str) -> list[str]:
    return etree.fromstring(text.encode()).xpath("//mpd:Representation/@id", namespaces=NS)


def test_a_playlist_loses_the_rungs_that_are_not_granted():
    text = hls.multivariant(presentations.film())
    found = m3u8.loads(narrowing.multivariant(text, granted(max_height=720)))
    assert {one.uri for one in found.playlists} == {"720p.m3u8", "360p.m3u8"}
    whole = m3u8.loads(text)
    assert [one.uri for one in found.media] == [one.uri for one in whole.media]
    assert [one.uri for one in found.iframe_playlists] == ["intra.m3u8"]
    kept = [line for line in text.splitlines() if "1080" not in line]
    assert narrowing.multivariant(text, granted(max_height=720)).splitlines() == kept


def test_an_mpd_loses_them_too_and_the_sets_that_become_empty():
    text = dash.mpd(presentations.film())
    everything = representations(text)
    assert representations(narrowing.mpd(text, granted(rungs=("360p",)))) == [
        name for name in everything if name not in {"1080p", "720p"}
    ]
    none = narrowing.mpd(text, granted(rungs=("240p",)))
    assert representations(none) == [name for name in everything if not name.endswith("0p")]
    assert (
        len(
            etree.fromstring(none.encode()).xpath(
                "//mpd:AdaptationSet[not(mpd:Representation)]", namespaces=NS
            )
        )
        == 0
    )


def test_all_periods_of_a_broadcast_are_narrowed():
    lived = [lives.over(lives.life("l1"), 3), lives.over(lives.life("l2", first=10), 3)]
    codecs = {name: "avc1.64001f" for aired in lived for name in aired.life.names}
    text = live_dash.mpd(lived, codecs, window=None, ended=True)
    assert representations(text) == ["360p", "180p", "audio-0"] * 2
    assert representations(narrowing.mpd(text, granted(max_height=180))) == ["180p", "audio-0"] * 2


def test_what_is_wholly_granted_stays_as_it_is():
    for make, narrow in ((hls.multivariant, narrowing.multivariant), (dash.mpd, narrowing.mpd)):
        for presentation in (presentations.film(), presentations.complete(), presentations.hostile()):
            text = make(presentation)
            assert narrow(text, granted()) == text
