"""The top rung of a life that is the publisher's own pictures: put into parts, and not encoded."""

from __future__ import annotations

from dataclasses import replace

from packager import description
from packager.cutter import Sample
from packager.errors import Unpassable
from packager.life import Life
from packager.parts import Gatherer, Part
from packager.passthrough import Description, Picture


class Passed:
    """Takes the pictures of one publisher in the order in which they are decoded.

    They lie on the grid of the life: their milliseconds are rounded to its frames, which takes back how FLV
    has rounded them. Decode times are moved so that the first picture is decoded and shown at 0; what is
    decoded before it is shown has negative offsets, and there is no edit list.
    """

    def __init__(self, life: Life) -> None:
        self._life = life
        self._parts = _Parts(life, life.names[0])
        self._described: Description | None = None
        self._first: Picture | None = None
        self._end = 0

    @property
    def lead(self) -> int:
        """Return when the first picture is shown, in milliseconds of the publisher's: media time 0."""
        return self._first.shown if self._first is not None else 0

    def describe(self, avcc: bytes) -> bytes | None:
        """Take the decoder configuration; return the init, once. Raise Unpassable where it is another one."""
        if self._described is not None:
            if avcc != self._described.avcc:
                raise Unpassable("its description changes on the way")
            return None
        self._described = Description(avcc)
        size = {"width": self._described.width, "height": self._described.height}
        stsd = description.pictures(avcc, **size)
        return description.init(stsd, timescale=self._life.timescale, handler="vide", **size)

    def add(self, picture: Picture) -> tuple[Sample, list[Part]]:
        """Take one picture; return it as it is shown, and what part it completes. Raise Unpassable."""
        if self._described is None:
            raise Unpassable("a picture comes before its description")
        self._first = first = self._first or picture
        step = self._life.frame_ticks
        decoded, shown = self._place(picture.time - first.time), self._place(picture.shown - first.shown)
        if decoded * step < self._end:
            raise Unpassable("its pictures do not come at a constant rate")
        # One that follows a hole is decoded earlier and lasts longer: decode times have no holes.
        sample = Sample(
            time=shown * step,
            duration=(decoded + 1) * step - self._end,
            sync=self._described.closed(picture),
            data=picture.data,
            offset=shown * step - self._end,
        )
        self._end = (decoded + 1) * step
        return sample, self._parts.add(sample)

    def end(self) -> list[Part]:
        """Close what is left, as the last and shorter part of its segment."""
        return self._parts.end()

    def _place(self, time: int) -> int:
        return round(time * self._life.rate / 1000)


class _Parts(Gatherer):
    """Gathers pictures into parts that end where those of every rung do, whatever is missing between."""

    def add(self, sample: Sample) -> list[Part]:
        """Take one picture. Raise Unpassable where it cannot be the next one."""
        stop, end = self._stop(), sample.decoded + sample.duration
        found: list[Part] = []
        if sample.decoded < stop < end:
            # Pictures around the border are missing: the one before lasts up to it, this one from there on.
            if not self._pending:
                raise Unpassable("pictures of more than a part are missing")
            self._pending[-1] = replace(self._pending[-1], duration=stop - self._pending[-1].decoded)
            found.append(self._close(last=self._part + 1 == self._life.parts))
            sample = replace(sample, offset=sample.time - stop, duration=end - stop)
            stop = self._stop()
        if end > stop:
            raise Unpassable("pictures of more than a part are missing")
        self._judge(sample)
        return found + self._taken(sample)

    def _judge(self, sample: Sample) -> None:
        begin, end = (self._life.border(self._name, self._segment + n) for n in (0, 1))
        if sample.decoded == begin and not (sample.sync and sample.time == begin):
            raise Unpassable(
                "no keyframe begins a segment; have the encoder keep its interval (x264: scenecut=0)"
            )
        if not begin <= sample.time < end:
            raise Unpassable("pictures are shown before the keyframe that they follow")
