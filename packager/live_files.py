"""Render the manifests of a broadcast on air for players that only get whole files: nothing can wait there.

Playlists have no parts and promise nothing of a server. The MPD lists each segment with its time, so that
players ask for what is there, however long it took to get there, and not for what is due by the clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial

from packager import airtime, dash, dates, event_streams, keys, live_dash, live_hls, live_present
from packager.dash import duration
from packager.dateranges import DateRanges
from packager.elements import descriptor, tag
from packager.life import Aired
from packager.live_hls import MediaPlaylist
from packager.live_rows import Gap
from packager.marker import Marker
from packager.model import Rendition

_DELAY = 4
"""Target durations that players of the MPD stay behind: a segment, its way, and an MPD that is not new."""


class FileManifests:
    """The manifests of one broadcast. `window` is how many seconds stay listed, None for all of them.

    What is a `gap` playlists list as one. The MPD has nothing of the kind that players know: it begins
    behind the last one.
    """

    def __init__(self, *, window: int | None, gap: Gap) -> None:
        self._window = window
        self._gap = gap
        self._media: dict[str, MediaPlaylist] = {}

    def render(
        self,
        lives: Sequence[Aired],
        codecs: Mapping[str, str],
        *,
        now: int,
        ended: bool = False,
        markers: Sequence[Marker] = (),
    ) -> dict[str, str]:
        """Return the text of each manifest by key; what names others comes after them.

        `now` is the wall clock in milliseconds since the epoch. Once it has `ended` nothing is
        added any more. There is a segment of every rendition.
        """
        ranges = DateRanges(markers)
        names = dict.fromkeys(name for aired in lives for name in aired.life.names)
        made = {
            keys.playlist(name): self._playlist(name).render(lives, ended=ended, ranges=ranges)
            for name in names
        }
        listed = list(self._listed(lives))
        if listed and ended:
            made[keys.MPD] = live_dash.mpd(listed, codecs, ended=True, markers=markers)
        elif listed:
            made[keys.MPD] = _mpd(listed, codecs, markers, first=lives[0], window=self._window, now=now)
        return {**made, keys.MULTIVARIANT: live_hls.multivariant(lives, codecs)}

    def _playlist(self, name: str) -> MediaPlaylist:
        return self._media.setdefault(
            name, MediaPlaylist(name, window=self._window, low_latency=False, gap=self._gap)
        )

    def _listed(self, lives: Sequence[Aired]) -> Iterator[Aired]:
        """Yield what is within the window of each life, from behind its last gap on, where all have some."""
        last = lives[-1]
        oldest = 0
        if self._window is not None:
            oldest = last.following - -(-self._window // last.life.segment_seconds)
        for aired in lives:
            begin = max(aired.begin, oldest - aired.life.first, self._whole_from(aired))
            if all(one.segments > begin for one in aired.reach.values()):
                yield replace(aired, begin=begin)

    def _whole_from(self, aired: Aired) -> int:
        generation = aired.life.generation
        gaps = (
            number
            for name, reach in aired.reach.items()
            for number in range(aired.begin, reach.segments)
            if self._gap(generation, name, number)
        )
        return max(gaps, default=-1) + 1


def _mpd(
    lives: Sequence[Aired],
    codecs: Mapping[str, str],
    markers: Sequence[Marker],
    *,
    first: Aired,
    window: int | None,
    now: int,
) -> str:
    """Return the MPD of what is there now: `first` is the life with which the broadcast began."""
    target = Fraction(first.life.target_duration)
    published = dates.iso(now)
    head = tag(
        "MPD",
        xmlns="urn:mpeg:dash:schema:mpd:2011",
        profiles=dash.PROFILES,
        type="dynamic",
        availabilityStartTime=dates.iso(first.life.started),
        publishTime=published,
        minimumUpdatePeriod=duration(target),
        timeShiftBufferDepth=None if window is None else duration(Fraction(window)),
        suggestedPresentationDelay=duration(_DELAY * target),
        maxSegmentDuration=duration(target),
        minBufferTime=duration(target),
    )
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', head]
    apart = [one for one in markers if not one.inband]
    for aired, begin, own in airtime.shares(lives, apart):
        life = aired.life
        start = Fraction(life.started - first.life.started, 1000)
        # A Period's time begins with the life's own, wherever in it the list begins.
        zero, length = begin - aired.started, live_dash.shortest(aired) + aired.started
        end = duration(length) if aired.over else None
        lines.append(tag("Period", id=life.generation, start=duration(start), duration=end))
        lines += event_streams.streams(own, begin=zero, scale=life.timescale)
        form = dash.Form(template=partial(_template, aired.begin), inband=event_streams.inband())
        lines += dash.sets(live_present.presentation(aired, codecs), form)
        lines.append("</Period>")
    # Who made the file knows what time it was, and a clock that is late by the file's age does no harm.
    lines += [descriptor("UTCTiming", dash.CLOCK, published), "</MPD>"]
    return "\n".join(lines) + "\n"


def _template(first: int, rendition: Rendition) -> list[str]:
    return dash.template(rendition, first=first, offset=0 if first else None)
