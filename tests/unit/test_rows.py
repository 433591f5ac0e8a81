"""How an asset is shown."""

from __future__ import annotations

import dataclasses
import re
from fractions import Fraction

import pytest

from streamer.rows import Asset, Caption, Failure, Rung, State, new_id, rfc3339, seconds, show

ASSET = Asset(
    id="abcdefghjkmn",
    title="Film",
    state=State.PLAYABLE,
    created=1_800_000_000_000,
    updated=1_800_000_000_000,
    size=10,
    received=10,
    duration=Fraction(20),
    upload_id=None,
    generation="g1",
    source={"uncopied": ["audio-0: its format is mp3"]},
    warnings=("cut",),
    failure=None,
    poster="g1/poster.jpg",
    rungs=(Rung(name="v360", kind="video", width=640, height=360, segments=5, done=2, copied=True),),
    captions=(Caption(language="en", label="English", key="c1/text-en/0.vtt"),),
)


def test_a_playable_asset_is_shown_with_all_its_addresses():
    assert show(ASSET) == {
        "id": "abcdefghjkmn",
        "title": "Film",
        "state": "playable",
        "fill": "full",
        "policy": "public",
        "created": "2027-01-15T08:00:00.000Z",
        "duration": 20,
        "seekable": 20,
        "size": 10,
        "received": 10,
        "playback": {"hls": "/v/abcdefghjkmn/main.m3u8", "dash": "/v/abcdefghjkmn/main.mpd"},
        "poster": "/v/abcdefghjkmn/g1/poster.jpg",
        "storyboard": None,
        "rungs": [
            {
                "name": "v360",
                "kind": "video",
                "width": 640,
                "height": 360,
                "segments": 5,
                "done": 2,
                "copied": True,
            }
        ],
        "captions": [{"language": "en", "label": "English", "url": "/v/abcdefghjkmn/c1/text-en/0.vtt"}],
        "warnings": ["cut"],
        "uncopied": ["audio-0: its format is mp3"],
        "failure": None,
        "live": None,
    }


@pytest.mark.parametrize("size", [None, 30])
def test_of_what_still_arrives_a_part_can_be_sought(size):
    arriving = dataclasses.replace(ASSET, size=size, seekable=Fraction(7, 2))
    assert (show(arriving)["seekable"], show(arriving)["duration"]) == (3.5, 20)
    assert show(dataclasses.replace(arriving, seekable=None))["seekable"] == 0
    assert show(dataclasses.replace(arriving, state=State.UPLOADING))["seekable"] is None


@pytest.mark.parametrize("state", [State.UPLOADING, State.PROBING, State.FAILED])
def test_what_cannot_be_watched_has_no_playback(state):
    shown = show(dataclasses.replace(ASSET, state=state))
    assert shown["playback"] is None
    assert shown["poster"] is None


def test_the_log_of_a_failure_can_stay_inside():
    failed = dataclasses.replace(ASSET, failure=Failure(step="probe", message="no", log=("/a/path",)))
    assert show(failed)["failure"] == {"step": "probe", "message": "no", "log": ["/a/path"]}
    assert show(failed, log=False)["failure"] == {"step": "probe", "message": "no", "log": []}


def test_times():
    assert rfc3339(1) == "1970-01-01T00:00:00.001Z"
    assert seconds(None) is None
    assert seconds(Fraction(1, 3)) == 0.333333


def test_ids_fit_the_route_and_differ():
    ids = {new_id() for _ in range(200)}
    assert len(ids) == 200
    assert all(re.fullmatch(r"[a-z0-9]{12}", identity) for identity in ids)
