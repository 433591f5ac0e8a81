"""The first tags of a publisher: kept until they tell what is sent, and there is a picture to begin with."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from statistics import median_low

from packager import aac, avc, passthrough
from packager.errors import BadBoxes, Unpassable
from packager.live_ladder import Offer
from packager.passthrough import Passage, Picture
from streamer.errors import ServerError
from streamer.ingest import flv
from streamer.ingest.errors import BadAmf
from streamer.ingest.flv import Kind, Tag
from streamer.live.pace import BURST_MS, Pace

SILENT_MS = 500
"""How long after the first picture sound may begin: later on a publisher is taken to send none."""

_MEASURED = 12
_MOST_MS = 10_000
_MOST_TAGS = 8_192
_LOWEST, _HIGHEST = Fraction(1), Fraction(240)
_SMALLEST, _LARGEST = 16, 8_192


class Unopened(ServerError):
    """What a publisher sends cannot be shown; the message says why."""


class Opening:
    """Takes tags until `offer` is known and it is `ready`; then `tags` are those to begin with.

    The rate is the one that the publisher states, else it is measured over the first pictures. For
    `passthrough` the second keyframe is waited for: then there is a `passage`, or a `refusal` that says why
    the pictures cannot be passed through. It is ready when an opening burst is over, so that the last tag is
    of now and not of a moment to come.
    """

    def __init__(self, *, passthrough: bool = False) -> None:
        self.offer: Offer | None = None
        self.passage: Passage | None = None
        self.refusal = ""
        self._passthrough = passthrough
        self._stated: Fraction | None = None
        self._configurations: dict[Kind, Tag] = {}
        self._kept: list[Tag] = []
        self._pace = Pace()
        self._timely = False

    @property
    def ready(self) -> bool:
        """Say whether one can begin."""
        return self.offer is not None and (self._timely or self.waited > BURST_MS)

    @property
    def tags(self) -> Sequence[Tag]:
        """Return the configurations, then everything from the first keyframe on."""
        return (*self._configurations.values(), *self._kept)

    @property
    def waited(self) -> int:
        """Return how many milliseconds of what is sent have come since the first keyframe."""
        return self._kept[-1].time - self._kept[0].time if self._kept else 0

    def take(self, tag: Tag, now: int) -> None:
        """Take one tag, at a time in milliseconds. Raise Unopened where no picture can come of it all."""
        if tag.kind is Kind.SCRIPT:
            self._stated = _stated(tag) or self._stated
        elif tag.configuration:
            self._configurations[tag.kind] = tag
        elif self._kept or (tag.keyframe and Kind.VIDEO in self._configurations):
            self._kept.append(tag)
            self._timely = self._pace.keeps(tag, now) or self._timely
        if self._kept and self.offer is None:
            self.offer = self._told()

    def _told(self) -> Offer | None:
        rate = self._stated or self._measured()
        if rate is None and (self.waited > _MOST_MS or len(self._kept) > _MOST_TAGS):
            raise Unopened("The publisher sends too few pictures to tell their rate.")
        if rate is None or (Kind.AUDIO not in self._configurations and self.waited < SILENT_MS):
            return None
        if self._passthrough and not self._judged():
            return None
        if self.passage is not None:
            rate = self.passage.rate
        width, height = _size(self._configurations[Kind.VIDEO])
        sound = self._configurations.get(Kind.AUDIO)
        sample_rate, channels = _sound(sound) if sound else (0, 0)
        return Offer(width=width, height=height, rate=rate, sample_rate=sample_rate, channels=channels)

    def _judged(self) -> bool:
        """Say whether it is known by now if the pictures can be passed through."""
        pictures = [picture_of(tag) for tag in self._kept if tag.kind is Kind.VIDEO]
        try:
            avcc = self._configurations[Kind.VIDEO].body
            self.passage = passthrough.judge(avcc, pictures, stated=self._stated)
        except Unpassable as error:
            self.refusal = error.message
        return self.passage is not None or bool(self.refusal)

    def _measured(self) -> Fraction | None:
        """Return the rate by the usual distance of the pictures, None while there are too few."""
        shown = sorted({tag.time + tag.offset for tag in self._kept if tag.kind is Kind.VIDEO})
        if len(shown) <= _MEASURED:
            return None
        steps = [b - a for a, b in pairwise(shown)]
        # Milliseconds round: the usual distances lie on both sides of the true one, so their mean is taken.
        usual = [step for step in steps if abs(step - median_low(steps)) <= 1]
        return max(_LOWEST, min(_HIGHEST, Fraction(1000 * len(usual), max(1, sum(usual)))))


def picture_of(tag: Tag) -> Picture:
    """Return a picture as it is passed through."""
    return Picture(time=tag.time, offset=tag.offset, keyframe=tag.keyframe, data=tag.body)


def _stated(tag: Tag) -> Fraction | None:
    try:
        said = flv.metadata(tag)
    except BadAmf:
        return None
    rate = said.frame_rate if said else None
    return rate if rate is not None and _LOWEST <= rate <= _HIGHEST else None


def _size(tag: Tag) -> tuple[int, int]:
    """Return the pixels of a picture by its first parameter set. Raise Unopened."""
    try:
        sets = avc.configuration(tag.body).sequences
        found = avc.sequence(sets[0]) if sets else None
    except BadBoxes as error:
        raise Unopened("The publisher's picture cannot be read.") from error
    sizes = (found.width, found.height) if found else (0, 0)
    if not all(_SMALLEST <= size <= _LARGEST for size in sizes):
        raise Unopened("The publisher's picture is smaller or larger than anything that can be shown.")
    return sizes


def _sound(tag: Tag) -> tuple[int, int]:
    """Return sample rate and channels. Raise Unopened."""
    try:
        found = aac.specific(tag.body)
    except BadBoxes as error:
        raise Unopened("The publisher's sound cannot be read.") from error
    if not (found.rate and found.channels):
        raise Unopened("The publisher's sound has no known rate or channels.")
    return found.rate, found.channels
