"""Which rungs a source deserves, and the plan that freezes them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from packager import copyable, timeline
from packager.copyable import TURNED_OFF
from packager.index import Index
from packager.model import AudioTrack, Colour, Grid, Scan, Source, VideoTrack
from packager.plan import AudioRung, Picture, Plan, TextRung, VideoRung
from packager.tables import Tables

STANDARD = (2160, 1440, 1080, 720, 480, 360, 240, 144)
"""Short sides below the top rung, and what the top rung snaps down to within 5 %."""

RATES = tuple(
    Fraction(rate)
    for rate in (
        "10",
        "12",
        "15",
        "24000/1001",
        "24",
        "25",
        "30000/1001",
        "30",
        "48",
        "50",
        "60000/1001",
        "60",
    )
)

_INTRA_SIDE = 180
_STEREO = 2
_SURROUND = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """The dials of an encode that an operator may turn; frozen into the plan.

    `copy` lets tracks of the source be rungs as they are.
    """

    preset: str = "veryfast"
    crf: int = 23
    sides: tuple[int, ...] = STANDARD
    copy: bool = True


def plan(source: Source, index: Index | None, *, identity: str, encoder: str, effort: Effort | None = None,
         allow_keyframe_grid: bool = True, salt: str = "", tables: Tables | None = None) -> Plan:  # fmt: skip
    """Freeze the choices for a source. `salt` makes another generation of the very same choices.

    With `tables` tracks that comply are copied.
    """
    effort = effort or Effort()
    made = _encoded(source, index, identity=identity, encoder=encoder, effort=effort,
                    allow_keyframe_grid=allow_keyframe_grid, salt=salt)  # fmt: skip
    if tables is None:
        return made
    return copyable.applied(made, index, tables) if effort.copy else replace(made, uncopied=(TURNED_OFF,))


def _encoded(source: Source, index: Index | None, *, identity: str, encoder: str, effort: Effort,
             allow_keyframe_grid: bool, salt: str) -> Plan:  # fmt: skip
    """Return the plan with everything encoded."""
    video = source.video
    if video is None or index is None:
        return _sound_only(source, identity=identity, encoder=encoder, salt=salt)
    picture, borders = _picture(source, video, index, allow_keyframe_grid=allow_keyframe_grid)
    seconds = Fraction(picture.origin) * picture.time_base
    if picture.grid is Grid.FRAME:
        seconds -= Fraction(picture.lead) / picture.rate
    shown = Fraction(borders[-1], picture.timescale)
    end = max([shown, *(track.end - seconds for track in source.audio)])
    whole = timeline.extended(borders, end=end, timescale=picture.timescale)
    rungs = video_rungs(video, effort=effort)
    return Plan(
        source=source,
        identity=identity,
        encoder=encoder,
        origin=seconds,
        duration=Fraction(whole[-1], picture.timescale),
        timescale=picture.timescale,
        borders=whole,
        picture=picture,
        shown=borders,
        video=rungs,
        intra=_intra(video, effort=effort),
        audio=audio_rungs(source.audio),
        text=text_rungs(source),
        salt=salt,
    )


def _sound_only(source: Source, *, identity: str, encoder: str, salt: str) -> Plan:
    origin = min(track.start for track in source.audio)
    end = max(track.end for track in source.audio)
    rungs = audio_rungs(source.audio)
    borders = timeline.clock_borders(end - origin, rungs[0].sample_rate)
    return Plan(
        source=source,
        identity=identity,
        encoder=encoder,
        origin=origin,
        duration=Fraction(borders[-1], rungs[0].sample_rate),
        timescale=rungs[0].sample_rate,
        borders=borders,
        audio=rungs,
        text=text_rungs(source),
        salt=salt,
    )


def _picture(
    source: Source, video: VideoTrack, index: Index, *, allow_keyframe_grid: bool
) -> tuple[Picture, tuple[int, ...]]:
    first = int(index.times[0])
    early = min((track.start for track in source.audio), default=video.start)
    early_ticks = int(early / index.time_base) - (early < 0)
    origin = min(first, early_ticks) if early < video.start else first
    end = round(video.end / index.time_base)
    reasons = list(_frame_grid_reasons(video, index))
    borders: tuple[int, ...] | None = None
    if not reasons and allow_keyframe_grid:
        marks = [0, *(int(mark) - origin for mark in index.keyframes[1:])]
        scale = index.time_base.denominator // index.time_base.numerator
        borders = timeline.keyframe_borders(marks, end=end - origin, timescale=scale)
        if borders is None:
            reasons.append("closed keyframes are more than 6 s apart")
        else:
            return _keyframe_picture(video, index, origin=origin, timescale=scale), borders
    return _frame_picture(video, index, early=early, reasons=tuple(reasons))


def _frame_grid_reasons(video: VideoTrack, index: Index) -> list[str]:
    reasons = []
    if not index.complete:
        reasons.append("the source has no index that could be read in time")
    if video.scan is not Scan.PROGRESSIVE:
        reasons.append("the picture is interlaced")
    if video.frame_rate > 60:
        reasons.append("more than 60 frames a second")
    if index.time_base.numerator != 1 or index.time_base.denominator < 1000:
        reasons.append("the container's clock is too coarse")
    if not len(index.keyframes) or index.keyframes[0] != index.times[0]:
        reasons.append("the first displayed frame is not a closed keyframe")
    return reasons


def _keyframe_picture(video: VideoTrack, index: Index, *, origin: int, timescale: int) -> Picture:
    return Picture(
        track=video.index,
        grid=Grid.KEYFRAME,
        rate=video.frame_rate,
        timescale=timescale,
        time_base=index.time_base,
        first=int(index.times[0]),
        origin=origin,
        tone_map=video.colour.hdr,
        colour=shown_colour(video),
    )


def _frame_picture(
    video: VideoTrack, index: Index, *, early: Fraction, reasons: tuple[str, ...]
) -> tuple[Picture, tuple[int, ...]]:
    rate = output_rate(video)
    first = int(index.times[0])
    start = first * index.time_base
    lead = max(0, -int((early - start) * rate // 1)) if early < start else 0
    frames = lead + max(1, round((video.end - start) * rate))
    picture = Picture(
        track=video.index,
        grid=Grid.FRAME,
        rate=rate,
        timescale=timeline.frame_ticks(rate)[0],
        time_base=index.time_base,
        first=first,
        origin=first,
        lead=lead,
        frames=frames,
        deinterlace=video.scan is Scan.INTERLACED,
        tone_map=video.colour.hdr,
        colour=shown_colour(video),
        reasons=reasons,
    )
    return picture, timeline.frame_borders(frames, rate)


def output_rate(video: VideoTrack) -> Fraction:
    """Return the one rate of all rungs on the frame grid: VFR snaps to a standard one, above 60 is halved."""
    rate = video.frame_rate
    if video.variable:
        rate = min(RATES, key=lambda standard: abs(standard - rate)) if rate <= 60 else rate
    while rate > 60:
        rate /= 2
    return rate.limit_denominator(1001)


def shown_colour(video: VideoTrack) -> Colour:
    """Return the tags of every rung: the source's SDR matrix where known: nothing is converted."""
    if video.colour.hdr or video.colour.matrix in {"bt709", "bt2020nc", "bt2020c"}:
        return Colour(primaries="bt709", transfer="bt709", matrix="bt709")
    if video.colour.matrix in {"smpte170m", "bt470bg"} or min(video.width, video.height) < 576:
        return Colour(primaries="smpte170m", transfer="smpte170m", matrix="smpte170m")
    return Colour(primaries="bt709", transfer="bt709", matrix="bt709")


