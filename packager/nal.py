"""Read the units (NAL) of H.264 and HEVC as far as to tell whether a picture is a refresh (IDR)."""

from __future__ import annotations

from collections.abc import Iterator

# First byte after the length or start code: H.264 §7.3.1, HEVC §7.3.1.2.
_IDR = {"h264": frozenset({5}), "hevc": frozenset({19, 20})}
_CODED = {"h264": range(1, 6), "hevc": range(32)}


def has_nal(codec: str) -> bool:
    """Say whether a codec's key flag has to be checked against its units."""
    return codec in _IDR


def is_idr(codec: str, head: bytes, length_size: int) -> bool | None:
    """Say whether the first coded slice in the head of a sample is IDR; None where the head is too short.

    `length_size` is bytes of each unit's length (avcC, hvcC), 0 for start codes (Annex B).
    """
    units = _lengths(head, length_size) if length_size else _start_codes(head)
    for place in units:
        kind = head[place] & 31 if codec == "h264" else head[place] >> 1 & 63
        if kind in _CODED[codec]:
            return kind in _IDR[codec]
    return None


def length_size(codec: str, configuration: bytes) -> int:
    """Return how many bytes a unit's length has, by the decoder configuration; 0 for start codes."""
    place = 4 if codec == "h264" else 21
    # avcC and hvcC begin with version 1; Annex B extradata begins with a start code.
    if len(configuration) <= place or configuration[0] != 1:
        return 0
    return (configuration[place] & 3) + 1


def _lengths(head: bytes, size: int) -> Iterator[int]:
    """Yield where each unit's first byte is, units being preceded by their length."""
    place = 0
    while place + size < len(head):
        unit = place + size
        yield unit
        place = unit + int.from_bytes(head[place:unit], "big")


def _start_codes(head: bytes) -> Iterator[int]:
    """Yield where each unit's first byte is, units being preceded by 00 00 01."""
    place = head.find(b"\0\0\1")
    while 0 <= place < len(head) - 3:
        yield place + 3
        place = head.find(b"\0\0\1", place + 3)
