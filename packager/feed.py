"""What a Run reads on its standard input: bytes of our own and ranges of the source, in order.

FFmpeg is never given a file that grows, and a worker reads no more of a source than its Run needs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Protocol

from pydantic import ConfigDict

from packager.original import Original

Piece = bytes | tuple[int, int]
"""Bytes as they are, or (start, stop) of a range of the source."""

_BLOCK = 1 << 20
_GAP = 64 << 10
"""What lies between two ranges is read along up to here: one longer read is cheaper than two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A stretch of a source that ffmpeg can read from a pipe.

    `format` is FFmpeg's name of what the pieces make up, and `stream` the number that the wanted track has in
    it. Its times lie `shift` whole seconds above the source's own: whole ones are exact in every time base.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    format: str
    pieces: tuple[Piece, ...]
    stream: int = 0
    shift: int = 0

    @property
    def reach(self) -> int:
        """Return how many bytes of the source have to be there."""
        return max((piece[1] for piece in self.pieces if isinstance(piece, tuple)), default=0)

    async def read(self, original: Original) -> AsyncIterator[bytes]:
        """Yield what the pieces make up, in blocks of 1 MiB at most. Raise SourceCut where bytes miss."""
        for work in _grouped(self.pieces):
            if isinstance(work, bytes):
                for at in range(0, len(work), _BLOCK):
                    yield work[at : at + _BLOCK]
                continue
            start = work[0][0]
            body = await original.read(start, work[-1][1])
            if len(work) == 1:
                yield body
            else:
                yield b"".join(body[a - start : b - start] for a, b in work)


def _grouped(pieces: Iterable[Piece]) -> Iterator[bytes | list[tuple[int, int]]]:
    """Cut long ranges, and put near ones that one read brings in into one list."""
    near: list[tuple[int, int]] = []
    for piece in pieces:
        if isinstance(piece, bytes):
            if near:
                yield near
            near = []
            yield piece
            continue
        for start in range(*piece, _BLOCK):
            stop = min(piece[1], start + _BLOCK)
            if near and not (0 <= start - near[-1][1] <= _GAP and stop - near[0][0] <= _BLOCK):
                yield near
                near = []
            near.append((start, stop))
    if near:
        yield near


class Feeder(Protocol):
    """Cuts feeds out of a source whose samples it can find."""

    def stretch(self, track: int, begin: Fraction, end: Fraction, *, early: bool = False) -> Feed | None:
        """Return what shows or sounds from `begin` to `end`, container time in seconds, and what it needs.

        All that decodes to that time is in it, from a sync sample before `begin` on; `early` begins one sync
        sample before that one. None where the container gives no way to find it.
        """
