"""Render an MPD (ISO/IEC 23009-1) from a Presentation, over the same files as the HLS playlists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import groupby, pairwise
from typing import Any, TypeAlias
from xml.sax.saxutils import escape

from packager import event_streams, labels
from packager.elements import descriptor, tag
from packager.model import Presentation, Rendition, Storyboard

PROFILES = "urn:mpeg:dash:profile:isoff-live:2011,urn:mpeg:dash:profile:cmaf:2019"
MAIN = 1
"""The id of the video adaptation set, which trick play refers to."""

ROLE = "urn:mpeg:dash:role:2011"
CHANNELS = "urn:mpeg:mpegB:cicp:ChannelConfiguration"
TRICKMODE = "http://dashif.org/guidelines/trickmode"
CLOCK = "urn:mpeg:dash:utc:direct:2014"
TILES = "http://dashif.org/guidelines/thumbnail_tile"

# ISO/IEC 23091-3: the configuration whose order FFmpeg's AAC encoder writes for a number of channels.
_CONFIGURATION = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 11, 8: 12}
_FASTEST = 32
_UPDATE = Fraction(2)


Template: TypeAlias = Callable[[Rendition], list[str]]
"""Returns the lines that say which segments a rendition has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What differs between media that are there and such as are being made.

    `clock` and `inband`, what segments tell of themselves, go into every set of pictures or sound.
    """

    template: Template
    clock: Sequence[str] = ()
    inband: Sequence[str] = ()


def mpd(presentation: Presentation) -> str:
    """Return the MPD: one Period, every track's segments by number with their exact times.

    It is static once the presentation has ended; until then it is dynamic, and only the timelines grow.
    """
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        tag(
            "MPD",
            xmlns="urn:mpeg:dash:schema:mpd:2011",
            profiles=PROFILES,
            **_kind(presentation),
            minBufferTime=duration(Fraction(presentation.target_duration)),
        ),
        tag("Period", id="0", start="PT0S"),
        *event_streams.streams(
            presentation.markers, begin=Fraction(presentation.started), scale=event_streams.MICROSECONDS
        ),
        *sets(presentation),
        "</Period>",
        # With so early a start any clock will do; without one dash.js asks a third party, or fails.
        *([] if presentation.ended else [descriptor("UTCTiming", CLOCK, _published(presentation))]),
        "</MPD>",
    ]
    return "\n".join(lines) + "\n"


def _kind(presentation: Presentation) -> dict[str, Any]:
    """Return what makes an MPD final, or one that is asked for again.

    Media arrive faster than they play: only a start long ago makes all that is listed available, and it must
    not move from one MPD to the next (23009-1 5.4.1). No timeShiftBufferDepth: all of it stays.
    """
    if presentation.ended:
        return {"type": "static", "mediaPresentationDuration": duration(presentation.duration)}
    return {
        "type": "dynamic",
        "availabilityStartTime": "1970-01-01T00:00:00Z",
        "publishTime": _published(presentation),
        "minimumUpdatePeriod": duration(_UPDATE),
        "maxSegmentDuration": duration(Fraction(presentation.target_duration)),
    }


def _published(presentation: Presentation) -> str:
    """Return a time that grows with what is listed."""
    moment = datetime.fromtimestamp(presentation.started, UTC)
    return (moment + timedelta(seconds=int(presentation.duration))).isoformat().replace("+00:00", "Z")


def sets(presentation: Presentation, form: Form | None = None) -> list[str]:
    """Return the adaptation sets of a Period, pictures first; their ids are the same in every one."""
    form = form or Form(template=template)
    lines: list[str] = []
    following = MAIN + 1
    if presentation.video:
        lines += _video(presentation.video, form)
    for rendition, name, default in _audio_tracks(presentation.audio):
        lines += _audio(rendition, number=following, name=name, default=default, form=form)
        following += 1
    # Text is listed from the end on only, and an id that has been given stays.
    trick = following
    following += presentation.intra is not None
    for rendition, name in zip(presentation.text, labels.names(presentation.text), strict=True):
        lines += _text(rendition, number=following, name=name)
        following += 1
    if presentation.intra is not None:
        lines += _trick(presentation.intra, number=trick)
    if presentation.storyboard is not None:
        lines += _images(presentation.storyboard, number=following)
    return lines


def _video(rungs: Sequence[Rendition], form: Form) -> list[str]:
    top = max(rungs, key=lambda rung: rung.width * rung.height)
    shape = Fraction(top.width, top.height)
    fastest = max(rung.frame_rate for rung in rungs)
    head = tag(
        "AdaptationSet",
        id=MAIN,
        contentType="video",
        mimeType="video/mp4",
        segmentAlignment="true",
        startWithSAP=1,
        maxWidth=max(rung.width for rung in rungs),
        maxHeight=max(rung.height for rung in rungs),
        maxFrameRate=_rate(fastest),
        par=f"{shape.numerator}:{shape.denominator}",
    )
    said = [*form.inband, *form.clock, _role("main")]
    return [head, *said, *_representations(rungs, form.template), "</AdaptationSet>"]


def _audio(rendition: Rendition, *, number: int, name: str, default: bool, form: Form) -> list[str]:
    stereo = rendition.channels <= 2
    head = tag(
        "AdaptationSet",
        id=number,
        contentType="audio",
        mimeType="audio/mp4",
        lang=labels.language(rendition.language) or "und",
        segmentAlignment="true",
        startWithSAP=1,
        # Of the default track's layouts the one that every device plays comes first.
        selectionPriority=2 if default and stereo else 1,
    )
    return [
        head,
        descriptor("AudioChannelConfiguration", CHANNELS, _CONFIGURATION.get(rendition.channels, 2)),
        *form.inband,
        _label(name),
        *form.clock,
        _role("main" if default else "alternate"),
        *_representations([rendition], form.template),
        "</AdaptationSet>",
    ]


def _text(rendition: Rendition, *, number: int, name: str) -> list[str]:
    head = tag(
        "AdaptationSet",
        id=number,
        contentType="text",
        mimeType="text/vtt",
        lang=labels.language(rendition.language) or "und",
    )
    return [
        head,
        _label(name),
        *([_role("main")] if rendition.default else []),
        _role("forced-subtitle" if rendition.forced else "subtitle"),
        tag("Representation", id=rendition.name, bandwidth=max(1, rendition.bandwidth)),
        f"<BaseURL>{escape(rendition.prefix)}/0.vtt</BaseURL>",
        "</Representation>",
        "</AdaptationSet>",
    ]


def _trick(rendition: Rendition, *, number: int) -> list[str]:
    head = tag(
        "AdaptationSet",
        id=number,
        contentType="video",
        mimeType="video/mp4",
        segmentAlignment="true",
        startWithSAP=1,
        codingDependency="false",
        maxPlayoutRate=_FASTEST,
    )
    return [
        head,
        descriptor("EssentialProperty", TRICKMODE, MAIN),
        *_representations([rendition], template),
        "</AdaptationSet>",
    ]


def _images(board: Storyboard, *, number: int) -> list[str]:
    each = board.interval * board.columns * board.rows
    template = tag(
        "SegmentTemplate",
        empty=True,
        timescale=each.denominator,
        duration=each.numerator,
        startNumber=0,
        media=f"{board.prefix}/$Number$.jpg",
    )
    return [
        tag("AdaptationSet", id=number, contentType="image", mimeType="image/jpeg"),
        template,
        tag(
            "Representation",
            id="storyboard",
            bandwidth=max(1, board.bandwidth),
            width=board.columns * board.width,
            height=board.rows * board.height,
        ),
        descriptor("EssentialProperty", TILES, f"{board.columns}x{board.rows}"),
        "</Representation>",
        "</AdaptationSet>",
    ]


def _audio_tracks(audio: Sequence[Rendition]) -> list[tuple[Rendition, str, bool]]:
    """Return each audio rendition, its track's name (one for all layouts), and whether it is the default."""
    shown = {labels.track(rendition): rendition for rendition in reversed(audio)}
    tracks = list(dict.fromkeys(map(labels.track, audio)))
    named = dict(zip(tracks, labels.names([shown[track] for track in tracks]), strict=True))
    chosen = next((track for track in tracks if shown[track].default), tracks[0] if tracks else "")
    return [(each, named[labels.track(each)], labels.track(each) == chosen) for each in audio]


