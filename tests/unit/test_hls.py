"""HLS playlists: what they say, that they parse back to the same, and that user text cannot break out."""

from __future__ import annotations

import os
import re
import time
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import m3u8
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packager import hls, manifests
from packager.model import Kind, Presentation, Rendition
from tests.unit.presentations import (
    CASES,
    HOSTILE,
    arriving,
    audio,
    complete,
    film,
    radio,
    silent,
    sound,
    text,
    video,
)

GOLDEN = Path(__file__).parent.parent / "golden" / "manifests"
BORDERS = st.lists(st.integers(1, 10**7), min_size=1, max_size=40)
SCALES = st.sampled_from([1, 1000, 24_000, 30_000, 44_100, 48_000, 60_000, 90_000, 10_000_019])


def everything(presentation: Presentation) -> dict[str, str]:
    tracks = [*presentation.video, *presentation.audio, *presentation.text]
    tracks += [presentation.intra] if presentation.intra else []
    files = {f"{track.name}.m3u8": hls.playlist(track, presentation) for track in tracks}
    return files | {"main.m3u8": hls.multivariant(presentation)}


def extinf(playlist: str) -> list[Fraction]:
    return [Fraction(found) for found in re.findall(r"^#EXTINF:([0-9]+\.[0-9]{6}),$", playlist, re.MULTILINE)]


def target(playlist: str) -> int:
    return int(re.findall(r"^#EXT-X-TARGETDURATION:([0-9]+)$", playlist, re.MULTILINE)[0])


def cumulated(lengths: list[int]) -> tuple[int, ...]:
    return tuple(sum(lengths[:n]) for n in range(len(lengths) + 1))


@pytest.mark.parametrize("case", CASES)
def test_playlists_are_the_golden_ones(case):
    """Compare with tests/golden/manifests; REGENERATE_GOLDEN=1 writes them anew."""
    for name, body in everything(CASES[case]()).items():
        file = GOLDEN / case / name
        if os.environ.get("REGENERATE_GOLDEN") == "1":
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(body, encoding="utf-8", newline="")
        assert body == file.read_text(encoding="utf-8"), (
            f"{file}: run with REGENERATE_GOLDEN=1 if this is meant"
        )


@pytest.mark.parametrize("case", CASES)
def test_every_variant_says_all_that_players_choose_by(case):
    presentation = CASES[case]()
    parsed = m3u8.loads(hls.multivariant(presentation))
    assert parsed.is_variant
    assert parsed.is_independent_segments
    for variant in parsed.playlists:
        info = variant.stream_info
        assert info.closed_captions == "NONE"
        assert info.codecs
        assert bool(info.resolution) is bool(presentation.video)
        assert bool(info.audio) is (
            len(presentation.audio) > 1 or bool(presentation.audio and presentation.video)
        )
        assert bool(info.subtitles) is bool(presentation.text)


def test_all_rungs_are_listed_for_stereo_and_then_again_for_surround():
    parsed = m3u8.loads(hls.multivariant(film()))
    listed = [(variant.uri, variant.stream_info.audio) for variant in parsed.playlists]
    rungs = ["1080p.m3u8", "720p.m3u8", "360p.m3u8"]
    assert listed == [(rung, group) for group in ("stereo", "surround") for rung in rungs]


def test_both_audio_groups_have_the_same_members_and_one_default():
    parsed = m3u8.loads(hls.multivariant(film()))
    members = {
        group: [(item.name, item.language, item.default) for item in parsed.media if item.group_id == group]
        for group in ("stereo", "surround")
    }
    assert members["stereo"] == members["surround"] == [("Original", "en", "YES"), ("Deutsch", "de", "NO")]
    channels = [(item.uri, item.channels) for item in parsed.media if item.group_id == "surround"]
    assert channels == [("audio-1-surround.m3u8", "6"), ("audio-2.m3u8", "2")]


