"""From a plan and what is measured so far to the Presentation that manifests are rendered from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import accumulate

import numpy as np

from packager import timeline
from packager.model import Grid, Kind, Presentation, Rendition, Storyboard
from packager.plan import AudioRung, CopiedRung, Plan, VideoRung

_TILES = 5
_CONTAINER = 32_000
"""Bits a second that boxes cost at most: a 4 s segment of 60 frames a second has a header of about 3 kB."""


def presentation(
    plan: Plan,
    *,
    codecs: Mapping[str, str],
    sizes: Mapping[str, Mapping[int, int]],
    started: int,
    text: Sequence[Rendition] = (),
    storyboard: Storyboard | None = None,
    poster: str | None = None,
) -> Presentation:
    """Say what the manifests say. `codecs` is by rendition, `sizes` bytes by rendition and segment number.

    Bandwidths are safe bounds until every segment of a rendition is there, then the measured peak. While the
    plan still grows they are what no segment to come exceeds.
    """
    sizes = sizes if plan.ended else {}
    pictures = plan.shown
    target = target_duration(plan)
    video = tuple(_video(plan, rung, pictures, target, codecs=codecs, sizes=sizes) for rung in plan.video)
    if plan.copied is not None:
        video = (_copied(plan, plan.copied, target, codecs=codecs, sizes=sizes), *video)
    intra = None
    if plan.intra is not None:
        intra = _video(plan, plan.intra, pictures, target, codecs=codecs, sizes=sizes, kind=Kind.INTRA)
    audio = tuple(_audio(plan, rung, target, codecs=codecs, sizes=sizes) for rung in plan.audio)
    return Presentation(
        generation=plan.generation,
        duration=plan.duration,
        target_duration=target,
        started=started,
        video=video,
        intra=intra,
        audio=audio,
        text=tuple(text),
        storyboard=storyboard,
        poster=poster,
        ended=plan.ended,
    )


def target_duration(plan: Plan) -> int:
    """Return TARGETDURATION: on the keyframe grid what it may ever be, else the longest segment."""
    if plan.picture is not None and plan.picture.grid is Grid.KEYFRAME:
        return timeline.LONGEST_SECONDS
    rows = [(plan.borders, plan.timescale)]
    rows += [(plan.sound_borders(rung), rung.sample_rate) for rung in plan.audio]
    return timeline.target_duration([row[0] for row in rows], [row[1] for row in rows])


def _video(
    plan: Plan,
    rung: VideoRung,
    borders: tuple[int, ...],
    target: int,
    *,
    codecs: Mapping[str, str],
    sizes: Mapping[str, Mapping[int, int]],
    kind: Kind = Kind.VIDEO,
) -> Rendition:
    peak, average = measured(sizes.get(rung.name, {}), borders, timescale=plan.timescale, target=target)
    rate = plan.picture.rate if plan.picture else Fraction(0)
    # What is to come has no stretch that counts and is shorter than half a target duration.
    known = borders if plan.ended else (0, target * plan.timescale // 2)
    return Rendition(
        name=rung.name,
        kind=kind,
        prefix=f"{plan.generation}/{rung.name}",
        codecs=codecs[rung.name],
        timescale=plan.timescale,
        borders=borders,
        bandwidth=peak or bound(rung, known, timescale=plan.timescale, target=target),
        average=average,
        width=rung.width,
        height=rung.height,
        frame_rate=rate,
    )


def _copied(
    plan: Plan,
    rung: CopiedRung,
    target: int,
    *,
    codecs: Mapping[str, str],
    sizes: Mapping[str, Mapping[int, int]],
) -> Rendition:
    peak, average = measured(sizes[rung.name], plan.shown, timescale=plan.timescale, target=target)
    return Rendition(
        name=rung.name,
        kind=Kind.VIDEO,
        prefix=f"{plan.generation}/{rung.name}",
        codecs=codecs[rung.name],
        timescale=plan.timescale,
        borders=plan.shown,
        bandwidth=peak or 0,
        average=average,
        width=rung.width,
        height=rung.height,
        frame_rate=plan.picture.rate if plan.picture else Fraction(0),
    )


def bound(rung: VideoRung, borders: Sequence[int], *, timescale: int, target: int) -> int:
    """Return how many bits a second no stretch of segments that counts exceeds.

    x264's VBV keeps d seconds within maxrate × d + 0.9 × buffer, because it starts 90 % full.
    """
    shortest = min(borders[b] - borders[a] for a, b in spans(borders, timescale, target))
    spill = Fraction(9 * rung.buffer * timescale, 10 * shortest)
    return round(max(Fraction(5, 4) * rung.maxrate, rung.maxrate + spill)) + _CONTAINER


def sound_bound(rung: AudioRung) -> int:
    """Return how many bits a second no stretch of sound exceeds."""
    return rung.bitrate * 5 // 4 + _CONTAINER


def _audio(
    plan: Plan,
    rung: AudioRung,
    target: int,
    *,
    codecs: Mapping[str, str],
    sizes: Mapping[str, Mapping[int, int]],
) -> Rendition:
    borders = plan.sound_borders(rung)
    peak, average = measured(sizes.get(rung.name, {}), borders, timescale=rung.sample_rate, target=target)
    return Rendition(
        name=rung.name,
        kind=Kind.AUDIO,
        prefix=f"{plan.generation}/{rung.name}",
        codecs=codecs[rung.name],
        timescale=rung.sample_rate,
        borders=borders,
        bandwidth=peak or sound_bound(rung),
        average=average,
        channels=rung.channels,
        sample_rate=rung.sample_rate,
        language=rung.language,
        title=rung.title,
        default=rung.default,
    )


def measured(
    sizes: Mapping[int, int], borders: Sequence[int], *, timescale: int, target: int
) -> tuple[int | None, int | None]:
    """Return (peak, average) bits a second, rounded up; (None, None) until every segment has its size."""
    count = len(borders) - 1
    if len(sizes) < count:
        return None, None
    total = list(accumulate((sizes[number] for number in range(count)), initial=0))
    peak = max(
        -(-8 * (total[b] - total[a]) * timescale // (borders[b] - borders[a]))
        for a, b in spans(borders, timescale, target)
    )
    return peak, -(-8 * total[-1] * timescale // (borders[-1] - borders[0]))


def spans(borders: Sequence[int], timescale: int, target: int) -> list[tuple[int, int]]:
    """Return the stretches whose bit rates count: 0.5 to 1.5 target durations (RFC 8216bis §4.4.6.2).

    An asset shorter than that counts as a whole.
    """
    at = np.array(borders, np.int64)
    least, most = target * timescale, 3 * target * timescale
    found: list[tuple[int, int]] = []
    for count in range(1, len(at)):
        lengths = 2 * (at[count:] - at[:-count])
        if lengths.min() > most:
            break
        firsts = np.flatnonzero((least <= lengths) & (lengths <= most)).tolist()
        found += [(first, first + count) for first in firsts]
    return found or [(0, len(borders) - 1)]


def storyboard(plan: Plan) -> Storyboard | None:
    """Lay the intra rung's pictures out on sheets, one tile a segment."""
    if plan.intra is None or plan.pictures < 1:
        return None
    span = Fraction(plan.shown[-1] - plan.shown[0], plan.timescale)
    return sheets(
        plan.generation, tiles=plan.pictures, width=plan.intra.width, height=plan.intra.height, span=span
    )


def sheets(generation: str, *, tiles: int, width: int, height: int, span: Fraction) -> Storyboard:
    """Lay tiles of this size out on sheets of 5 × 5; `span` is the seconds that they stand for."""
    return Storyboard(
        prefix=f"{generation}/storyboard",
        columns=_TILES,
        rows=_TILES,
        width=width,
        height=height,
        interval=span / tiles,
        tiles=tiles,
        bandwidth=60_000,
    )
