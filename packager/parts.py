"""Gathers the samples of a live encoder into parts: the chunks of which a segment is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from packager import boxes
from packager.boxes import Entry
from packager.cutter import Sample
from packager.errors import SegmentMismatch
from packager.life import Life
from packager.timeline import AAC_FRAME

_NTP_EPOCH = 2_208_988_800
"""Seconds from NTP's epoch, 1900, to 1970 (RFC 5905 §6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One CMAF chunk. A segment is its parts, one behind the other, and nothing else.

    `begin` and `end` are ticks of the rendition; `independent` says that decoding can begin with it, `last`
    that it ends its segment.
    """

    rendition: str
    segment: int
    number: int
    begin: int
    end: int
    independent: bool
    last: bool
    body: bytes


class Gather(Protocol):
    """Takes samples as they are encoded and returns each part once it is complete."""

    def add(self, sample: Sample) -> list[Part]:
        """Take one sample. Raise SegmentMismatch where it is not the one that comes next."""

    def end(self) -> list[Part]:
        """Close what is left, as the last and shorter part of its segment."""


def gather(life: Life, name: str) -> Gather:
    """Return what gathers a rendition of a life."""
    return _Sound(life, name) if life.is_sound(name) else _Pictures(life, name)


class Gatherer:
    """Counts samples into parts. Where parts end follows from the life; what comes in must be just that."""

    def __init__(self, life: Life, name: str) -> None:
        self._life = life
        self._name = name
        self._segment = 0
        self._part = 0
        self._pending: list[Sample] = []

    def end(self) -> list[Part]:
        """Close what is left."""
        return [self._close(last=True)] if self._pending else []

    def _stop(self) -> int:
        return self._life.border(self._name, self._segment, self._part + 1)

    def _close(self, *, last: bool) -> Part:
        samples, self._pending = self._pending, []
        begin, end = samples[0].decoded, samples[-1].decoded + samples[-1].duration
        part = Part(
            rendition=self._name,
            segment=self._segment,
            number=self._part,
            begin=begin,
            end=end,
            independent=samples[0].sync,
            last=last,
            body=(boxes.SEGMENT_TYPE if self._part == 0 else b"")
            + _reference_time(self._life, self._name, begin)
            + fragment(samples, sequence=self._segment * self._life.parts + self._part + 1),
        )
        self._segment, self._part = (self._segment + 1, 0) if last else (self._segment, self._part + 1)
        return part

    def _taken(self, sample: Sample) -> list[Part]:
        self._pending.append(sample)
        if sample.decoded + sample.duration < self._stop():
            return []
        return [self._close(last=self._part + 1 == self._life.parts)]


class _Pictures(Gatherer):
    """Gathers frames, which come at a constant rate in the order in which they are shown."""

    def __init__(self, life: Life, name: str) -> None:
        super().__init__(life, name)
        self._frames = 0

    def add(self, sample: Sample) -> list[Part]:
        """Take one frame. Raise SegmentMismatch where its time or its kind is not the next one's."""
        step = self._life.frame_ticks
        if sample.time != self._frames * step:
            raise SegmentMismatch(
                f"{self._name}: frame {self._frames} is not where it belongs",
                evidence=f"{sample.time}, {step}",
            )
        if self._frames % self._life.segment_frames == 0 and not sample.sync:
            raise SegmentMismatch(f"{self._name}: segment {self._segment} does not begin with an IDR picture")
        self._frames += 1
        return self._taken(Sample(time=sample.time, duration=step, sync=sample.sync, data=sample.data))


class _Sound(Gatherer):
    """Gathers AAC access units by count, as the encoder makes one of every 1024 samples."""

    def __init__(self, life: Life, name: str) -> None:
        super().__init__(life, name)
        self._units: int | None = None

    def add(self, sample: Sample) -> list[Part]:
        """Take one access unit.

        The first one is the encoder's priming, which is as good as silent: it stands for what lacks before
        sound that begins later than the picture, and is left out where nothing does.
        """
        if self._units is None:
            missing = (sample.time + AAC_FRAME + AAC_FRAME // 2) // AAC_FRAME
            self._units = 0
            return [part for _ in range(missing) for part in self._unit(sample)]
        return self._unit(sample)

    def _unit(self, sample: Sample) -> list[Part]:
        unit, self._units = self._units or 0, (self._units or 0) + 1
        return self._taken(Sample(time=unit * AAC_FRAME, duration=AAC_FRAME, sync=True, data=sample.data))


def fragment(samples: Sequence[Sample], *, sequence: int) -> bytes:
    """Write samples in the order in which they are decoded as one moof and its mdat."""
    entries = [
        Entry(duration=one.duration, size=len(one.data), sync=one.sync, offset=one.offset) for one in samples
    ]
    moof = boxes.movie_fragment(sequence=sequence, decode_time=samples[0].decoded, entries=entries)
    return moof + boxes.box("mdat", *(one.data for one in samples))


def _reference_time(life: Life, name: str, begin: int) -> bytes:
    """Write the prft box (ISO/IEC 14496-12 §8.16.5): the wall clock when what follows was encoded."""
    scale = life.scale(name)
    millis = life.started + begin * 1000 // scale
    ntp = ((millis // 1000 + _NTP_EPOCH) << 32) + (millis % 1000 << 32) // 1000
    return boxes.full_box("prft", 1, 0, (1).to_bytes(4), (ntp & (1 << 64) - 1).to_bytes(8), begin.to_bytes(8))


def sizes(segment: bytes) -> list[int]:
    """Return how many bytes each part of a segment has: a part ends with its mdat. Raise BadBoxes."""
    ends = [0, *(box.end for box in boxes.walk(segment) if box.type == "mdat")]
    return [end - begin for begin, end in pairwise(ends)]
