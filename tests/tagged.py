"""Judge received tags as a player would: which numbers are shown, how far beeps are from their flashes."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from streamer.ingest import flv
from streamer.ingest.flv import Kind, Tag
from tests.media import reader
from tests.media.clip import Clip

IN_STEP = 40
"""Milliseconds that sound may be off its picture: people notice from about 45 (ITU-R BT.1359)."""


def pictures(tags: Iterable[Tag]) -> list[Tag]:
    """Return the access units that are seen."""
    return [tag for tag in tags if tag.kind is Kind.VIDEO and not tag.configuration]


def sounds(tags: Iterable[Tag]) -> list[Tag]:
    """Return the access units that are heard."""
    return [tag for tag in tags if tag.kind is Kind.AUDIO and not tag.configuration]


class Judged:
    """What a decoder makes of the tags of one publisher."""

    def __init__(self, tags: Iterable[Tag], folder: Path) -> None:
        """Decode the tags; the folder gets a file."""
        self.path = folder / "received.flv"
        self.path.write_bytes(flv.head() + b"".join(map(flv.write, tags)))
        self.shown = reader.read_file(self.path)

    @property
    def numbers(self) -> list[int | None]:
        """The numbers drawn in the pictures, in the order in which they are shown."""
        return [number for _, number in self.shown]

    def steps(self) -> list[Fraction]:
        """Return the seconds from each picture to the next."""
        return [b - a for (a, _), (b, _) in pairwise(self.shown)]

    def apart(self, clip: Clip) -> list[Fraction]:
        """Return how many milliseconds each beep comes after its flash."""
        flashes = tuple(time for time, number in self.shown if number in clip.flash_numbers)
        beeps = reader.find_beeps(reader.read_sound_file(self.path))
        return [Fraction(one) for one in reader.Sync(flashes=flashes, beeps=beeps).offsets]
