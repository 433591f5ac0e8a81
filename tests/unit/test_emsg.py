"""Event messages: their time to the tick, and a part that is otherwise as it was."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest

from packager import emsg, parts
from packager.errors import BadBoxes
from packager.marker import SCHEME
from tests.media import messages
from tests.unit.broadcasts import STARTED, lived
from tests.unit.marked import SECTION, marker, spliced
from tests.unit.test_parts import frame

BEGUN = Fraction(STARTED, 1000)


def part() -> bytes:
    life = lived()
    gather = parts.gather(life, "360p")
    return next(made for n in range(8) for made in gather.add(frame(n, sync=n == 0))).body


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30_000, 1001), Fraction(24)], ids=str)
def test_the_time_is_that_of_the_frame_to_the_tick(rate):
    life = lived(rate=rate)
    (own,) = messages.messages(emsg.events(marker(BEGUN + 1234 / rate), life))
    assert own.time == 1234 / rate
    assert (own.scheme, own.value, own.number) == (SCHEME, "", 7)
    assert json.loads(own.body) == {"id": "marker000007", "kind": "score", "data": None}


def test_a_splice_has_a_message_of_its_own_at_the_same_time():
    own, cue = messages.messages(emsg.events(spliced(BEGUN + 2), lived()))
    assert (cue.scheme, cue.body) == (emsg.SPLICE_SCHEME, SECTION)
    assert (own.time, own.duration, own.number) == (cue.time, cue.duration, cue.number)
    assert own.duration == Fraction(3, 2)


def test_a_moment_between_two_lives_is_told_with_the_first_picture():
    (own,) = messages.messages(emsg.events(marker(BEGUN - 5), lived()))
    assert own.time == 0


def test_messages_stand_before_the_fragment_and_nothing_else_changes():
    before, told = part(), emsg.events(spliced(BEGUN), lived())
    after = emsg.inserted(before, told)
    assert [name for name, _ in messages.boxes(after)] == ["styp", "prft", "emsg", "emsg", "moof", "mdat"]
    assert messages.without(after) == before


def test_what_has_no_fragment_is_no_part():
    with pytest.raises(BadBoxes):
        emsg.inserted(b"\0\0\0\x08free", b"")
