"""What a publisher's first tags tell, and what has to be waited for."""

from __future__ import annotations

import struct
from fractions import Fraction

import pytest

from streamer.ingest.flv import Kind, Tag
from streamer.live.opening import Opening, Unopened
from tests.unit.test_avc import sps
from tests.unit.test_passthrough import sample
from tests.unit.test_splice import picture, sound


def avcc(sequence: bytes | None = None) -> Tag:
    sequence = sps(profile=100, crop=True) if sequence is None else sequence
    body = b"\1\x64\0\x28\xff\xe1" + len(sequence).to_bytes(2) + sequence + b"\1\0\1\x68"
    return Tag(kind=Kind.VIDEO, time=0, payload=b"\x17\0\0\0\0" + body)


def specific(text: str = "1210") -> Tag:
    return Tag(kind=Kind.AUDIO, time=0, payload=b"\xaf\0" + bytes.fromhex(text))


def stated(rate: float) -> Tag:
    number = b"\0\x09framerate\0" + struct.pack(">d", rate)
    return Tag(kind=Kind.SCRIPT, time=0, payload=b"\2\0\x0aonMetaData\x08\0\0\0\1" + number + b"\0\0\x09")


def opened(*tags: Tag) -> Opening:
    opening = Opening()
    for tag in tags:
        opening.take(tag, tag.time)
    return opening


def test_a_stated_rate_and_one_keyframe_are_enough():
    offer = opened(stated(29.97), avcc(), specific(), picture(0, key=True)).offer
    assert offer is not None
    assert (offer.width, offer.height, offer.rate) == (1920, 1080, Fraction(30_000, 1001))
    assert (offer.sample_rate, offer.channels) == (44_100, 2)


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(24), Fraction(60), Fraction(30_000, 1001)])
def test_a_rate_that_is_not_stated_is_measured(rate):
    opening = opened(avcc(), specific())
    for n in range(20):
        opening.take(picture(round(1000 * n / rate), key=n == 0), 40 * n)
    assert opening.offer is not None
    assert abs(opening.offer.rate - rate) < rate / 50


def test_what_comes_before_the_first_keyframe_is_left_out():
    opening = opened(stated(25), avcc(), specific(), picture(0), sound(0), picture(40, key=True), sound(41))
    assert [tag.time for tag in opening.tags if not tag.configuration] == [40, 41]


def test_sound_is_waited_for_and_done_without():
    opening = opened(stated(25), avcc(), picture(0, key=True))
    opening.take(picture(480), 480)
    assert opening.offer is None
    opening.take(picture(520), 520)
    assert opening.offer is not None
    assert opening.offer.channels == 0
    assert opening.waited == 520


def test_sound_that_comes_a_little_later_is_taken():
    opening = opened(stated(25), avcc(), picture(0, key=True), picture(40), specific(), picture(80))
    assert opening.offer is not None
    assert opening.offer.channels == 2


@pytest.mark.parametrize(
    ("tags", "word"),
    [
        ((stated(25), specific(), Tag(kind=Kind.VIDEO, time=0, payload=b"\x17\0\0\0\0\1")), "picture"),
        ((stated(25), avcc(b"\x67\x64\0\x28"), specific()), "picture"),
        ((stated(25), avcc(), specific("f8")), "sound"),
        ((stated(25), avcc(), specific("1200")), "sound"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_cause(tags, word):
    with pytest.raises(Unopened, match=word):
        opened(*tags, picture(0, key=True))


def test_too_few_pictures_are_refused():
    opening = opened(avcc(), specific(), picture(0, key=True))
    with pytest.raises(Unopened, match="few"):
        opening.take(picture(11_000), 11_000)


def test_an_opening_burst_is_waited_for():
    opening = opened(stated(25), avcc(), specific())
    for n in range(13):
        opening.take(picture(40 * n, key=n == 0), 5)
    assert opening.offer is not None
    assert not opening.ready
    opening.take(sound(500), 45)
    opening.take(picture(520), 45)
    opening.take(picture(560), 85)
    assert not opening.ready
    opening.take(picture(600), 125)
    assert opening.ready
    assert opening.waited == 600


def test_who_never_comes_to_real_time_is_not_waited_for_long():
    opening = opened(stated(25), avcc(), specific())
    for n in range(39):
        assert not opening.ready
        opening.take(picture(40 * n, key=n == 0), 5)
    assert opening.ready


def asked(*tags: Tag) -> Opening:
    opening = Opening(passthrough=True)
    for tag in tags:
        opening.take(tag, tag.time)
    return opening


def unit(time: int, *, key: bool = False) -> Tag:
    return picture(time, key=key, who=sample(5 if key else 1))


def test_for_passthrough_the_second_keyframe_is_waited_for():
    opening = asked(stated(25), avcc(), specific(), *(unit(40 * n, key=n == 0) for n in range(25)))
    assert opening.offer is None
    opening.take(unit(1000, key=True), 1000)
    assert (opening.offer.rate, opening.passage.keyframes, opening.refusal) == (25, 25, "")


def test_keyframes_too_far_apart_are_not_waited_for():
    opening = asked(stated(25), avcc(), specific(), *(unit(40 * n, key=n == 0) for n in range(52)))
    assert opening.offer is None
    opening.take(unit(2080), 2080)
    assert opening.offer is not None
    assert opening.passage is None
    assert "2 seconds" in opening.refusal
