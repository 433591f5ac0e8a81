"""How a live stream is stored and shown."""

from __future__ import annotations

import json
from fractions import Fraction
from types import SimpleNamespace

from streamer.live.streams import Settings, Stream, Takeover, show, stored, stream_row
from streamer.rows import StreamState

STREAM = Stream(
    id="abcdefghjkmn",
    title="Evening",
    state=StreamState.LIVE,
    created=1_800_000_000_000,
    updated=1_800_000_000_000,
    settings=Settings(part_seconds=Fraction(1, 3), dvr_seconds=None, takeover=Takeover.PRIORITY),
    asset="bcdefghjkmnp",
)


def test_a_stream_is_shown_with_its_lasting_addresses():
    assert show(STREAM) == {
        "id": "abcdefghjkmn",
        "title": "Evening",
        "state": "live",
        "created": "2027-01-15T08:00:00.000Z",
        "asset": "bcdefghjkmnp",
        "part_seconds": 0.333333,
        "dvr_seconds": None,
        "reconnect_seconds": 60,
        "passthrough": False,
        "takeover": "priority",
        "destination": None,
        "policy": "public",
        "playback": {"hls": "/v/abcdefghjkmn/main.m3u8", "dash": "/v/abcdefghjkmn/main.mpd"},
        "page": "/watch/abcdefghjkmn",
    }


def test_what_is_stored_is_json_with_exact_times():
    assert json.loads(json.dumps(stored(STREAM.settings)))["part_seconds"] == "1/3"


def test_a_stream_that_was_stored_before_something_was_a_setting_does_not_ask_for_it():
    settings = stored(STREAM.settings)
    del settings["passthrough"], settings["destination"]
    row = SimpleNamespace(
        id="a", title="A", state="idle", created=0, updated=0, settings=settings, shown=None
    )
    assert stream_row(row).settings == STREAM.settings
