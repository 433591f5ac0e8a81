"""Times of RTP: reports of the sender put sound on the picture's clock, arrival does until they come."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from streamer.ingest.lipsync import Lipsync

WRAP = 1 << 32
NTP = 3_900_000_000 << 32


def moment(milliseconds: int) -> Fraction:
    return Fraction(milliseconds, 1000)


class Sender:
    """Sends frames with times that begin anywhere, over a network that delays the two tracks differently."""

    def __init__(self, video: int, audio: int, *, late: int = 0) -> None:
        self.lipsync, self.video, self.audio, self.late = Lipsync(), video, audio, late

    def rtp(self, milliseconds: int, *, video: bool) -> int:
        first, rate = (self.video, 90) if video else (self.audio, 48)
        return (first + milliseconds * rate) % WRAP

    def arrive(self, milliseconds: int, *, video: bool) -> int | None:
        rtp = self.rtp(milliseconds, video=video)
        late = 0 if video else self.late
        self.lipsync.arrive(video=video, rtp=rtp, at=moment(5_000_000 + milliseconds + late))
        return self.lipsync.picture(rtp) if video else self.lipsync.sound(rtp)

    def report(self, milliseconds: int) -> None:
        for video in (True, False):
            ntp = NTP + (milliseconds << 32) // 1000
            self.lipsync.report(video=video, ntp=ntp, rtp=self.rtp(milliseconds, video=video))


@given(video=st.integers(0, WRAP - 1), audio=st.integers(0, WRAP - 1))
def test_sound_stands_at_its_picture_wherever_times_begin_and_wrap(video, audio):
    sender = Sender(video, audio)
    for at in range(0, 200, 40):
        assert sender.arrive(at, video=True) == at
        assert sender.arrive(at, video=False) == at


def test_what_arrives_late_is_put_right_by_reports():
    sender = Sender(WRAP - 1000, 7, late=80)
    sender.arrive(0, video=True)
    assert sender.arrive(0, video=False) == 80
    sender.report(10)
    assert sender.arrive(20, video=False) == 20
    assert sender.arrive(40, video=True) == 40


def test_one_report_alone_changes_nothing():
    sender = Sender(1, 2, late=50)
    sender.arrive(0, video=True)
    sender.lipsync.report(video=True, ntp=NTP, rtp=sender.rtp(0, video=True))
    assert sender.arrive(0, video=False) == 50


def test_reports_that_cannot_be_true_are_not_believed():
    sender = Sender(1, 2)
    sender.arrive(0, video=True)
    sender.report(0)
    sender.lipsync.report(video=False, ntp=NTP + (60 << 32), rtp=sender.rtp(0, video=False))
    assert sender.arrive(0, video=False) == 0


def test_sound_before_the_first_picture_has_no_time():
    sender = Sender(1, 2)
    assert sender.arrive(0, video=False) is None
    assert sender.arrive(100, video=True) == 0
    assert sender.arrive(80, video=False) is None
    assert sender.arrive(120, video=False) == 20


def test_the_quickest_packet_tells_when_the_others_were_sent():
    sender = Sender(1, 2, late=300)
    sender.arrive(0, video=True)
    assert sender.arrive(0, video=False) == 300
    sender.late = 10
    assert sender.arrive(20, video=False) == 30
    sender.late = 500
    assert sender.arrive(40, video=False) == 50
