"""One stream out of publishers that come, stall and go: its times go on at the pace of the clock."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.ingest.flv import Kind, Tag
from streamer.live.splice import Loop, Splice

STEP, UNIT = 40, Fraction(64, 3)


def picture(time: int, *, key: bool = False, who: bytes = b"a", offset: int = 0) -> Tag:
    head = bytes([0x17 if key else 0x27, 1]) + offset.to_bytes(3)
    return Tag(kind=Kind.VIDEO, time=time, payload=head + who)


def sound(time: int, who: bytes = b"a") -> Tag:
    return Tag(kind=Kind.AUDIO, time=time, payload=b"\xaf\1" + who)


def configuration(kind: Kind, who: bytes = b"a") -> Tag:
    head = b"\x17\0\0\0\0" if kind is Kind.VIDEO else b"\xaf\0"
    return Tag(kind=kind, time=0, payload=head + who)


SLATE = {
    Kind.VIDEO: Loop(
        configuration=configuration(Kind.VIDEO, b"s"),
        tags=[picture(n, key=n == 0, who=b"s") for n in range(50)],
        step=Fraction(STEP),
    ),
    Kind.AUDIO: Loop(configuration=configuration(Kind.AUDIO, b"s"), tags=[sound(0, b"s")], step=UNIT),
}


class Stage:
    """A splice under a clock that the test moves, and what came out of it."""

    def __init__(self, *, patience: int = 1000) -> None:
        self.splice = Splice(rate=Fraction(25), patience=patience, sound=True)
        self.splice.show(SLATE)
        self.now = 5_000
        self.out: list[Tag] = []

    def come(self, who: bytes = b"a") -> None:
        self.splice.join()
        for kind in (Kind.VIDEO, Kind.AUDIO):
            self.out += self.splice.take(configuration(kind, who), self.now)

    def send(self, *tags: Tag) -> None:
        for tag in tags:
            self.out += self.splice.take(tag, self.now)

    def publish(self, frames: int, *, at: int = 0, who: bytes = b"a") -> int:
        """Send pictures and sound as they are due, a keyframe every second; return the publisher's time."""
        for n in range(frames):
            time = at + n * STEP
            self.send(picture(time, key=n % 25 == 0, who=who), sound(time, who), sound(time + 21, who))
            self.pass_by(STEP)
        return at + frames * STEP

    def pass_by(self, milliseconds: int) -> None:
        for _ in range(0, milliseconds, 20):
            self.now += 20
            self.out += self.splice.tick(self.now)

    def of(self, kind: Kind) -> list[Tag]:
        return [tag for tag in self.out if tag.kind is kind and not tag.configuration]

    def check(self) -> None:
        told: dict[Kind, bytes] = {}
        keyed = False
        for tag in self.out:
            if tag.configuration:
                told[tag.kind] = tag.payload[-1:]
                keyed = keyed and tag.kind is not Kind.VIDEO
                continue
            assert told.get(tag.kind) == tag.payload[-1:]
            if tag.kind is Kind.VIDEO:
                assert keyed or tag.keyframe
                keyed = True
        for kind in (Kind.VIDEO, Kind.AUDIO):
            times = [tag.time for tag in self.of(kind)]
            assert times == sorted(times)


def who(tags: list[Tag]) -> str:
    return "".join(tag.payload[-1:].decode() for tag in tags)


def test_a_publisher_passes_through_from_0_on():
    stage = Stage()
    stage.come()
    stage.publish(50, at=777_000)
    assert [tag.time for tag in stage.of(Kind.VIDEO)] == [n * STEP for n in range(50)]
    assert stage.of(Kind.AUDIO)[0].time == 0
    assert sum(tag.configuration for tag in stage.out) == 2
    stage.check()


def test_nothing_goes_out_before_the_first_keyframe():
    stage = Stage()
    stage.come()
    stage.send(picture(0), sound(0), picture(40))
    stage.pass_by(3000)
    assert stage.out == []
    assert not stage.splice.begun


@pytest.mark.parametrize("gone", [500, 5_000, 50_000])
def test_while_nobody_publishes_the_slate_goes_on_at_the_pace_of_the_clock(gone):
    stage = Stage()
    stage.come()
    stage.publish(50)
    stage.splice.leave()
    stage.pass_by(gone)
    assert stage.splice.filled
    stage.come(b"b")
    stage.publish(50, at=3_000_000, who=b"b")
    stage.check()
    shown = stage.of(Kind.VIDEO)
    steps = [b.time - a.time for a, b in pairwise(shown)]
    assert max(steps) <= 2 * STEP
    assert abs(shown[-1].time - (50 * STEP + gone + 49 * STEP)) <= 2 * STEP
    assert who(shown) == "a" * 50 + "s" * (len(shown) - 100) + "b" * 50
    assert all(tag.time % STEP == 0 for tag in shown)
    heard = stage.of(Kind.AUDIO)
    assert max(b.time - a.time for a, b in pairwise(heard)) <= 2 * STEP


@pytest.mark.parametrize("offset", [0, 80, 61, 101])
def test_frames_are_shown_on_the_grid_whatever_their_decode_times_are(offset):
    stage = Stage()
    stage.come()
    for turn in range(2):
        for n in range(25):
            stage.send(picture(n * STEP + 7, key=n == 0, offset=offset))
            stage.pass_by(STEP)
        if not turn:
            stage.splice.leave()
            stage.pass_by(330)
            stage.come()
    shown = [tag.time + tag.offset for tag in stage.of(Kind.VIDEO) if tag.payload.endswith(b"a")]
    assert len(shown) == 50
    assert all(time % STEP == 0 for time in shown)
    stage.check()


