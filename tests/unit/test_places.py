"""Cursors as text."""

from __future__ import annotations

import pytest

from streamer.errors import InvalidCursor
from streamer.places import Cursor, Place, parse

HERE = Cursor(
    places={"assets": Place(epoch="k3j9", offset=41), "asset:abcdefghjkmn": Place(epoch="x", offset=0)},
    hinted=1_800_000_000_000,
)


def test_a_cursor_is_its_text():
    assert HERE.text() == "assets~k3j9~41,asset:abcdefghjkmn~x~0,@1800000000000"
    assert parse(HERE.text()) == HERE
    assert parse("") == Cursor()


def test_64_channels_fit_into_a_line_of_a_request():
    places = {f"asset:abcdefghj{n:03}": Place(epoch="k" * 12, offset=10**9) for n in range(64)}
    assert len(Cursor(places=places, hinted=1_800_000_000_000).text()) < 4000


@pytest.mark.parametrize(
    "text", ["x", "a~b", "a~b~01", "a~b~-1", "a~b~1,", "a b~c~1", "@0", "a~b~" + "1" * 20]
)
def test_what_is_no_cursor_is_refused(text):
    with pytest.raises(InvalidCursor):
        parse(text)
