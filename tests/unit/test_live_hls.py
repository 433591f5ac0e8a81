"""Playlists of a broadcast: what they say at every moment, what never changes, and who reads them."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import m3u8
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packager import live_hls
from packager.life import Aired, Reach
from tests.unit.broadcasts import CASES, CODECS, STARTED, Case, aired, lived, over, restarted, succession

GOLDEN = Path(__file__).parent.parent / "golden" / "live"
RATES = st.sampled_from([Fraction(24), Fraction(25), Fraction(30_000, 1001), Fraction(30), Fraction(60)])
PARTS = st.sampled_from([Fraction(1, 5), Fraction(1, 3), Fraction(1, 2), Fraction(1)])


def tag(text: str, name: str) -> str:
    found = re.findall(rf"^#EXT-X-{name}:(.*)$", text, re.MULTILINE)
    assert len(found) == 1, (name, found)
    return found[0]


def number(text: str, name: str) -> int:
    return int(tag(text, name))


def listed(text: str) -> list[str]:
    return re.findall(r"^[^#\n].*$", text, re.MULTILINE)


@pytest.mark.parametrize("case", CASES)
def test_playlists_are_the_golden_ones(case):
    """Compare with tests/golden/live; REGENERATE_GOLDEN=1 writes them anew."""
    for name, body in CASES[case]().playlists().items():
        file = GOLDEN / case / name
        if os.environ.get("REGENERATE_GOLDEN") == "1":
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(body, encoding="utf-8", newline="")
        assert body == file.read_text(encoding="utf-8"), (
            f"{file}: run with REGENERATE_GOLDEN=1 if this is meant"
        )


@pytest.mark.parametrize("case", CASES)
def test_m3u8_reads_them_and_writes_the_same(case):
    for name, body in CASES[case]().playlists().items():
        if name == "main.m3u8":
            continue
        first = m3u8.loads(body)
        again = m3u8.loads(first.dumps())
        assert [(one.uri, one.duration) for one in again.segments] == [
            (one.uri, one.duration) for one in first.segments
        ]
        assert [str(one.parts) for one in again.segments] == [str(one.parts) for one in first.segments]
        assert (again.media_sequence or 0) == first.media_sequence == number(body, "MEDIA-SEQUENCE")
        assert (again.discontinuity_sequence or 0) == number(body, "DISCONTINUITY-SEQUENCE")
        assert again.target_duration == number(body, "TARGETDURATION")
        assert again.is_endlist == body.endswith("#EXT-X-ENDLIST\n")


def test_parts_are_listed_within_three_target_durations_of_the_end_and_lead_to_the_next():
    text = Case(lives=(aired(lived(), 40, 4),)).playlist("720p")
    parts = [str(part.uri) for segment in m3u8.loads(text).segments for part in segment.parts]
    # Behind segment 37 there are 4 parts of 0.32 s and 2 segments of 1.92 s; with it they are more than 6 s.
    assert parts[0] == "l1/720p/38.0.m4s"
    assert parts[-1] == "l1/720p/40.3.m4s"
    assert tag(text, "PRELOAD-HINT") == 'TYPE=PART,URI="l1/720p/40.4.m4s"'


def test_the_hint_behind_the_last_part_of_a_segment_is_the_first_of_the_next():
    text = Case(lives=(aired(lived(), 3, 0),)).playlist("720p")
    assert tag(text, "PRELOAD-HINT") == 'TYPE=PART,URI="l1/720p/3.0.m4s"'


def test_rule_reports_name_the_last_part_of_every_other_rendition():
    ahead = {"720p": Reach(segments=3, parts=0), "360p": Reach(segments=2, parts=5), "audio-0": Reach()}
    text = Case(lives=(Aired(life=lived(first=100), reach=ahead),)).playlist("360p")
    assert re.findall(r"RENDITION-REPORT:(.*)", text) == ['URI="720p.m3u8",LAST-MSN=102,LAST-PART=5']


def test_a_rendition_that_a_later_life_lacks_goes_on_in_the_nearest_below():
    text = Case(lives=succession()).playlist("720p")
    assert listed(text)[4:] == ["l1/720p/4.m4s", "l2/360p/0.m4s", "l2/360p/1.m4s"]
    assert 'PRELOAD-HINT:TYPE=PART,URI="l2/360p/2.1.m4s"' in text
    assert text.count("#EXT-X-DISCONTINUITY\n") == 1
    assert [one.init_section.uri for one in m3u8.loads(text).segments[3:6]] == [
        "l1/720p/init.mp4",
        "l1/720p/init.mp4",
        "l2/360p/init.mp4",
    ]


def test_while_on_air_one_chooses_from_what_is_encoded_and_afterwards_from_all_there_was():
    first, second = succession()
    uris = [one.uri for one in m3u8.loads(live_hls.multivariant((first, second), CODECS)).playlists]
    assert uris == ["360p.m3u8"]
    ended = (first, over(second.life, 2))
    uris = [one.uri for one in m3u8.loads(live_hls.multivariant(ended, CODECS)).playlists]
    assert uris == ["720p.m3u8", "360p.m3u8"]


def test_rule_every_segment_has_the_wall_clock_at_which_it_was_encoded():
    text = Case(lives=succession()).playlist("360p")
    dates = [one.program_date_time.timestamp() for one in m3u8.loads(text).segments if one.uri]
    assert dates[0] == STARTED / 1000
    assert dates[5] == (STARTED + 14_500) / 1000
    assert dates[1] - dates[0] == pytest.approx(1.92, abs=0.001)


def test_rule_a_window_removes_segments_and_then_the_discontinuity():
    made = live_hls.MediaPlaylist("360p", window=20)
    first, second = succession()
    said = []
    for segments in range(15):
        text = made.render((first, aired(second.life, segments, 1)))
        said.append(
            (
                number(text, "MEDIA-SEQUENCE"),
                number(text, "DISCONTINUITY-SEQUENCE"),
                text.count("DISCONTINUITY\n"),
            )
        )
    assert said[0] == (0, 0, 1)
    assert said[-1] == (8, 1, 0)
    assert said == sorted(said, key=lambda one: one[:2])
    assert {before + tags for _, before, tags in said} == {1}


def test_numbers_that_a_killed_server_had_announced_are_gaps_before_the_next_life():
    (killed, *_), after = restarted(), restarted(segments=0, parts=1)
    waiting = Case(lives=(killed,)).playlist("360p")
    assert "#EXT-X-ENDLIST" not in waiting
    # A player takes what comes behind parts for a segment of the same life.
    assert "#EXT-X-PART:" not in waiting
    gone = re.findall(r"#EXT-X-GAP\n#EXTINF:1.920000,\n(\S+)\n", waiting)
    assert gone == ["l1/360p/4.m4s", "l1/360p/5.m4s"]
    going = Case(lives=after).playlist("360p")
    assert going.startswith(waiting.partition("#EXT-X-RENDITION-REPORT")[0])
    assert re.findall(r"#EXT-X-PART:.*URI=\"([^\"]+)\"", going) == ["l2/360p/0.0.m4s"]
    assert live_hls.edge(after[-1], "360p") == (6, 1)


def test_without_a_sound_there_is_no_group():
    silent = aired(lived(sound=False), 1)
    parsed = m3u8.loads(live_hls.multivariant((silent,), CODECS))
    assert not parsed.media
    assert {one.stream_info.codecs for one in parsed.playlists} == {"avc1.42c01f", "avc1.42c01e"}


# Rule: nothing that a client holds on to ever changes.


@given(
    rate=RATES,
    part=PARTS,
    reaches=st.lists(st.integers(0, 300), min_size=1, max_size=12),
    window=st.integers(1, 60),
)
def test_rule_for_any_reach_playlists_are_well_formed_and_their_frozen_values_stay(
    rate, part, reaches, window
):
    life = lived(rate=rate, part=part, first=1000)
    for name in life.names:
        made = live_hls.MediaPlaylist(name, window=window)
        frozen, before = set(), 0
        for done in sorted(reaches):
            segments, parts = divmod(done, life.parts)
            text = made.render((aired(life, segments, parts),))
            frozen.add((tag(text, "SERVER-CONTROL"), tag(text, "PART-INF"), tag(text, "TARGETDURATION")))
            begin = number(text, "MEDIA-SEQUENCE")
            uris = listed(text)
            assert begin >= before
            assert begin + len(uris) == 1000 + segments
            assert [int(re.search(r"/(\d+)\.m4s", uri)[1]) + 1000 for uri in uris] == list(
                range(begin, 1000 + segments)
            )
            check_lengths(text)
            before = begin
        assert len(frozen) == 1


def check_lengths(text: str) -> None:
    """Hold parts to PART-TARGET, segments to TARGETDURATION, and segments to the sum of their parts."""
    longest = Fraction(tag(text, "PART-INF").removeprefix("PART-TARGET="))
    total = Fraction(0)
    for line in text.splitlines():
        if line.startswith("#EXT-X-PART:"):
            length = Fraction(re.search(r"DURATION=([0-9.]+)", line)[1])
            assert length <= longest
            total += length
        elif line.startswith("#EXTINF:"):
            length = Fraction(line[8:-1])
            assert length + Fraction(1, 2) < number(text, "TARGETDURATION") + 1
            assert total in {0, length}
            total = Fraction(0)


@given(rate=RATES, segments=st.integers(0, 40), parts=st.integers(0, 5), old=st.integers(0, 5))
def test_a_delta_and_what_it_skips_are_the_whole_playlist(rate, segments, parts, old):
    life = lived(rate=rate)
    before = over(replace(life, generation="l0"), old, 0)
    now = aired(replace(life, first=old), segments, min(parts, life.parts - 1))
    lives = (before, now) if old else (now,)
    made = live_hls.MediaPlaylist("360p", window=7200)
    whole, delta = made.render(lives), made.render(lives, skip=True)
    skipped = re.search(r"#EXT-X-SKIP:SKIPPED-SEGMENTS=(\d+)\n", delta)
    if skipped is None:
        assert delta == whole
        return
    head, tail = delta.split(skipped[0])
    assert whole.startswith(head)
    assert whole.endswith(tail)
    lost = whole.removeprefix(head).removesuffix(tail)
    assert len(listed(lost)) == int(skipped[1])
    # Rule: nothing within the skip boundary is skipped.
    kept = sum(Fraction(one) for one in re.findall(r"#EXTINF:([0-9.]+),", tail))
    growing = tail.rpartition("#EXT-X-PROGRAM-DATE-TIME")[2]
    kept += sum(
        Fraction(one) for one in re.findall(r"DURATION=([0-9.]+)", growing) if "EXTINF" not in growing
    )
    assert kept >= 12
    assert "PART" not in lost


def test_rule_short_windows_offer_no_delta():
    text = Case(lives=(aired(lived(), 40, 1),), window=12, skip=True).playlist("720p")
    assert "SKIP" not in text


def test_the_recording_has_all_segments_and_nothing_of_the_broadcast():
    text = CASES["recording"]().playlist("360p")
    assert len(listed(text)) == 8
    assert "PLAYLIST-TYPE:VOD" in text
    for live in ("PART", "SERVER-CONTROL", "HINT", "REPORT", "SKIP"):
        assert live not in text


def test_a_gap_stands_where_an_encoder_failed_between_two_parts():
    sound = CASES["fallen"]().playlist("audio-0")
    picture = CASES["fallen"]().playlist("720p")
    assert sound.count("#EXT-X-GAP") == 1
    assert "#EXT-X-GAP" not in picture
    assert len(listed(sound)) == len(listed(picture))
    assert number(sound, "MEDIA-SEQUENCE") == number(picture, "MEDIA-SEQUENCE")
