"""A plan whose source is still on its way: the same choices, and borders that can no longer move.

`settled(ladder.plan(…), …)` begins one, `grown` continues it with everything that has come since. What was
once a border stays one, so that manifests only ever gain segments behind; where what comes later breaks the
keyframe grid there is no such plan, and the source is planned anew on the frame grid.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from packager import timeline
from packager.index import REORDERED, Index
from packager.model import AudioTrack, Grid, Source
from packager.plan import Picture, Plan

_CLEAN = {"h264", "vp8", "vp9", "av1"}
"""Codecs whose closed keyframes come behind all that is shown before them: an IDR of HEVC may have more."""

_BEHIND = Fraction(2, 5)
"""Seconds of sound behind a border that its segment looks at: encoders overlap their frames."""


def settled(plan: Plan, source: Source, index: Index | None, *, ended: bool) -> Plan | None:
    """Return the plan cut down to the segments that cannot change any more; None before the first of them.

    `source` and `index` are what it was planned from. At the end that is the plan itself.
    """
    found = grown(replace(plan, borders=(), shown=(), ended=False), source, index, ended=ended)
    return None if found is None or len(found.borders) < 2 else found


def grown(plan: Plan, source: Source, index: Index | None, *, ended: bool) -> Plan | None:
    """Return the plan with the segments that have come since, under the same generation.

    None where the source breaks its grid: then what players were told does not hold any more.
    """
    picture = plan.picture
    shown: tuple[int, ...] = ()
    if picture is None or index is None:
        borders = _clock_borders(plan, source, ended=ended)
    else:
        found = _shown_borders(plan, picture, source, index, ended=ended)
        if found is None:
            return None
        picture, shown = found
        borders = _with_sound(plan, source, shown) if ended else shown
    if borders[: len(plan.borders)] != plan.borders or shown[: len(plan.shown)] != plan.shown:
        return None
    return replace(
        plan,
        source=_arrived(plan.source, source),
        duration=Fraction(borders[-1], plan.timescale),
        borders=borders,
        shown=shown,
        picture=picture,
        ended=ended,
    )


def _arrived(planned: Source, source: Source) -> Source:
    """Return what was planned from, with the ends that its tracks have by now."""
    ends = {track.index: track.end for track in source.audio}
    video = planned.video
    if video is not None and source.video is not None:
        video = replace(video, end=source.video.end)
    return replace(
        planned,
        size=source.size,
        duration=source.duration,
        warnings=source.warnings,
        video=video,
        audio=tuple(replace(track, end=ends.get(track.index, track.end)) for track in planned.audio),
    )


def _shown_borders(
    plan: Plan, picture: Picture, source: Source, index: Index, *, ended: bool
) -> tuple[Picture, tuple[int, ...]] | None:
    """Return the borders that have a picture before them; None where the keyframe grid cannot hold."""
    if source.video is None or int(index.times[0]) != picture.first:
        return None
    end = source.video.end
    known = _known(source.video.codec, index)
    if picture.grid is Grid.FRAME:
        frames = _frames(picture, round((end - picture.first * picture.time_base) * picture.rate))
        if not ended:
            whole = int((known - picture.first) * picture.time_base * picture.rate)
            step = timeline.frames_per_segment(picture.rate)
            frames = (picture.lead + whole) // step * step
        shown = timeline.frame_borders(frames, picture.rate) if frames else (0,)
        picture = replace(picture, frames=frames)
    else:
        if index.keyframes[:1] != index.times[:1]:
            return None
        found = _keyed(
            plan, picture, index, known=known, end=round(end / picture.time_base) if ended else None
        )
        if found is None:
            return None
        shown = found
    return picture, shown if ended else _heard(plan, source, shown)


def _keyed(
    plan: Plan, picture: Picture, index: Index, *, known: int, end: int | None
) -> tuple[int, ...] | None:
    """Return the borders on keyframes, up to the `end` where it is known; None where the grid cannot hold."""
    marks = index.keyframes[1:] - picture.origin
    if end is not None:
        return timeline.keyframe_borders(
            [0, *marks.tolist()], end=end - picture.origin, timescale=plan.timescale
        )
    # Only from the last border on: a plan that grows for hours is looked at as a whole in the end.
    last = plan.shown[-1] if plan.shown else 0
    behind = [last, *marks[marks.searchsorted(last, side="right") :].tolist()]
    found = timeline.settled_borders(behind, known=known - picture.origin, timescale=plan.timescale)
    return None if found is None else (*plan.shown[:-1], *found)


def _known(codec: str, index: Index) -> int:
    """Return the tick before which every frame has come."""
    known = int(index.times[max(0, len(index.times) - 1 - REORDERED)])
    if codec in _CLEAN and len(index.keyframes):
        return max(known, int(index.keyframes[-1]))
    return known


def _frames(picture: Picture, frames: int) -> int:
    return picture.lead + max(1, frames)


def _heard(plan: Plan, source: Source, borders: tuple[int, ...]) -> tuple[int, ...]:
    """Return the borders up to which all sound has come too, at least those that there were."""
    reach = min((track.end for track in _planned_sound(plan, source)), default=None)
    if reach is None:
        return borders
    limit = (reach - _BEHIND - plan.origin) * plan.timescale
    kept = [at for number, at in enumerate(borders) if number < max(1, len(plan.shown)) or at <= limit]
    return tuple(kept)


def _planned_sound(plan: Plan, source: Source) -> list[AudioTrack]:
    numbers = {rung.track for rung in plan.audio}
    return [track for track in source.audio if track.index in numbers]


def _with_sound(plan: Plan, source: Source, shown: tuple[int, ...]) -> tuple[int, ...]:
    """Return the borders continued over the sound that outlasts the picture, as `ladder.plan` does."""
    end = max([Fraction(shown[-1], plan.timescale), *_ends(plan, source)])
    return timeline.extended(shown, end=end, timescale=plan.timescale)


def _ends(plan: Plan, source: Source) -> list[Fraction]:
    return [track.end - plan.origin for track in _planned_sound(plan, source)]


def _clock_borders(plan: Plan, source: Source, *, ended: bool) -> tuple[int, ...]:
    """Return the borders of sound alone; a border is settled once the end cannot take it in any more."""
    ends = _ends(plan, source)
    if ended:
        return timeline.clock_borders(max(ends), plan.timescale)
    whole = timeline.clock_borders(max(Fraction(0), min(ends)), plan.timescale)
    return whole[:-1] or (0,)
