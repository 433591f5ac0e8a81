"""What an H.264 track says of itself: avcC (ISO/IEC 14496-15 §5.3.3), sequence parameter sets (§7.3.2.1)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from packager.bits import Bits
from packager.errors import BadBoxes

_SEQUENCE, _PICTURE = 7, 8
_SLICES = range(1, 6)
# Profiles whose sets say more of the samples (§7.3.2.1.1).
_HIGH = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135}
_MONOCHROME, _SEPARATE = 0, 3
_EXTENDED_ASPECT = 255
_MOST_SETS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """An avcC box: `length_size` bytes stand before each unit of a sample."""

    length_size: int
    sequences: tuple[bytes, ...]
    pictures: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """A sequence parameter set. `chroma` is chroma_format_idc, `level` ten times the level.

    `width` and `height` are pixels after cropping. `aspect` is None where it is not said, `frames_only` says
    that no picture can be coded as fields.
    """

    profile: int
    level: int
    width: int
    height: int
    chroma: int
    depth: int
    frames_only: bool
    aspect: Fraction | None
    full_range: bool


def configuration(avcc: bytes) -> Configuration:
    """Read the content of an avcC box. Raise BadBoxes."""
    if len(avcc) < 7 or avcc[0] != 1:
        raise BadBoxes("the avcC box cannot be read")
    sequences, place = _sets(avcc, 6, avcc[5] & 31)
    if place >= len(avcc):
        raise BadBoxes("the avcC box is too short")
    pictures, _ = _sets(avcc, place + 1, avcc[place])
    return Configuration(length_size=(avcc[4] & 3) + 1, sequences=sequences, pictures=pictures)


def _sets(avcc: bytes, place: int, count: int) -> tuple[tuple[bytes, ...], int]:
    found = []
    for _ in range(min(count, _MOST_SETS)):
        size = int.from_bytes(avcc[place : place + 2], "big")
        body = avcc[place + 2 : place + 2 + size]
        if not size or len(body) != size:
            raise BadBoxes("a parameter set is longer than its box")
        found.append(body)
        place += 2 + size
    return tuple(found), place


def sequence(unit: bytes) -> Sequence:
    """Read a sequence parameter set, its unit header included. Raise BadBoxes."""
    if not unit or unit[0] & 31 != _SEQUENCE:
        raise BadBoxes("a unit is no sequence parameter set")
    bits = Bits(unit[1:].replace(b"\0\0\3", b"\0\0"))
    profile, _, level = bits.take(8), bits.take(8), bits.take(8)
    bits.unsigned()
    chroma, depth = _samples(bits) if profile in _HIGH else (1, 8)
    _order(bits)
    bits.unsigned()  # max_num_ref_frames
    bits.take(1)
    across, down = bits.unsigned() + 1, bits.unsigned() + 1  # in macroblocks, of both fields' half
    frames_only = bits.flag()
    bits.take(1 if frames_only else 2)
    left, right, top, bottom = (bits.unsigned() for _ in range(4)) if bits.flag() else (0, 0, 0, 0)
    # Table 6-1: 4:2:0 halves both, 4:2:2 the columns; frame_cropping counts in samples of both (§7.4.2.1.1).
    column, row = (2 if chroma in {1, 2} else 1), (2 if chroma == 1 else 1) * (1 if frames_only else 2)
    aspect, full_range = _usability(bits) if bits.flag() else (None, False)
    return Sequence(
        profile=profile,
        level=level,
        width=16 * across - column * (left + right),
        height=16 * down * (1 if frames_only else 2) - row * (top + bottom),
        chroma=chroma,
        depth=depth,
        frames_only=frames_only,
        aspect=aspect,
        full_range=full_range,
    )


def _samples(bits: Bits) -> tuple[int, int]:
    """Return (chroma_format_idc, bits of the deeper plane), past the scaling lists."""
    chroma = bits.unsigned()
    if chroma == _SEPARATE:
        bits.take(1)
    depth = 8 + max(bits.unsigned(), bits.unsigned())
    bits.take(1)
    if bits.flag():
        for number in range(8 if chroma != _SEPARATE else 12):
            if bits.flag():
                _skip_list(bits, 16 if number < 6 else 64)
    return chroma, depth


def _skip_list(bits: Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


def _order(bits: Bits) -> None:
    """Read past the picture order count."""
    bits.unsigned()
    kind = bits.unsigned()
    if kind == 0:
        bits.unsigned()
    elif kind == 1:
        bits.take(1)
        bits.signed()
        bits.signed()
        for _ in range(min(bits.unsigned(), 255)):
            bits.signed()


def _usability(bits: Bits) -> tuple[Fraction | None, bool]:
    """Return (sample aspect ratio, whether the range is full) of the usability information (§E.1.1)."""
    aspect: Fraction | None = None
    if bits.flag():
        kind = bits.take(8)
        if kind == _EXTENDED_ASPECT:
            across, down = bits.take(16), bits.take(16)
            aspect = Fraction(across, down) if across and down else None
        elif kind:
            # Of the listed ratios only the first is square; what the others are makes no difference here.
            aspect = Fraction(1) if kind == 1 else Fraction(kind)
    if bits.flag():
        bits.take(1)
    if not bits.flag():
        return aspect, False
    bits.take(3)
    return aspect, bits.flag()


def leading_sets(head: bytes, length_size: int) -> tuple[bytes, ...] | None:
    """Return the parameter sets before a sample's first coded slice; None where the head is too short."""
    found: list[bytes] = []
    place = 0
    while place + length_size < len(head):
        unit = place + length_size
        place = unit + int.from_bytes(head[place:unit], "big")
        kind = head[unit] & 31
        if place > unit and kind in _SLICES:
            return tuple(found)
        if place > unit and kind in {_SEQUENCE, _PICTURE}:
            if place > len(head):
                return None
            found.append(head[unit:place])
    return None
