"""Whether a publisher's own pictures can be the top rung of a life, by its first group of pictures.

What is asked for: H.264 that every device takes, a constant rate, and closed keyframes that come at one
distance of at most two seconds. Then they lie on the same grid as rungs that are encoded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from packager import avc, compliance, live_ladder, nal
from packager.errors import BadBoxes, Unpassable
from packager.ladder import RATES
from packager.life import SEGMENT_SECONDS, frames_between, frames_of

LONGEST_MS = 2_050
"""Two seconds between keyframes, and what whole frames and milliseconds add to them."""

_FASTEST = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One access unit as it is sent: `time` is when it is decoded and `offset` how much later it is shown.

    Both are milliseconds; a `keyframe` is what the sender calls one. In `data` units follow their lengths.
    """

    time: int
    offset: int
    keyframe: bool
    data: bytes

    @property
    def shown(self) -> int:
        """Return when it is shown."""
        return self.time + self.offset


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """What can be passed through: a keyframe every `keyframes` frames at `rate`, of `bits` a second."""

    rate: Fraction
    keyframes: int
    bits: int


class Description:
    """A decoder configuration (avcC), and which pictures go with it."""

    def __init__(self, avcc: bytes) -> None:
        """Read it. Raise Unpassable where pictures of this kind cannot be served as they are."""
        self.avcc = avcc
        try:
            found = avc.configuration(avcc)
            sequences = [avc.sequence(unit) for unit in found.sequences]
        except BadBoxes as error:
            raise Unpassable("its description cannot be read") from error
        if len(sequences) != 1:
            raise Unpassable("its description is not that of one picture")
        reasons = list(compliance.sequence(sequences[0], pixels=sequences[0].width * sequences[0].height))
        if reasons:
            raise Unpassable("; ".join(reasons))
        self.width, self.height = sequences[0].width, sequences[0].height
        self._size = found.length_size
        self._sets = {unit.rstrip(b"\0") for unit in (*found.sequences, *found.pictures)}

    def closed(self, picture: Picture) -> bool:
        """Say whether decoding can begin with a picture (IDR). Raise Unpassable where it says otherwise how.

        What avc1 describes stands in front, and samples may only repeat it (ISO/IEC 14496-15 §5.4.2.1).
        """
        if not picture.keyframe or not nal.is_idr("h264", picture.data, self._size):
            return False
        sets = avc.leading_sets(picture.data, self._size) or ()
        if not {unit.rstrip(b"\0") for unit in sets} <= self._sets:
            raise Unpassable("its parameter sets change on the way")
        return True


def judge(avcc: bytes, pictures: Sequence[Picture], *, stated: Fraction | None) -> Passage | None:
    """Say how pictures can be passed through, None while more of them have to come. Raise Unpassable.

    The first one is a keyframe; `stated` is the rate that the publisher tells, if it does.
    """
    described = Description(avcc)
    if not described.closed(pictures[0]):
        raise Unpassable("its keyframes are not ones at which decoding can begin")
    last = next((n for n, one in enumerate(pictures) if n and described.closed(one)), None)
    if last is None or pictures[last].shown - pictures[0].shown > LONGEST_MS:
        if pictures[-1].time - pictures[0].time <= LONGEST_MS:
            return None
        raise Unpassable("its keyframes are more than 2 seconds apart; set the encoder's interval to 1 or 2")
    group, following = pictures[:last], pictures[last]
    if not all(pictures[0].shown <= one.shown < following.shown for one in group):
        raise Unpassable("pictures are shown before the keyframe that they follow")
    span = following.shown - pictures[0].shown
    return Passage(
        rate=_rate(group, span, stated=stated),
        keyframes=last,
        bits=sum(len(one.data) for one in group) * 8000 // span,
    )


def grid(
    passage: Passage, *, part_seconds: Fraction, rate: Fraction, given: tuple[int, int] | None
) -> tuple[int, int]:
    """Return (frames of a part, parts of a segment) that go with the keyframes. Raise Unpassable.

    A broadcast that has begun has its `rate` and `given` ones, which stay.
    """
    if passage.rate != rate:
        raise Unpassable(f"its rate is not the {float(rate):g} frames a second that the broadcast began with")
    if given is not None:
        if math.prod(given) % passage.keyframes:
            raise Unpassable("its keyframes do not go with the segments that the broadcast began with")
        return given
    found = frames_between(part_seconds, rate, keyframes=passage.keyframes)
    if found is None:
        raise Unpassable(
            f"{passage.keyframes} frames from keyframe to keyframe have no parts"
            f" of about {float(part_seconds):g} seconds"
        )
    return found


def usual(part_seconds: Fraction, rate: Fraction) -> tuple[int, int]:
    """Return (frames of a part, parts of a segment) with which pictures may be passed through later on."""
    found = frames_between(part_seconds, rate, keyframes=max(1, round(SEGMENT_SECONDS * rate)))
    return found or frames_of(part_seconds, rate)


def _rate(group: Sequence[Picture], span: int, *, stated: Fraction | None) -> Fraction:
    """Return the rate at which each picture lies nearest to a place of its own. Raise Unpassable."""
    for rate in _rates(len(group), span, stated):
        off = abs(len(group) * 1000 / rate - span)
        places = [round((one.time - group[0].time) * rate / 1000) for one in group]
        if rate <= _FASTEST and off < 1 and places == list(range(len(group))):
            return rate
    raise Unpassable(f"its pictures do not come at one constant rate of at most {_FASTEST} a second")


def _rates(count: int, span: int, stated: Fraction | None) -> Iterator[Fraction]:
    if stated is not None:
        yield live_ladder.output_rate(stated) if stated <= _FASTEST else stated
    yield from RATES
    yield Fraction(round(Fraction(count * 1000, span)))
