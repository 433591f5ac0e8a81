"""An upload as objects of a store: which pieces make up its bytes, whoever wrote them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

PIECE_BYTES = 8 << 20
"""Where pieces end: one that is whole holds all bytes between two multiples of this."""

_NAME = re.compile(r"([0-9]{6})-([0-9]{15})-([0-9]{15})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Bytes start to stop (excluded) of an upload, written in a term: while one server had it in hand."""

    term: int
    start: int
    stop: int

    @property
    def name(self) -> str:
        """Return the last part of its key."""
        return f"{self.term:06d}-{self.start:015d}-{self.stop:015d}"


def piece_of(name: str) -> Piece | None:
    """Return the piece of a name, None for any other."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    term, start, stop = map(int, found.groups())
    return Piece(term=term, start=start, stop=stop)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A piece as far as its bytes count: up to `stop`."""

    piece: Piece
    stop: int


def laid(pieces: Iterable[Piece]) -> tuple[Span, ...]:
    """Return the pieces that hold the bytes from the first one on without a hole, in order.

    Each begins where the one before it ends, or within that. Where a later term begins, earlier ones end:
    what a server wrote there after it had lost the upload does not count.
    """
    left = sorted(_counted(pieces), key=lambda one: one.piece.start, reverse=True)
    found: list[Span] = []
    reached = 0
    while True:
        best: Span | None = None
        while left and left[-1].piece.start <= reached:
            one = left.pop()
            if one.stop > (reached if best is None else best.stop):
                best = one
        if best is None:
            return tuple(found)
        found.append(best)
        reached = best.stop


def _counted(pieces: Iterable[Piece]) -> Iterator[Span]:
    every = tuple(pieces)
    begins: dict[int, int] = {}
    for piece in every:
        begins[piece.term] = min(piece.start, begins.get(piece.term, piece.start))
    for piece in every:
        later = [start for term, start in begins.items() if term > piece.term]
        yield Span(piece=piece, stop=min([piece.stop, *later]))


def end_of(spans: Sequence[Span]) -> int:
    """Return how many bytes from the first one on there are."""
    return spans[-1].stop if spans else 0
