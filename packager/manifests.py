"""All manifests of a Presentation, by key: what a directory, a bucket and the origin serve alike."""

from __future__ import annotations

from dataclasses import replace

from packager import dash, hls, keys
from packager.model import Presentation, Rendition


def render(presentation: Presentation, key: str) -> str | None:
    """Return the text of one manifest; None where the key names none of this presentation."""
    presentation = _listed(presentation)
    if key == keys.MULTIVARIANT:
        return hls.multivariant(presentation)
    if key == keys.MPD:
        return dash.mpd(presentation)
    rendition = next((one for one in renditions(presentation) if keys.playlist(one.name) == key), None)
    return None if rendition is None else hls.playlist(rendition, presentation)


def names(presentation: Presentation) -> list[str]:
    """Return the keys of all manifests, media playlists first: the one that names them comes last."""
    presentation = _listed(presentation)
    return [*(keys.playlist(one.name) for one in renditions(presentation)), keys.MPD, keys.MULTIVARIANT]


def _listed(presentation: Presentation) -> Presentation:
    """Leave out what is one file for the whole duration, as long as nobody knows how long that is."""
    return presentation if presentation.ended else replace(presentation, text=(), storyboard=None)


def renditions(presentation: Presentation) -> list[Rendition]:
    """Return every rendition that has a playlist."""
    intra = [presentation.intra] if presentation.intra else []
    return [*presentation.video, *intra, *presentation.audio, *presentation.text]
