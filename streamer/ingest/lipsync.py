"""Puts the sound of RTP on the clock of its picture, by sender reports (RFC 3550, §6.4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

VIDEO_RATE, AUDIO_RATE = 90_000, 48_000
_WRAP = 1 << 32
_NTP = 1 << 32
_FARTHEST = 10
"""Seconds between what reports say and what arrives, above which the reports are not believed."""


@dataclass(slots=True, kw_only=True)
class _Line:
    """The RTP times of one track: when the one that came first was taken, by the receiver and the sender."""

    rate: int
    first: int | None = None
    last: int = 0
    arrived: Fraction | None = None
    reported: Fraction | None = None

    def seconds(self, rtp: int) -> Fraction:
        """Return the seconds from the time that came first to another, which may have wrapped."""
        if self.first is None:
            self.first = rtp
        half = _WRAP // 2
        self.last += (rtp - self.first - self.last + half) % _WRAP - half
        return Fraction(self.last, self.rate)


class Lipsync:
    """Times of frames in milliseconds from the first picture on.

    Until both tracks have had a report, sound stands where it arrives beside the picture.
    """

    def __init__(self) -> None:
        self._video = _Line(rate=VIDEO_RATE)
        self._audio = _Line(rate=AUDIO_RATE)
        self._begun: Fraction | None = None

    def arrive(self, *, video: bool, rtp: int, at: Fraction) -> None:
        """Take it that a packet has come, by a clock that goes forward. The quickest one counts."""
        line = self._video if video else self._audio
        taken = at - line.seconds(rtp)
        line.arrived = taken if line.arrived is None else min(line.arrived, taken)

    def report(self, *, video: bool, ntp: int, rtp: int) -> None:
        """Take a sender report: the sender's clock in units of 2⁻³² seconds, and the RTP time then."""
        line = self._video if video else self._audio
        line.reported = Fraction(ntp, _NTP) - line.seconds(rtp)

    def picture(self, rtp: int) -> int:
        """Return the time of a picture."""
        seconds = self._video.seconds(rtp)
        if self._begun is None:
            self._begun = seconds
        return round((seconds - self._begun) * 1000)

    def sound(self, rtp: int) -> int | None:
        """Return the time of sound; None where it lies before the first picture."""
        seconds = self._audio.seconds(rtp) + self._behind()
        if self._begun is None or seconds < self._begun:
            return None
        return round((seconds - self._begun) * 1000)

    def _behind(self) -> Fraction:
        """Return how many seconds after the picture's the sound's first time is."""
        video, audio = self._video, self._audio
        arrived = (audio.arrived or Fraction(0)) - (video.arrived or Fraction(0))
        if video.reported is None or audio.reported is None:
            return arrived
        reported = audio.reported - video.reported
        return reported if abs(reported - arrived) <= _FARTHEST else arrived