def _representations(renditions: Sequence[Rendition], made: Template) -> list[str]:
    """Return Representations, under one SegmentTemplate where all have the same, else each with its own."""
    templates = [made(rendition) for rendition in renditions]
    shared = all(one == templates[0] for one in templates)
    lines = list(templates[0]) if shared else []
    for rendition, own in zip(renditions, templates, strict=True):
        head = _representation(rendition, empty=shared)
        lines += [head] if shared else [head, *own, "</Representation>"]
    return lines


def _representation(rendition: Rendition, *, empty: bool) -> str:
    picture = rendition.width > 0
    return tag(
        "Representation",
        empty=empty,
        id=rendition.name,
        bandwidth=max(1, rendition.bandwidth),
        codecs=rendition.codecs,
        width=rendition.width if picture else None,
        height=rendition.height if picture else None,
        sar="1:1" if picture else None,
        frameRate=_rate(rendition.frame_rate) if picture else None,
        audioSamplingRate=rendition.sample_rate or None,
    )


def files(rendition: Rendition) -> dict[str, Any]:
    """Return the attributes of a SegmentTemplate that name the files, numbered from 0."""
    parent, slash, last = rendition.prefix.rpartition("/")
    folder = f"{parent}{slash}$RepresentationID$" if last == rendition.name else rendition.prefix
    return {
        "startNumber": 0,
        "initialization": f"{folder}/init.mp4",
        "media": f"{folder}/$Number$.m4s",
    }


