"""Tell IDR pictures from other key pictures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packager.nal import has_nal, is_idr, length_size

SPS, SEI, IDR, SLICE = b"\x67abc", b"\x06\x05xyz", b"\x65data", b"\x41data"


def framed(*units: bytes, size: int) -> bytes:
    if size:
        return b"".join(len(unit).to_bytes(size, "big") + unit for unit in units)
    return b"".join(b"\0\0\0\1" + unit for unit in units)


@pytest.mark.parametrize("size", [0, 2, 4])
def test_first_coded_slice_counts(size: int):
    assert is_idr("h264", framed(SPS, SEI, IDR, SLICE, size=size), size) is True
    assert is_idr("h264", framed(SEI, SLICE, IDR, size=size), size) is False
    assert is_idr("h264", framed(SPS, SEI, size=size), size) is None


@pytest.mark.parametrize(("kind", "expected"), [(19, True), (20, True), (21, False), (1, False), (32, None)])
def test_hevc(kind: int, expected: bool | None):  # noqa: FBT001
    assert is_idr("hevc", framed(bytes([kind << 1, 1, 7]), size=4), 4) is expected


def test_length_size():
    assert length_size("h264", b"\x01\x64\x00\x1f\xff\xe1") == 4
    assert length_size("h264", b"\x01\x64\x00\x1f\xfd\xe1") == 2
    assert length_size("hevc", b"\x01" + bytes(20) + b"\xff") == 4
    assert length_size("h264", b"\0\0\0\x01\x67abc") == 0
    assert length_size("h264", b"") == 0


def test_codecs():
    assert has_nal("h264")
    assert not has_nal("vp9")


@given(st.binary(max_size=200), st.sampled_from(["h264", "hevc"]), st.sampled_from([0, 1, 2, 4]))
def test_noise(noise: bytes, codec: str, size: int):
    assert is_idr(codec, noise, size) in {True, False, None}
