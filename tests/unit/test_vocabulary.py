"""Definitions of events: as JSON, and found by their type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

from streamer.rows import StreamState
from streamer.vocabulary.kind import ASSET, About, Kind
from streamer.vocabulary.live import LadderChanged, Picture, StreamStateChanged
from streamer.vocabulary.members import members
from streamer.vocabulary.words import kind_of


def test_an_event_is_told_as_json():
    told = StreamStateChanged(stream="s", asset="a", state=StreamState.LIVE)
    assert told.json() == {"stream": "s", "asset": "a", "state": "live"}
    picture = Picture(name="v360", width=640, height=360)
    assert LadderChanged(stream="s", asset="a", before=(picture,), after=()).json() == {
        "stream": "s",
        "asset": "a",
        "before": [{"name": "v360", "width": 640, "height": 360}],
        "after": [],
    }


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("marker", "marker"),
        ("custom.score", "custom.*"),
        ("custom.", "custom.*"),
        ("customs", None),
        ("", None),
    ],
)
def test_a_type_is_found_by_its_name(asked, found):
    kind = kind_of(asked)
    assert (kind and kind.type) == found


def test_a_member_without_a_word_about_it_is_refused():
    @dataclass(frozen=True, kw_only=True)
    class Bare(Kind):
        type: ClassVar[str] = "bare"
        about: ClassVar[About] = About(carriers=(ASSET,))

        silent: str

    with pytest.raises(ValueError, match="silent"):
        members(Bare)
