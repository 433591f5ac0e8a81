"""What an AAC track says of itself: esds (ISO/IEC 14496-1 §7.2.6), AudioSpecificConfig (14496-3 §1.6.2)."""

from __future__ import annotations

from dataclasses import dataclass

from packager.bits import Bits
from packager.errors import BadBoxes

LOW_COMPLEXITY = 2
_AUDIO = 0x40
_SPECTRAL_BAND, _PARAMETRIC = 5, 29
_EXTENSION = 0x2B7
_RATES = (
    96_000,
    88_200,
    64_000,
    48_000,
    44_100,
    32_000,
    24_000,
    22_050,
    16_000,
    12_000,
    11_025,
    8_000,
    7_350,
)
_ELEMENTARY, _DECODER, _SPECIFIC = 3, 4, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """An AudioSpecificConfig. `kind` is the audio object type, `frame` samples of an access unit.

    `extended` says that spectral bands are replicated (HE-AAC): the rate heard is twice `rate`.
    """

    kind: int
    rate: int
    channels: int
    frame: int
    extended: bool


def sound(esds: bytes) -> Sound:
    """Read the content of an esds box. Raise BadBoxes."""
    try:
        body = _descriptor(esds[4:], _ELEMENTARY)
        flags = body[2]
        place = 3 + 2 * bool(flags & 0x80) + 2 * bool(flags & 0x20)
        if flags & 0x40:
            place += 1 + body[place]
        body = _descriptor(body[place:], _DECODER)
        if body[0] != _AUDIO:
            raise BadBoxes("the sound is not MPEG-4 audio")
        return specific(_descriptor(body[13:], _SPECIFIC))
    except IndexError as error:
        raise BadBoxes("the esds box is too short") from error


def _descriptor(data: bytes, tag: int) -> bytes:
    """Return the content of the first descriptor with a tag among those that follow one another."""
    place = 0
    while place < len(data):
        found = data[place]
        size = 0
        for _ in range(4):
            place += 1
            size = size << 7 | data[place] & 0x7F
            if not data[place] & 0x80:
                break
        place += 1
        if found == tag:
            return data[place : place + size]
        place += size
    raise BadBoxes(f"the esds box has no descriptor {tag}")


def specific(configuration: bytes) -> Sound:
    """Read an AudioSpecificConfig. Raise BadBoxes."""
    bits = Bits(configuration)
    kind, rate, channels = _kind(bits), _rate(bits), bits.take(4)
    extended = kind in {_SPECTRAL_BAND, _PARAMETRIC}
    if extended:
        _rate(bits)
        kind = _kind(bits)
    frame = 960 if bits.flag() else 1024
    if bits.flag():
        bits.take(14)
    bits.take(1)
    # A decoder finds this behind the rest (§1.6.6.1).
    if not extended and bits.left >= 17 and bits.take(11) == _EXTENSION and _kind(bits) == _SPECTRAL_BAND:
        extended = bits.flag()
    return Sound(kind=kind, rate=rate, channels=channels, frame=frame, extended=extended)


def _kind(bits: Bits) -> int:
    kind = bits.take(5)
    return 32 + bits.take(6) if kind == 31 else kind


def _rate(bits: Bits) -> int:
    index = bits.take(4)
    if index == 15:
        return bits.take(24)
    return _RATES[index] if index < len(_RATES) else 0
