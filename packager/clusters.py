"""Where the clusters of a Matroska file begin, and what a demuxer reads before them (RFC 8794, RFC 9559)."""

from __future__ import annotations

from packager.feed import Piece

_EBML = 0x1A45DFA3
_SEGMENT = 0x18538067
_INFO = 0x1549A966
_TRACKS = 0x1654AE6B
_CLUSTER = 0x1F43B675
_OPEN_SEGMENT = b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff"
"""A Segment of unknown size: what follows need not be all of it."""

_HEADER = 12
_CLUSTERS = 2_000_000


class Clusters:
    """A walk over the elements of a file whose bytes are shown in order; what it skips may be left out.

    `following` is the byte where the next element is expected, `broken` tells that this cannot be walked.
    """

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.following = 0
        self.broken = False
        self._carried = b""
        self._head: dict[int, tuple[int, int]] = {}
        self._entered = False

    @property
    def head(self) -> tuple[Piece, ...] | None:
        """Return what stands before the clusters for a demuxer, None where the file has none of it there."""
        if not {_EBML, _INFO, _TRACKS} <= self._head.keys() or self.broken:
            return None
        return (self._head[_EBML], _OPEN_SEGMENT, self._head[_INFO], self._head[_TRACKS])

    def see(self, offset: int, block: bytes) -> None:
        """Take the bytes from `offset` on."""
        end = offset + len(block)
        while not self.broken and offset <= self.following + len(self._carried) < end:
            at = self.following + len(self._carried) - offset
            raw = self._carried + block[at : at + _HEADER - len(self._carried)]
            header = _header(raw)
            if header is None:
                self.broken = len(raw) >= _HEADER
                self._carried = raw
                return
            self._carried = b""
            self._take(*header)

    def _take(self, kind: int, length: int, size: int | None) -> None:
        """Go on behind an element's header, or behind the element."""
        start = self.following
        body = start + length
        if kind == _CLUSTER:
            self.starts.append(start)
            self.broken = not self._entered or len(self.starts) > _CLUSTERS
        if kind == _SEGMENT:
            self.broken = self._entered  # a second one has its own tracks
            self._entered = True
        if kind == _SEGMENT or (kind == _CLUSTER and size is None):
            self.following = body
            return
        if size is None:
            self.broken = True
            return
        self.following = body + size
        if kind in {_EBML, _INFO, _TRACKS} and not self.starts:
            self.broken = self.broken or kind in self._head
            self._head[kind] = (start, self.following)


def _header(raw: bytes) -> tuple[int, int, int | None] | None:
    """Return (id, length of the header, size of the body or None where unknown); None where cut or wrong."""
    if not raw or not raw[0] >> 4:
        return None
    first = 9 - raw[0].bit_length()
    if len(raw) <= first or not raw[first]:
        return None
    second = 9 - raw[first].bit_length()
    if len(raw) < first + second:
        return None
    ones = (1 << 7 * second) - 1
    size = int.from_bytes(raw[first : first + second], "big") & ones
    return int.from_bytes(raw[:first], "big"), first + second, None if size == ones else size
