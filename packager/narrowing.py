"""Leave rungs out of a multivariant playlist or an MPD, line by line of what is rendered here."""

from __future__ import annotations

import re
from collections.abc import Callable

Granted = Callable[[str], bool]
"""Says whether a rendition may stay, by its name."""

_URI = re.compile(r'URI="([^"/]+)\.m3u8"')
_REPRESENTATION = re.compile(r'<Representation id="([^"]*)"')
_SET = re.compile(r"<AdaptationSet\b.*?</AdaptationSet>\n?", re.DOTALL)


def multivariant(text: str, granted: Granted) -> str:
    """Return the playlist without the variants that are not granted."""
    kept: list[str] = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            if granted(line.removesuffix(".m3u8")):
                kept.append(line)
            elif kept and kept[-1].startswith("#EXT-X-STREAM-INF"):
                kept.pop()
            continue
        trick = _URI.search(line) if line.startswith("#EXT-X-I-FRAME-STREAM-INF") else None
        if trick is None or granted(trick[1]):
            kept.append(line)
    return "\n".join(kept) + "\n"


def mpd(text: str, granted: Granted) -> str:
    """Return the MPD without the Representations that are not granted, and without sets of none."""
    kept: list[str] = []
    within = False  # of a Representation that is left out and has children
    for line in text.splitlines():
        found = _REPRESENTATION.match(line)
        if found is not None and not granted(found[1]):
            within = not line.endswith("/>")
        elif within:
            within = line != "</Representation>"
        else:
            kept.append(line)
    return _SET.sub(lambda found: found[0] if "<Representation" in found[0] else "", "\n".join(kept) + "\n")
