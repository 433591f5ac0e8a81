"""Captions that were uploaded, as manifests name them."""

from __future__ import annotations

from fractions import Fraction

from packager.model import Kind, Rendition
from streamer.rows import Caption


def rendition(caption: Caption, duration: Fraction) -> Rendition:
    """Return what manifests say of uploaded captions; their key has a hash for a generation."""
    prefix = caption.key.rpartition("/")[0]
    return Rendition(
        name=prefix.rpartition("/")[2],
        kind=Kind.TEXT,
        prefix=prefix,
        codecs="wvtt",
        timescale=1000,
        borders=(0, int(duration * 1000)),
        bandwidth=1000,
        language=caption.language,
        title=caption.label,
    )
