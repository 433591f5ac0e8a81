"""Tell by its first bytes whether a source can be followed while it arrives."""

from __future__ import annotations

from packager import transport
from packager.boxes import read_header
from packager.errors import BadBoxes
from packager.sampletable import fragmented

_ENOUGH = 1024
_MOOV = 8 << 20
_MATROSKA = b"\x1a\x45\xdf\xa3"


def followed(head: bytes) -> str | None:
    """Return FFmpeg's name of the container by a source's first bytes, "" where it has to be whole.

    None asks for more bytes: the moov of an MP4 says whether it is fragmented.
    """
    if len(head) < _ENOUGH:
        return None
    if head.startswith(_MATROSKA):
        return "matroska"
    if transport.stride(head) is not None:
        return "mpegts"
    return _fragmented(head) if head[4:8] in {b"ftyp", b"moov", b"styp"} else ""


def _fragmented(head: bytes) -> str | None:
    try:
        body = moov(head)
        if body is None:
            return None
        return "mov" if body and fragmented(body) else ""
    except BadBoxes:
        return ""


def moov(head: bytes) -> bytes | None:
    """Return the moov of an MP4, None until it is there, b"" where media come first or it is very large.

    Raise BadBoxes.
    """
    place = 0
    while True:
        box = read_header(head, place)
        if box is None:
            return None
        if box.type in {"mdat", "moof"} or box.end - place > _MOOV or not box.end > place:
            return b""
        if box.type == "moov":
            return bytes(head[place : box.end]) if box.end <= len(head) else None
        place = box.end
