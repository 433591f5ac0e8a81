"""The final manifests of a broadcast that is over, by key: what is stored beside its media."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from packager import keys, live_dash, live_hls
from packager.dateranges import DateRanges
from packager.life import Aired
from packager.marker import Marker


def manifests(
    lives: Sequence[Aired], codecs: Mapping[str, str], markers: Sequence[Marker] = ()
) -> dict[str, str]:
    """Return the text of each manifest; `lives` are over, oldest first, `codecs` is by rendition.

    The one that names the others comes last.
    """
    ranges = DateRanges(markers)
    names = dict.fromkeys(name for aired in lives for name in aired.life.names)
    made = {
        keys.playlist(name): live_hls.MediaPlaylist(name, low_latency=False).render(
            lives, ended=True, ranges=ranges
        )
        for name in names
    }
    made[keys.MPD] = live_dash.mpd(lives, codecs, ended=True, markers=markers)
    return {**made, keys.MULTIVARIANT: live_hls.multivariant(lives, codecs)}
