"""Which tracks of a source become rungs as they are, once the borders are known, and why others do not."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from packager import copied, present
from packager.copied import Copied, Uncopyable
from packager.index import Index
from packager.model import AudioTrack, Grid, VideoTrack
from packager.plan import AudioRung, CopiedRung, Plan
from packager.tables import Tables, TrackTable
from packager.timeline import AAC_FRAME

TURNED_OFF = "copying is turned off"

_NO_TABLE = "the container has no table of its samples"
_SDR = {"", "bt709", "smpte170m", "bt470bg", "bt470m", "smpte240m"}
# Browsers take pictures below 720 lines for BT.601 where nothing is said; our own rungs are tagged by 576.
_SURELY_601, _SURELY_709 = 576, 720
_PAUSE = 1
_PEAK = 2
_CAP = 4
_SOUND_CAP = 640_000
_HOLE = Fraction(1, 10)
_SHORT = Fraction(1, 2)
_OVERLAP = 32
_STEREO = 2


def applied(plan: Plan, index: Index | None, tables: Tables) -> Plan:
    """Return the plan with every track copied that can be."""
    uncopied: list[str] = []
    if plan.picture is not None and plan.source.video is not None and index is not None:
        top, reasons = _picture(plan, plan.source.video, index, tables.of(plan.picture.track))
        uncopied += [f"picture: {reason}" for reason in reasons]
        if top is not None:
            # The encoded rung of its size would show the same again.
            plan = replace(plan, copied=top, video=plan.video[1:])
    rungs = []
    for rung in plan.audio:
        track = next(track for track in plan.source.audio if track.index == rung.track)
        if rung.channels > _STEREO:  # beside the stereo rung of the same track
            rungs.append(rung)
            continue
        try:
            rungs.append(_sound(plan, rung, track, tables.of(rung.track)))
        except Uncopyable as error:
            rungs.append(rung)
            uncopied.append(f"{rung.name}: {error.message}")
    tables.let_go()
    return replace(plan, audio=tuple(rungs), uncopied=tuple(uncopied))


def _picture(
    plan: Plan, video: VideoTrack, index: Index, table: TrackTable | None
) -> tuple[CopiedRung | None, tuple[str, ...]]:
    picture = plan.picture
    if picture is None or table is None or video.obstacles is None:
        return None, (_NO_TABLE,)
    reasons = [*video.obstacles, *_colour_reasons(video), *picture.reasons]
    if len(index.times) > 1 and np.diff(index.times).max() > _PAUSE * table.timescale:
        reasons.append("it stands still for more than a second")
    if picture.grid is not Grid.KEYFRAME or table.timescale != picture.timescale:
        reasons = reasons or ["its times are not what its index says"]
    if reasons:
        return None, tuple(dict.fromkeys(reasons))
    rung = CopiedRung(
        name=f"{min(video.width, video.height)}p", track=video.index, width=video.width, height=video.height
    )
    try:
        copy = copied.picture(plan, rung, table)
    except Uncopyable as error:
        return None, (error.message,)
    shown = np.sort(table.rows["pts"][copy.cuts[0] : copy.cuts[-1]], kind="stable")  # it is nearly sorted
    if not np.array_equal(shown, index.times):
        return None, ("its edit list hides pictures that others need",)
    reasons = _rate_reasons(plan, copy)
    return (None if reasons else rung), tuple(reasons)


def _colour_reasons(video: VideoTrack) -> list[str]:
    """Say why its colours would differ from those of encoded rungs, which keep an SDR matrix."""
    colour = video.colour
    if not {colour.primaries, colour.transfer, colour.matrix} <= _SDR:
        return ["its colours are not those of BT.709 or BT.601"]
    if colour.full_range:
        return ["its colours use the full range"]
    side = min(video.width, video.height)
    sure = side >= _SURELY_709 or (side < _SURELY_601 and video.height < _SURELY_709)
    return [] if colour.matrix or sure else ["its colours are not described"]


def _rate_reasons(plan: Plan, copy: Copied) -> list[str]:
    """Say why its bit rate is not one for adaptive playback: far uneven, or far above that of its size."""
    peak, average = _rates(plan, copy)
    usual = plan.video[0].maxrate
    if peak > _CAP * usual:
        return [f"its bit rate reaches {peak // 1000} kb/s, too much for its size"]
    if peak > max(_PEAK * average, usual):
        return ["its bit rate varies too much"]
    return []


def _rates(plan: Plan, copy: Copied) -> tuple[int, int]:
    """Return peak and average in bits a second."""
    peak, average = present.measured(
        dict(enumerate(copy.sizes.tolist())),
        copy.borders,
        timescale=copy.table.timescale,
        target=present.target_duration(plan),
    )
    return peak or 0, average or 0


def _sound(plan: Plan, rung: AudioRung, track: AudioTrack, table: TrackTable | None) -> AudioRung:
    """Return the rung of a track that is copied. Raise Uncopyable."""
    if table is None or track.obstacles is None:
        raise Uncopyable(_NO_TABLE)
    if track.obstacles:
        raise Uncopyable("; ".join(track.obstacles))
    made = replace(rung, channels=track.channels, copied=True, borders=_sound_borders(plan, track, table))
    peak, average = _rates(plan, copied.sound(plan, made, table))
    if peak > _SOUND_CAP:
        raise Uncopyable(f"its bit rate reaches {peak // 1000} kb/s")
    return replace(made, bitrate=average)


def _sound_borders(plan: Plan, track: AudioTrack, table: TrackTable) -> tuple[int, ...]:
    """Return when the access units nearest to the plan's borders begin, in samples. Raise Uncopyable.

    The times are the true ones: units before the start are left out, holes keep their length.
    """
    rate = track.sample_rate
    origin = round(plan.origin * rate)
    times = table.rows["pts"] - origin
    times = times[(times >= 0) & (times < table.end - origin)]
    if not len(times) or times[0] > AAC_FRAME:
        raise Uncopyable("it begins after the picture")
    steps = np.diff(times)
    if len(steps) and (steps.min() < AAC_FRAME - _OVERLAP or steps.max() > AAC_FRAME + _HOLE * rate):
        raise Uncopyable("there are holes in it")
    end = int(times[-1]) + AAC_FRAME
    exact = (np.array(plan.borders[1:], np.int64) * rate + plan.timescale // 2) // plan.timescale
    inner, last = exact[:-1], int(exact[-1])
    behind = np.searchsorted(times, inner)
    low, high = times[(behind - 1).clip(0)], times[behind.clip(max=len(times) - 1)]
    near = np.where(high - inner < inner - low, high, low)
    borders = (int(times[0]), *near.tolist(), end)
    if end < last - _SHORT * rate or (np.diff(borders) <= 0).any():
        raise Uncopyable("it ends before the picture")
    return borders
