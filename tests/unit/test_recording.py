"""The manifests that are stored with a broadcast that is over."""

from __future__ import annotations

from dataclasses import replace

import m3u8
import pytest

from packager import recording
from streamer import captioned
from streamer.rows import Caption
from tests import lives

CODECS = {"360p": "avc1.64001e", "180p": "avc1.64001e", "audio-0": "mp4a.40.2"}


def test_every_rendition_of_every_life_has_a_final_playlist_and_the_last_one_names_them():
    aired = [
        lives.over(lives.life("l1"), 2),
        lives.over(lives.life("l2", first=2, heights=(180,)), 1),
    ]
    made = recording.manifests(aired, CODECS)
    assert list(made)[-1] == "main.m3u8"
    assert set(made) == {"360p.m3u8", "180p.m3u8", "audio-0.m3u8", "main.mpd", "main.m3u8"}
    for name in CODECS:
        playlist = m3u8.loads(made[f"{name}.m3u8"])
        assert (playlist.playlist_type, playlist.is_endlist, len(playlist.segments)) == ("vod", True, 3)
    assert (made["main.mpd"].count("<Period"), 'type="static"' in made["main.mpd"]) == (2, True)
    main = m3u8.loads(made["main.m3u8"])
    assert {one.uri for one in main.playlists} == {"360p.m3u8", "180p.m3u8"}


@pytest.mark.parametrize("count", [1, 2])
def test_captions_are_over_all_of_it_and_in_an_mpd_of_one_period_only(count):
    aired = [lives.over(lives.life("l1"), 2), lives.over(lives.life("l2", first=2), 1)][:count]
    captions = captioned.rendition(
        Caption(language="de", label="Deutsch", key="c1/text-de/0.vtt"), sum(one.seconds for one in aired)
    )
    made = recording.manifests(aired, CODECS, text=[captions])
    assert list(made)[-1] == "main.m3u8"
    (segment,) = m3u8.loads(made["text-de.m3u8"]).segments
    assert (segment.uri, segment.duration) == ("c1/text-de/0.vtt", {1: 4, 2: 6}[count])
    assert [one.uri for one in m3u8.loads(made["main.m3u8"]).media if one.type == "SUBTITLES"] == [
        "text-de.m3u8"
    ]
    assert made["main.mpd"].count("<BaseURL>c1/text-de/0.vtt</BaseURL>") == (count == 1)


def test_what_was_lost_is_left_out_and_the_last_life_keeps_its_numbers():
    aired = [
        replace(lives.over(lives.life("l1", first=100), 4), lost=2),
        replace(lives.over(lives.life("l2", first=106), 3), lost=1),
        lives.over(lives.life("l3", first=110), 2),
    ]
    playlist = m3u8.loads(recording.manifests(aired, CODECS)["360p.m3u8"])
    assert not any(one.gap_tag for one in playlist.segments)
    assert [one.uri for one in playlist.segments] == [
        *(f"l1/360p/{number}.m4s" for number in range(4)),
        *(f"l2/360p/{number}.m4s" for number in range(3)),
        *(f"l3/360p/{number}.m4s" for number in range(2)),
    ]
    assert playlist.media_sequence + 4 + 3 == 110
    assert [one.discontinuity for one in playlist.segments].count(True) == 2
