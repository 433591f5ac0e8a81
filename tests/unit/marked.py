"""Markers to render and to insert."""

from __future__ import annotations

from fractions import Fraction

from packager.marker import Marker, Splice

SECTION = bytes.fromhex("fc302100000000000000fff01005000003db7fef7f7e0020f580c0000000000078d5b0ca")


def marker(moment: Fraction, *, number: int = 7, inband: bool = True, **more) -> Marker:
    """Return a marker at a moment, in seconds since the epoch."""
    return Marker(id=f"marker{number:06d}", number=number, kind="score", moment=moment, inband=inband, **more)


def spliced(moment: Fraction, *, number: int = 8, inband: bool = True) -> Marker:
    """Return one with all that a marker can have."""
    return marker(
        moment,
        number=number,
        inband=inband,
        duration=Fraction(3, 2),
        data={"title": 'A "quote", <b> & a comma', "ü": [1, None]},
        scte35=SECTION,
        splice=Splice.OUT,
    )
