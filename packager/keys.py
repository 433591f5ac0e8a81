"""The one naming scheme: store key = URL path = S3 key, relative to the asset's root.

Everything under a generation is immutable; manifests stand outside, because they change.
"""

from __future__ import annotations

import re

MULTIVARIANT = "main.m3u8"
MPD = "main.mpd"

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def playlist(rendition: str) -> str:
    """Return the key of a rendition's HLS media playlist."""
    return f"{rendition}.m3u8"


def init(generation: str, rendition: str) -> str:
    """Return the key of a rendition's init segment."""
    return f"{generation}/{rendition}/init.mp4"


def segment(generation: str, rendition: str, number: int) -> str:
    """Return the key of a rendition's media segment; numbers count from 0."""
    return f"{generation}/{rendition}/{number}.m4s"


def text(generation: str, rendition: str) -> str:
    """Return the key of a text rendition, one WebVTT file for the whole duration."""
    return f"{generation}/{rendition}/0.vtt"


def poster(generation: str) -> str:
    """Return the key of the asset's poster picture."""
    return f"{generation}/poster.jpg"


def storyboard(generation: str) -> str:
    """Return the key of the storyboard's WebVTT index."""
    return f"{generation}/storyboard.vtt"


def sprite(generation: str, number: int) -> str:
    """Return the key of one sprite sheet of the storyboard."""
    return f"{generation}/storyboard/{number}.jpg"


_SEGMENT = re.compile(
    r"(?P<generation>[a-z0-9][a-z0-9_-]{0,63})/(?P<rendition>[a-z0-9][a-z0-9_-]{0,63})/(?P<number>0|[1-9][0-9]{0,8})\.m4s"
)


def parse_segment(key: str) -> tuple[str, str, int] | None:
    """Return (generation, rendition, number) where the key names a media segment, else None."""
    found = _SEGMENT.fullmatch(key)
    if found is None:
        return None
    return found["generation"], found["rendition"], int(found["number"])
