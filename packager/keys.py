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


def part(generation: str, rendition: str, number: int, place: int) -> str:
    """Return the key of one part of a live segment; both count from 0."""
    return f"{generation}/{rendition}/{number}.{place}.m4s"


def text(generation: str, rendition: str) -> str:
    """Return the key of a text rendition, one WebVTT file for the whole duration."""
    return f"{generation}/{rendition}/0.vtt"


def poster(generation: str) -> str:
    """Return the key of the asset's poster picture."""
    return f"{generation}/poster.jpg"


def passing_posters(generation: str) -> str:
    """Return what the keys of posters of what is on air begin with."""
    return f"{generation}/poster/"


def passing_poster(generation: str, number: int) -> str:
    """Return the key of the poster of what is on air, of this segment: another one takes its place."""
    return f"{passing_posters(generation)}{number}.jpg"


def storyboard(generation: str) -> str:
    """Return the key of the storyboard's WebVTT index."""
    return f"{generation}/storyboard.vtt"


def sprite(generation: str, number: int) -> str:
    """Return the key of one sprite sheet of the storyboard."""
    return f"{generation}/storyboard/{number}.jpg"


_FOLDER = r"(?P<generation>[a-z0-9][a-z0-9_-]{0,63})/(?P<rendition>[a-z0-9][a-z0-9_-]{0,63})"
_NUMBER = r"(?P<number>0|[1-9][0-9]{0,8})"
_SEGMENT = re.compile(rf"{_FOLDER}/{_NUMBER}\.m4s")
_PART = re.compile(rf"{_FOLDER}/{_NUMBER}\.(?P<place>0|[1-9][0-9]{{0,8}})\.m4s")
_INIT = re.compile(rf"{_FOLDER}/init\.mp4")


def parse_segment(key: str) -> tuple[str, str, int] | None:
    """Return (generation, rendition, number) where the key names a media segment, else None."""
    found = _SEGMENT.fullmatch(key)
    if found is None:
        return None
    return found["generation"], found["rendition"], int(found["number"])


def parse_part(key: str) -> tuple[str, str, int, int] | None:
    """Return (generation, rendition, segment, part) where the key names a part, else None."""
    found = _PART.fullmatch(key)
    if found is None:
        return None
    return found["generation"], found["rendition"], int(found["number"]), int(found["place"])


def parse_init(key: str) -> tuple[str, str] | None:
    """Return (generation, rendition) where the key names an init segment, else None."""
    found = _INIT.fullmatch(key)
    return (found["generation"], found["rendition"]) if found else None
