"""Read what H.264 and AAC tracks say of themselves; what cannot be read is BadBoxes and nothing else."""

from __future__ import annotations

import contextlib
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packager import aac, avc
from packager.errors import BadBoxes

ASPECTS = {0: None, 1: Fraction(1), 255: Fraction(4, 3)}


class Writer:
    """Writes bits, as the standards do."""

    def __init__(self) -> None:
        self.text = ""

    def put(self, value: int, count: int) -> Writer:
        self.text += f"{value:0{count}b}" if count else ""
        return self

    def ue(self, value: int) -> Writer:
        code = f"{value + 1:b}"
        self.text += "0" * (len(code) - 1) + code
        return self

    def se(self, value: int) -> Writer:
        return self.ue(2 * value - 1 if value > 0 else -2 * value)

    def body(self) -> bytes:
        text = self.text + "1"
        text += "0" * (-len(text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, "big")


def escaped(body: bytes) -> bytes:
    """Return a unit's content with the bytes that keep start codes out of it (H.264 §7.4.1)."""
    out, zeros = bytearray(), 0
    for byte in body:
        if zeros == 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)


def sps(
    *,
    profile: int,
    level: int = 40,
    chroma: int = 1,
    deeper: int = 0,
    scaling: list[int] | None = None,
    order: int = 0,
    frames_only: bool = True,
    crop: bool = False,
    aspect: int | None = None,
    full_range: bool | None = None,
) -> bytes:
    """Write a sequence parameter set; without `aspect` it has no usability information."""
    bits = Writer().put(profile, 8).put(0, 8).put(level, 8).ue(0)
    if profile in {100, 110}:
        bits.ue(chroma).put(0, 1 if chroma == 3 else 0).ue(0).ue(deeper).put(0, 1)
        bits.put(scaling is not None, 1)
        for number in range(0 if scaling is None else 12 if chroma == 3 else 8):
            bits.put(number == 0, 1)
            if number == 0:
                _lists(bits, scaling or [])
    bits.ue(4).ue(order)
    if order == 0:
        bits.ue(2)
    elif order == 1:
        bits.put(0, 1).se(-1).se(2).ue(3).se(1).se(-1).se(0)
    bits.ue(4).put(0, 1).ue(119).ue(67).put(frames_only, 1)
    bits.put(0, 1 if frames_only else 2).put(crop, 1)
    if crop:
        bits.ue(0).ue(0).ue(0).ue(4)
    bits.put(aspect is not None, 1)
    if aspect is not None:
        bits.put(aspect > 0, 1)
        if aspect:
            bits.put(aspect, 8)
        if aspect == 255:
            bits.put(4, 16).put(3, 16)
        bits.put(1, 1).put(1, 1)
        bits.put(full_range is not None, 1)
        if full_range is not None:
            bits.put(5, 3).put(full_range, 1).put(0, 1)
    return b"\x67" + escaped(bits.body())


def _lists(bits: Writer, deltas: list[int]) -> None:
    last = following = 8
    for place in range(16):
        if following:
            delta = deltas[place % len(deltas)] if deltas else 0
            bits.se(delta)
            following = (last + delta) % 256
        last = following or last


@given(
    profile=st.sampled_from([66, 77, 100, 110]),
    level=st.sampled_from([9, 30, 40, 51]),
    chroma=st.sampled_from([0, 1, 2, 3]),
    deeper=st.sampled_from([0, 2]),
    scaling=st.none() | st.lists(st.integers(-8, 8), min_size=1, max_size=5),
    order=st.integers(0, 2),
    frames_only=st.booleans(),
    crop=st.booleans(),
    aspect=st.sampled_from([None, 0, 1, 14, 255]),
    full_range=st.sampled_from([None, False, True]),
)
def test_a_parameter_set_is_read_as_it_was_written(**said):
    found = avc.sequence(sps(**said))
    high = said["profile"] >= 100
    assert (found.profile, found.level, found.frames_only) == (
        said["profile"],
        said["level"],
        said["frames_only"],
    )
    assert (found.chroma, found.depth) == ((said["chroma"], 8 + said["deeper"]) if high else (1, 8))
    fields = 1 if said["frames_only"] else 2
    cropped = 4 * fields * (2 if found.chroma == 1 else 1) if said["crop"] else 0
    assert (found.width, found.height) == (1920, 1088 * fields - cropped)
    if said["aspect"] is None:
        assert (found.aspect, found.full_range) == (None, False)
    else:
        assert found.full_range == bool(said["full_range"])
        assert found.aspect == ASPECTS.get(said["aspect"], found.aspect)
        assert (found.aspect in {None, 1}) == (said["aspect"] in {0, 1})