def upright(video: VideoTrack) -> tuple[int, int]:
    """Return width and height as shown: square pixels, after rotation."""
    width = round(video.width * video.sample_aspect)
    return (video.height, width) if video.rotation % 180 else (width, video.height)


def video_rungs(video: VideoTrack, *, effort: Effort) -> tuple[VideoRung, ...]:
    """Return the rungs from the top down: never upscaled, at least two where the short side exceeds 144."""
    width, height = upright(video)
    fast = output_rate(video) > 30
    chosen = sides(min(width, height), effort=effort)
    return tuple(rung(width, height, side, fast=fast, effort=effort) for side in chosen)


def sides(side: int, *, effort: Effort) -> list[int]:
    """Return the short sides of the rungs of a picture with this one."""
    top = _top(side)
    found = [top, *(standard for standard in effort.sides if standard < top)]
    if len(found) == 1 and side - side % 2 > STANDARD[-1]:
        found = [side - side % 2, STANDARD[-1]]
    return found


def _top(side: int) -> int:
    for standard in STANDARD:
        if standard <= side <= standard * Fraction(105, 100):
            return standard
    return min(STANDARD[0], max(2, side - side % 2))


def rung(width: int, height: int, side: int, *, fast: bool, effort: Effort) -> VideoRung:
    """Return the rung of a short side for a picture of so many pixels; `fast` is above 30 frames a second."""
    short = min(width, height)
    across = max(2, 2 * round(Fraction(width * side, 2 * short)))
    down = max(2, 2 * round(Fraction(height * side, 2 * short)))
    pixels = across * down
    # 5 Mb/s at 1080p, with the three-quarter power of the pixels, half as much again above 30 frames a second
    rate = round(5000 * (pixels / (1920 * 1080)) ** 0.75 * (1.5 if fast else 1)) * 1000
    rate = max(rate, 100_000)
    return VideoRung(
        name=f"{side}p",
        width=across,
        height=down,
        maxrate=rate,
        buffer=rate,
        crf=effort.crf,
        preset=effort.preset,
        threads=next(threads for above, threads in _THREADS if side >= above),
    )