def test_bandwidth_is_the_rung_with_the_worst_audio_of_its_group():
    parsed = m3u8.loads(hls.multivariant(film()))
    assert [variant.stream_info.bandwidth for variant in parsed.playlists[::3]] == [6_390_000, 6_670_000]


def test_average_bandwidth_needs_every_part_known():
    whole = complete()
    partly = replace(whole, audio=(replace(whole.audio[0], average=None),))
    known = [
        variant.stream_info.average_bandwidth for variant in m3u8.loads(hls.multivariant(whole)).playlists
    ]
    assert known == [1_628_000, 628_000]
    assert "AVERAGE-BANDWIDTH" not in hls.multivariant(partly)
    first = replace(whole, video=(whole.video[0], replace(whole.video[1], average=None)))
    assert hls.multivariant(first).count("AVERAGE-BANDWIDTH") == 1


def test_frame_rate_has_three_decimals_at_most():
    rates = {Fraction(24_000, 1001): "23.976", Fraction(60_000, 1001): "59.94", Fraction(25): "25"}
    for rate, shown in rates.items():
        presentation = replace(silent(), video=(video("v", width=2, height=2, bandwidth=1, frame_rate=rate),))
        assert f"FRAME-RATE={shown}," in hls.multivariant(presentation)


def test_a_single_audio_track_is_the_variant_and_two_are_a_group():
    alone = m3u8.loads(hls.multivariant(sound()))
    assert [(variant.uri, variant.stream_info.audio) for variant in alone.playlists] == [
        ("audio-1.m3u8", None)
    ]
    assert not alone.media
    two = m3u8.loads(hls.multivariant(radio()))
    assert [(variant.uri, variant.stream_info.audio) for variant in two.playlists] == [
        ("audio-1.m3u8", "stereo")
    ]
    assert [item.language for item in two.media] == ["fr", "it"]


def test_surround_alone_makes_its_own_group():
    only = replace(film(), audio=(audio("a0", channels=6),), text=())
    assert {variant.stream_info.audio for variant in m3u8.loads(hls.multivariant(only)).playlists} == {
        "surround"
    }


def test_media_playlist_is_whole_and_dated():
    presentation = film()
    moved = replace(presentation.video[0], borders=(12_000, 96_000, 180_000))
    assert hls.media(moved, presentation).splitlines() == [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        "#EXT-X-TARGETDURATION:4",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        '#EXT-X-MAP:URI="0a1b2c3d/1080p/init.mp4"',
        "#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.500Z",
        "#EXTINF:3.500000,",
        "0a1b2c3d/1080p/0.m4s",
        "#EXTINF:3.500000,",
        "0a1b2c3d/1080p/1.m4s",
        "#EXT-X-ENDLIST",
    ]


def test_iframe_playlist_lists_whole_files():
    body = hls.playlist(film().intra, film())
    assert "#EXT-X-I-FRAMES-ONLY\n" in body
    assert "BYTERANGE" not in body
    assert m3u8.loads(body).segments.uri == [f"0a1b2c3d/intra/{n}.m4s" for n in range(8)]


def test_text_playlist_is_one_file_over_the_duration():
    presentation = replace(film(), duration=Fraction(100, 3))
    body = hls.playlist(presentation.text[0], presentation)
    assert extinf(body) == [Fraction("33.333333")]
    assert target(body) == 34
    assert m3u8.loads(body).segments.uri == ["0a1b2c3d/text-1/0.vtt"]


def test_an_hour_of_segments_renders_in_milliseconds():
    track = audio("a0", borders=tuple(range(0, 3601 * 48_000, 48_000)))
    spent = []
    for _ in range(5):
        begun = time.process_time()
        body = hls.media(track, film())
        spent.append(time.process_time() - begun)
    assert body.count("#EXTINF") == 3600
    assert min(spent) < 0.025  # five times the aim, for a loaded machine