def template(rendition: Rendition, *, first: int = 0, offset: int | None = None) -> list[str]:
    """Return a SegmentTemplate with the exact time of every segment.

    `first` is the number of the first one, `offset` the media time, in ticks, with which the Period begins.
    """
    times: dict[str, Any] = {"timescale": rendition.timescale}
    if offset is not None:
        times["presentationTimeOffset"] = offset
    head = tag("SegmentTemplate", **times, **files(rendition) | {"startNumber": first})
    return [
        head,
        "<SegmentTimeline>",
        *_timeline(rendition.borders),
        "</SegmentTimeline>",
        "</SegmentTemplate>",
    ]


def _timeline(borders: Sequence[int]) -> list[str]:
    """Return S elements, runs of one length folded (23009-1 5.3.9.6); only the first needs its time."""
    lines, at = [], f' t="{borders[0]}"'
    for length, same in groupby(end - start for start, end in pairwise(borders)):
        more = sum(1 for _ in same) - 1
        lines.append(f'<S{at} d="{length}" r="{more}"/>' if more else f'<S{at} d="{length}"/>')
        at = ""
    return lines


def _role(value: str) -> str:
    return descriptor("Role", ROLE, value)


def _label(name: str) -> str:
    return f"<Label>{escape(name)}</Label>"


def _rate(rate: Fraction) -> str | None:
    if not rate:
        return None
    return str(rate.numerator) if rate.denominator == 1 else f"{rate.numerator}/{rate.denominator}"


def duration(seconds: Fraction) -> str:
    """Return an xs:duration, to the microsecond above: a player must not drop the last frame for rounding."""
    microseconds = -(-seconds.numerator * 1_000_000 // seconds.denominator)
    whole, rest = divmod(microseconds, 1_000_000)
    return f"PT{whole}.{rest:06d}".rstrip("0").rstrip(".") + "S" if rest else f"PT{whole}S"