def test_a_stall_within_the_patience_is_only_late():
    stage = Stage()
    stage.come()
    at = stage.publish(25)
    stage.pass_by(800)
    stage.send(*(picture(at + n * STEP) for n in range(20)))
    assert who(stage.of(Kind.VIDEO)) == "a" * 45
    stage.check()


def test_rule_a_publisher_that_falls_silent_is_replaced_by_the_slate_until_its_next_keyframe():
    stage = Stage()
    stage.come()
    at = stage.publish(25)
    stage.pass_by(2000)
    stage.send(picture(at + 2000), picture(at + 2040))
    assert stage.splice.filled
    stage.publish(10, at=at + 2080)
    assert not stage.splice.filled
    assert who(stage.of(Kind.VIDEO)).endswith("s" + "a" * 10)
    stage.check()


def test_what_a_network_held_up_is_left_out():
    stage = Stage()
    stage.come()
    at = stage.publish(25)
    stage.pass_by(4000)
    late = [picture(at + n * STEP, key=n % 25 == 0) for n in range(100)]
    stage.send(*late)  # four seconds in one go: only the end of it is of now
    shown = stage.of(Kind.VIDEO)
    assert shown[-1].time <= 25 * STEP + 4000 + 25 * STEP
    stage.check()


@pytest.mark.parametrize("burst", [0, 14, 24])
def test_however_often_a_publisher_comes_back_nothing_lies_ahead_of_the_clock(burst):
    """Many begin with half a second at once, which is of a time to come for whoever has the clock."""
    stage = Stage()
    stage.come()
    began = stage.now
    for turn in range(10):
        pictures = [picture(n * STEP, key=n == 0) for n in range(burst)]
        stage.send(*pictures, *(sound(n * STEP) for n in range(burst)))
        if not turn:
            began -= burst * STEP  # what begins with a burst has begun so much earlier
        stage.publish(25, at=burst * STEP)
        assert not stage.splice.filled
        assert -3 * STEP < stage.of(Kind.VIDEO)[-1].time - (stage.now - began) <= 100
        stage.splice.leave()
        stage.pass_by(500)
        stage.come()
    shown = stage.of(Kind.VIDEO)
    assert all(tag.time % STEP == 0 for tag in shown)
    steps = [b.time - a.time for a, b in pairwise(stage.of(Kind.VIDEO))]
    assert max(steps) <= 2 * STEP
    stage.check()


def test_a_publisher_that_sends_one_picture_and_then_only_sound_is_let_in_all_the_same():
    stage = Stage()
    stage.come()
    at = stage.publish(25)
    stage.splice.leave()
    stage.pass_by(500)
    stage.come()
    stage.send(picture(at, key=True))
    for n in range(120):
        stage.send(sound(at + n * 21))
        stage.pass_by(20)
    assert who(stage.of(Kind.VIDEO)).count("a") == 26


def test_a_publisher_that_lags_for_good_is_taken_as_it_is():
    stage = Stage()
    stage.come()
    at = stage.publish(25)
    stage.pass_by(3000)
    stage.publish(250, at=at)
    assert not stage.splice.filled
    stage.check()


def test_a_clock_that_jumps_is_taken_up_again():
    stage = Stage()
    stage.come()
    stage.publish(25)
    stage.publish(50, at=90_000_000)
    stage.publish(50, at=0)
    shown = stage.of(Kind.VIDEO)
    assert shown[-1].time <= 130 * STEP
    stage.check()


def test_rule_the_same_configuration_again_is_not_sent_twice():
    stage = Stage()
    stage.come()
    for n in range(4):
        stage.send(configuration(Kind.VIDEO), picture(n * 1000, key=True))
        stage.now += 1000
    assert [tag.kind for tag in stage.out if tag.configuration] == [Kind.VIDEO, Kind.AUDIO]


def test_both_configurations_are_there_before_the_first_picture():
    stage = Stage()
    stage.come()
    stage.send(picture(0, key=True))
    assert [tag.configuration for tag in stage.out] == [True, True, False]


def test_silence_fills_in_where_only_the_sound_stops():
    stage = Stage()
    stage.come()
    at = stage.publish(25)
    for n in range(100):
        stage.send(picture(at + n * STEP, key=n % 25 == 0))
        stage.pass_by(STEP)
    heard = stage.of(Kind.AUDIO)
    assert not stage.splice.filled
    assert abs(heard[-1].time - stage.of(Kind.VIDEO)[-1].time) <= 2 * STEP
    stage.check()


ACTS = st.one_of(
    st.tuples(st.just("publish"), st.integers(1, 60)),
    st.tuples(st.just("stall"), st.integers(20, 4000)),
    st.tuples(st.just("leave"), st.integers(20, 3000)),
    st.tuples(st.just("come"), st.integers(0, 10**7)),
)


@given(st.lists(ACTS, max_size=12))
def test_whatever_publishers_do_times_go_on_with_the_clock(acts):
    stage = Stage()
    stage.come()
    at, sender = stage.publish(3), b"a"
    began = stage.now
    for act, amount in acts:
        if act == "publish":
            at = stage.publish(amount, at=at, who=sender)
        elif act == "come":
            at, sender = amount, b"b"
            stage.come(sender)
        else:
            if act == "leave":
                stage.splice.leave()
            stage.pass_by(amount)
            at += amount
    stage.check()
    stage.splice.leave()
    stage.pass_by(200)
    passed = stage.now - began
    assert abs(stage.of(Kind.VIDEO)[-1].time - 2 * STEP - passed) <= 1000 + 3 * STEP