@given(BORDERS, SCALES, st.integers(0, 10**6))
def test_any_borders_come_back_as_the_same_times(lengths: list[int], scale: int, start: int):
    borders = tuple(start + border for border in cumulated(lengths))
    track = audio("a0", borders=borders, timescale=scale)
    body = hls.media(track, film())
    parsed = m3u8.loads(body)
    assert parsed.segments.uri == [f"0a1b2c3d/a0/{n}.m4s" for n in range(len(lengths))]
    assert parsed.program_date_time is not None
    written = extinf(body)
    exact = [Fraction(end - begin, scale) for begin, end in pairwise(borders)]
    tolerance = Fraction(1, 10**6)
    assert all(abs(one - other) <= tolerance for one, other in zip(written, exact, strict=True))
    assert abs(sum(written) - Fraction(borders[-1] - borders[0], scale)) <= tolerance
    assert max(int(length + Fraction(1, 2)) for length in written) <= target(body)
    assert target(body) >= film().target_duration
    assert [segment.duration for segment in parsed.segments] == [float(length) for length in written]


@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=9)), min_size=2, max_size=6))
def test_any_titles_and_languages_stay_within_their_attributes(said: list[tuple[str, str]]):
    def named(name: str, kind: Kind) -> list[Rendition]:
        make = audio if kind is Kind.AUDIO else text
        return [make(f"{name}{n}", title=title, language=tag) for n, (title, tag) in enumerate(said)]

    body = hls.multivariant(
        replace(film(), audio=tuple(named("a", Kind.AUDIO)), text=tuple(named("t", Kind.TEXT)))
    )
    body.encode()
    lines = body.splitlines()
    attributes = r'[A-Z-]+=("[^"]*"|[^",]+)'
    listed = [line for line in lines if line.startswith("#EXT-X-MEDIA:")]
    assert len(listed) == 2 * len(said)
    assert all(re.fullmatch(rf"#EXT-X-MEDIA:{attributes}(,{attributes})*", line) for line in listed)
    assert len(lines) == 3 + len(listed) + 2 * 3 + 1
    parsed = m3u8.loads(body)
    assert [item.uri for item in parsed.media] == [
        f"{kind}{n}.m3u8" for kind in "at" for n in range(len(said))
    ]
    for kind in ("AUDIO", "SUBTITLES"):
        shown = [re.findall(r'NAME="([^"]*)"', line)[0] for line in listed if f"TYPE={kind}" in line]
        assert len(set(shown)) == len(said)
        assert all(shown)


def test_hostile_titles_add_no_line():
    presentation = replace(film(), audio=(audio("a0", title=HOSTILE),), text=())
    body = hls.multivariant(presentation)
    assert body.count("\n#EXT-X-ENDLIST") == 0
    assert len(body.splitlines()) == 3 + 1 + 2 * 3 + 1
    assert "\u2028" not in body


def test_a_playlist_that_grows_only_gains_segments_and_ends_as_the_whole_one():
    shorter, ended = arriving(), film()
    for before, after in zip(
        [*shorter.video, shorter.intra, *shorter.audio],
        [*ended.video, ended.intra, *ended.audio],
        strict=True,
    ):
        growing, whole = hls.playlist(before, shorter), hls.playlist(after, ended)
        assert "#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-START:TIME-OFFSET=0\n" in growing
        assert "#EXT-X-ENDLIST" not in growing
        became = growing.replace(
            "#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-START:TIME-OFFSET=0", "#EXT-X-PLAYLIST-TYPE:VOD"
        )
        assert whole.startswith(became)
        assert whole.endswith("#EXT-X-ENDLIST\n")


def test_what_is_one_file_for_the_whole_duration_is_listed_at_the_end():
    growing = replace(film(), ended=False)
    named = manifests.render(growing, "main.m3u8")
    assert "TYPE=SUBTITLES" not in named
    assert "TYPE=SUBTITLES" in manifests.render(film(), "main.m3u8")
    assert not [name for name in manifests.names(growing) if name.startswith("text")]
    assert "image/jpeg" not in manifests.render(growing, "main.mpd")
