"""Render the MPD of a broadcast (ISO/IEC 23009-1): a Period for every life, low-latency while on air."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial

from packager import airtime, dash, dates, event_streams, live_present
from packager.dash import duration
from packager.elements import descriptor, tag
from packager.life import PARTS_HELD, Aired, Life
from packager.marker import Marker
from packager.model import Presentation, Rendition

CLOCK_PATH = "/time"
"""Where players ask for the time: a path of the server, whichever asset is watched."""

CLOCK = "urn:mpeg:dash:utc:http-iso:2014"

_SLACK = 2000
"""Milliseconds behind the target from which on players rather jump than catch up."""


def mpd(
    lives: Sequence[Aired],
    codecs: Mapping[str, str],
    *,
    window: int | None = None,
    ended: bool = False,
    markers: Sequence[Marker] = (),
    text: Sequence[Rendition] = (),
) -> str:
    """Return the MPD. On air it only changes with the lives: players count segments by the clock.

    So it does with markers that no segment tells of. Once the broadcast has `ended` it is static, the lives
    one behind the other without the time between them. `text` are captions over all of it: one file cannot
    be shown in several Periods, each of which counts from its own beginning, so only one life has them.
    """
    if ended:
        body = _recorded(lives, codecs, markers, text=text)
    else:
        body = _on_air(lives, codecs, markers, window=window)
    return "\n".join(('<?xml version="1.0" encoding="UTF-8"?>', *body, "</MPD>")) + "\n"


def first_listed(lives: Sequence[Aired], *, window: int | None) -> int:
    """Return the number of the first life of which something is within the window."""
    if window is None:
        return 0
    edge = _end(lives[-1])
    return next(n for n, aired in enumerate(lives) if _end(aired) > edge - window or aired is lives[-1])


def _on_air(
    lives: Sequence[Aired], codecs: Mapping[str, str], markers: Sequence[Marker], *, window: int | None
) -> list[str]:
    first = lives[0].life
    target = PARTS_HELD * first.part_seconds
    apart = [one for one in markers if not one.inband]
    head = tag(
        "MPD",
        xmlns="urn:mpeg:dash:schema:mpd:2011",
        profiles=dash.PROFILES,
        type="dynamic",
        availabilityStartTime=dates.iso(first.started),
        publishTime=dates.iso(max([lives[-1].life.started, *(one.created for one in apart)])),
        minimumUpdatePeriod=duration(Fraction(first.target_duration)),
        timeShiftBufferDepth=None if window is None else duration(Fraction(window)),
        suggestedPresentationDelay=duration(target),
        maxSegmentDuration=duration(Fraction(first.target_duration)),
        minBufferTime=duration(target),
    )
    lines = [head, *_service(int(target * 1000))]
    shares = list(airtime.shares(lives, apart))
    for aired, begin, own in shares[first_listed(lives, window=window) :]:
        life = aired.life
        length = duration(shortest(aired)) if aired.over else None
        start = duration(Fraction(life.started - first.started, 1000))
        lines.append(tag("Period", id=life.generation, start=start, duration=length))
        lines += event_streams.streams(own, begin=begin, scale=life.timescale)
        # Said from the beginning on: the MPD does not change when a marker comes.
        form = dash.Form(template=partial(_template, life), clock=_clock(life), inband=event_streams.inband())
        lines += dash.sets(_bare(aired, codecs), form)
        lines.append("</Period>")
    return [*lines, descriptor("UTCTiming", CLOCK, CLOCK_PATH)]


def _recorded(
    lives: Sequence[Aired],
    codecs: Mapping[str, str],
    markers: Sequence[Marker],
    *,
    text: Sequence[Rendition],
) -> list[str]:
    presentations = [live_present.presentation(aired, codecs) for aired in lives]
    if len(presentations) == 1:
        presentations = [replace(presentations[0], text=tuple(text))]
    lengths = [shortest(aired) for aired in lives]
    head = tag(
        "MPD",
        xmlns="urn:mpeg:dash:schema:mpd:2011",
        profiles=dash.PROFILES,
        type="static",
        mediaPresentationDuration=duration(sum(lengths, Fraction(0))),
        minBufferTime=duration(Fraction(lives[0].life.target_duration)),
    )
    lines, start = [head], Fraction(0)
    shares = airtime.shares(lives, markers)
    for (aired, begin, own), presentation, length in zip(shares, presentations, lengths, strict=True):
        head = tag("Period", id=presentation.generation, start=duration(start), duration=duration(length))
        apart = [one for one in own if not one.inband and one.moment < begin + length]
        events = event_streams.streams(apart, begin=begin, scale=aired.life.timescale)
        form = dash.Form(
            template=partial(_listed, aired) if aired.begin else dash.template,
            inband=event_streams.inband() if any(one.inband for one in own) else (),
        )
        lines += [head, *events, *dash.sets(presentation, form), "</Period>"]
        start += length
    return lines


def _service(target: int) -> list[str]:
    """Say how far behind players ought to be, in milliseconds, and how fast they may catch up (5.13)."""
    return [
        tag("ServiceDescription", id=0),
        tag("Latency", empty=True, referenceId=0, target=target, min=target // 2, max=target + _SLACK),
        tag("PlaybackRate", empty=True, min="0.96", max="1.04"),
        "</ServiceDescription>",
    ]


def _clock(life: Life) -> list[str]:
    """Say when what is shown at time 0 was encoded; prft boxes say it of every part (5.12)."""
    reference = tag(
        "ProducerReferenceTime",
        id=0,
        type="encoder",
        inband="true",
        wallClockTime=dates.iso(life.started),
        presentationTime=0,
    )
    return [reference, descriptor("UTCTiming", CLOCK, CLOCK_PATH), "</ProducerReferenceTime>"]


def _template(life: Life, rendition: Rendition) -> list[str]:
    """Return a SegmentTemplate by number, a segment there as soon as its first part is.

    Sound counts as the picture does: its borders are the access units nearest to that.
    """
    return [
        tag(
            "SegmentTemplate",
            empty=True,
            timescale=life.timescale,
            duration=life.segment_frames * life.frame_ticks,
            availabilityTimeOffset=_decimal(life.segment_seconds - life.part_seconds),
            availabilityTimeComplete="false",
            **dash.files(rendition),
        )
    ]


def _listed(aired: Aired, rendition: Rendition) -> list[str]:
    """Return a SegmentTemplate of what is there of a life whose first segments are left out.

    The Period begins with its first picture, which for the sound lies within an access unit.
    """
    offset = aired.started * rendition.timescale
    return dash.template(rendition, first=aired.begin, offset=offset.numerator // offset.denominator)


def _bare(aired: Aired, codecs: Mapping[str, str]) -> Presentation:
    return live_present.ladder([Aired(life=aired.life, reach=aired.reach)], codecs)


def shortest(aired: Aired) -> Fraction:
    """Return how long a life is in all renditions, once it is over: no one is to ask for what one lacks."""
    ends = (Fraction(one.end or 0, aired.life.scale(name)) for name, one in aired.reach.items())
    return min(ends) - aired.started


def _end(aired: Aired) -> Fraction:
    """Return the wall clock at which a life ends so far, in seconds since the epoch."""
    life = aired.life
    return Fraction(life.started, 1000) + aired.segments * life.segment_seconds


def _decimal(seconds: Fraction) -> str:
    """Return seconds, rounded down to the microsecond: what is promised must be there."""
    microseconds = seconds.numerator * 1_000_000 // seconds.denominator
    return f"{microseconds // 1_000_000}.{microseconds % 1_000_000:06d}"
