"""Find out from a source's first bytes whether it can be planned before the rest has come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from packager.boxes import read_header
from packager.errors import BadBoxes, Refused
from packager.following import followed
from packager.original import Original
from packager.sampletable import fragmented

MEDIA_BYTES = 256 << 10
"""Bytes of media that a probe of an MP4 is tried with: usually the first picture is in them."""

_HEAD = 64 << 10
_HEADS = 1 << 20
_BOXES = 64
_MOOV = 128 << 20
_MP4 = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid"})


class Incoming(Original, Protocol):
    """An Original whose last bytes may come before those between. `size` is None while it is not known."""

    @property
    def size(self) -> int | None:
        """Return how many bytes there will be."""

    def has(self, start: int, stop: int) -> bool:
        """Say whether bytes start to stop (excluded) are there."""

    async def changed(self) -> None:
        """Wait until more bytes are there, or all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """How a source can be taken while it arrives: followed as the container `follow`, or by its table.

    The table can be read once `enough` bytes from the start are there. Neither: only when it is whole.
    """

    follow: str = ""
    enough: int | None = None


async def foresee(original: Incoming) -> Foreseen:
    """Wait for the bytes that tell, and say how the source can be taken while the others are on their way."""
    if not await _come(original, 0, 16):
        return Foreseen()
    try:
        if (await original.read(0, 16))[4:8] in _MP4:
            return await _table(original)
        return Foreseen(follow=await _container(original))
    except (BadBoxes, Refused):
        return Foreseen()  # what it is will be said when it is whole


async def _table(original: Incoming) -> Foreseen:
    """Walk the boxes of an MP4 up to its moov; where the media come first its end has to be there."""
    start = 0
    media: int | None = None
    for _ in range(_BOXES):
        if not await _come(original, start, start + 16):
            break
        box = read_header(await original.read(start, start + 16), 0)
        if box is None:
            break
        stop = start + box.end
        if box.type == "moov":
            if box.end > _MOOV or not await _come(original, start, stop):
                break
            moov = await original.read(start, stop)
            if fragmented(moov):
                return (
                    Foreseen(follow=followed(await original.read(0, stop)) or "")
                    if media is None
                    else Foreseen()
                )
            if original.size is None:
                break
            return Foreseen(enough=min(original.size, (stop if media is None else media) + MEDIA_BYTES))
        if box.type == "mdat" and media is None:
            media = start
        start = stop
    return Foreseen()


async def _container(original: Incoming) -> str:
    """Return the container that can be followed, "" where there is none."""
    size = _HEAD
    while True:
        there = await _come(original, 0, size)
        found = followed(await original.read(0, min(size, original.received)))
        if found is not None or not there or size >= _HEADS:
            return found or ""
        size *= 2


async def _come(original: Incoming, start: int, stop: int) -> bool:
    """Wait for bytes start to stop; False where there are none."""
    while not original.has(start, stop):
        if original.whole or (original.size is not None and stop > original.size):
            return False
        await original.changed()
    return True