_THREADS = ((1440, 8), (1080, 4), (720, 3), (480, 2), (0, 1))


def _intra(video: VideoTrack, *, effort: Effort) -> VideoRung:
    width, height = upright(video)
    side = min(_INTRA_SIDE, min(width, height) - min(width, height) % 2)
    like = rung(width, height, max(2, side), fast=False, effort=effort)
    return VideoRung(
        name="intra",
        width=like.width,
        height=like.height,
        maxrate=like.maxrate,
        buffer=like.buffer,
        crf=27,
        preset=effort.preset,
        threads=1,
    )


def audio_rungs(tracks: tuple[AudioTrack, ...]) -> tuple[AudioRung, ...]:
    """Return a stereo rung of every track, and a 5.1 rung beside it where the source has as many channels."""
    rungs = []
    chosen = next((track.index for track in tracks if track.default), tracks[0].index if tracks else -1)
    for number, track in enumerate(tracks):
        layouts = [(_STEREO, 128_000)] + ([(_SURROUND, 384_000)] if track.channels >= _SURROUND else [])
        rungs += [
            AudioRung(
                name=f"audio-{number}" + ("-surround" if channels == _SURROUND else ""),
                track=track.index,
                channels=channels,
                sample_rate=44_100 if track.sample_rate == 44_100 else 48_000,
                bitrate=bitrate,
                language=track.language,
                title=track.title,
                default=track.index == chosen,
            )
            for channels, bitrate in layouts
        ]
    return tuple(rungs)


def text_rungs(source: Source) -> tuple[TextRung, ...]:
    """Return one rung a text track."""
    return tuple(
        TextRung(
            name=f"text-{number}",
            track=track.index,
            language=track.language,
            title=track.title,
            default=track.default,
            forced=track.forced,
        )
        for number, track in enumerate(source.text)
    )
