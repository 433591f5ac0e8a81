"""What a Run reads on its standard input: bytes of our own and ranges of the source, in order.

FFmpeg is never given a file that grows, and a worker reads no more of a source than its Run needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Protocol

from pydantic import ConfigDict

Piece = bytes | tuple[int, int]
"""Bytes as they are, or (start, stop) of a range of the source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A stretch of a source that ffmpeg can read from a pipe.

    `format` is FFmpeg's name of what the pieces make up; it holds one track, the wanted one, unless it is a
    stretch of the container as it is. Its times lie `shift` ticks above the source's own.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    format: str
    pieces: tuple[Piece, ...]
    shift: int = 0

    @property
    def reach(self) -> int:
        """Return how many bytes of the source have to be there."""
        return max((piece[1] for piece in self.pieces if isinstance(piece, tuple)), default=0)


class Feeder(Protocol):
    """Cuts feeds out of a source whose samples it can find."""

    def stretch(self, track: int, begin: Fraction, end: Fraction, *, early: bool = False) -> Feed | None:
        """Return what shows or sounds from `begin` to `end`, container time in seconds, and what it needs.

        All that decodes to that time is in it, from a sync sample before `begin` on; `early` begins one sync
        sample before that one. None where the container gives no way to find it.
        """