@given(st.binary(max_size=80))
def test_whatever_the_bytes_are_nothing_but_bad_boxes_is_raised(body):
    for read in (
        avc.sequence,
        avc.configuration,
        aac.sound,
        lambda body: avc.sequence(b"\x67" + body),
        lambda body: avc.configuration(b"\1" + body),
        lambda body: aac.sound(bytes(4) + b"\3" + body),
        lambda body: avc.leading_sets(body, 4),
    ):
        with contextlib.suppress(BadBoxes):
            read(body)


def test_a_configuration_is_its_sets():
    first, second = sps(profile=100), b"\x68\xee\x3c\x80"
    avcc = b"\1\x64\0\x28\xff\xe1" + len(first).to_bytes(2, "big") + first
    avcc += b"\1" + len(second).to_bytes(2, "big") + second
    found = avc.configuration(avcc)
    assert (found.length_size, found.sequences, found.pictures) == (4, (first,), (second,))
    for cut in range(len(avcc)):
        with pytest.raises(BadBoxes):
            avc.configuration(avcc[:cut])


def _units(*units: bytes) -> bytes:
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)


def test_sets_before_the_first_slice_are_found():
    sets, pictures = b"\x67abc", b"\x68de"
    sample = _units(b"\x09\x10", sets, b"\x06sei", pictures, b"\x65" + bytes(100), b"\x68later")
    assert avc.leading_sets(sample, 4) == (sets, pictures)
    assert avc.leading_sets(_units(b"\x65slice"), 4) == ()
    assert avc.leading_sets(sample[:14], 4) is None
    assert avc.leading_sets(_units(b"\x06only"), 4) is None


def esds(specific: bytes, *, kind: int = 0x40, flags: int = 0, extra: bytes = b"") -> bytes:
    inner = b"\5" + bytes([0x80, 0x80, 0x80, len(specific)]) + specific
    decoder = bytes([kind]) + bytes(12) + inner
    body = b"\0\1" + bytes([flags]) + extra + b"\4" + bytes([len(decoder)]) + decoder
    return bytes(4) + b"\3" + bytes([len(body)]) + body


@pytest.mark.parametrize(
    ("specific", "expected"),
    [
        ("1190", (2, 48_000, 2, 1024, False)),
        ("1210", (2, 44_100, 2, 1024, False)),
        ("119056e500", (2, 48_000, 2, 1024, False)),  # FFmpeg says outright that no bands are replicated
        ("119056e580", (2, 48_000, 2, 1024, True)),
        ("2b920800", (2, 22_050, 2, 1024, True)),
        ("1194", (2, 48_000, 2, 960, False)),
        ("0990", (1, 48_000, 2, 1024, False)),
        ("11b0", (2, 48_000, 6, 1024, False)),
    ],
)
def test_an_audio_configuration_is_read(specific, expected):
    for box in (
        esds(bytes.fromhex(specific)),
        esds(bytes.fromhex(specific), flags=0xA0, extra=bytes(4)),
        esds(bytes.fromhex(specific), flags=0x40, extra=b"\2ab"),
    ):
        found = aac.sound(box)
        assert (found.kind, found.rate, found.channels, found.frame, found.extended) == expected
    with pytest.raises(BadBoxes):
        aac.sound(esds(bytes.fromhex(specific), kind=0x6B))
