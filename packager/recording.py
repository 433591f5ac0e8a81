"""The final manifests of a broadcast that is over, by key: what is stored beside its media."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from packager import keys, live_dash, live_hls
from packager.dateranges import DateRanges
from packager.life import Aired
from packager.marker import Marker
from packager.model import Rendition


def manifests(
    lives: Sequence[Aired],
    codecs: Mapping[str, str],
    markers: Sequence[Marker] = (),
    text: Sequence[Rendition] = (),
) -> dict[str, str]:
    """Return the text of each manifest; `lives` are over, oldest first, `codecs` is by rendition.

    `text` are captions over all of it. The manifest that names the others comes last.
    """
    lives, ranges = _closed_up(lives), DateRanges(markers)
    names = dict.fromkeys(name for aired in lives for name in aired.life.names)
    made = {
        keys.playlist(name): live_hls.MediaPlaylist(name, low_latency=False).render(
            lives, ended=True, ranges=ranges
        )
        for name in names
    }
    for rendition in text:
        made[keys.playlist(rendition.name)] = live_hls.text(lives, codecs, rendition)
    made[keys.MPD] = live_dash.mpd(lives, codecs, ended=True, markers=markers, text=text)
    return {**made, keys.MULTIVARIANT: live_hls.multivariant(lives, codecs, text=text)}


def _closed_up(lives: Sequence[Aired]) -> list[Aired]:
    """Leave out what was lost. The last life keeps its numbers, so that who watches it on air goes on."""
    made: list[Aired] = []
    following = lives[-1].life.first + lives[-1].segments
    for aired in reversed(lives):
        following -= aired.segments
        made.insert(0, replace(aired, life=replace(aired.life, first=following), lost=0))
    return made
