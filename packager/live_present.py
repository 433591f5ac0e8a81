"""From the lives of a broadcast to the Presentation that its manifests are rendered from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from packager.life import Aired, Life, Reach
from packager.model import Kind, Presentation, Rendition
from packager.plan import AudioRung, VideoRung
from packager.present import bound, sound_bound

_NOTHING = Reach()


def presentation(aired: Aired, codecs: Mapping[str, str]) -> Presentation:
    """Return one life by itself, with the segments that are whole; `codecs` is by rendition.

    Bandwidths are bounds that the encoder's rate control keeps.
    """
    life = aired.life
    video = tuple(_picture(aired, rung, codecs[rung.name]) for rung in life.video)
    audio = (_sound(aired, life.audio, codecs[life.audio.name]),) if life.audio else ()
    lengths = [Fraction(one.borders[-1] - one.borders[0], one.timescale) for one in (*video, *audio)]
    return Presentation(
        generation=life.generation,
        duration=max(lengths, default=Fraction(0)),
        target_duration=life.target_duration,
        started=life.started // 1000,
        video=video,
        audio=audio,
        ended=aired.over,
    )


def ladder(lives: Sequence[Aired], codecs: Mapping[str, str]) -> Presentation:
    """Return what one can choose from: the rungs on air, or all that were once it is over; no segments."""
    bare = [replace(aired, reach=dict.fromkeys(aired.life.names, _NOTHING)) for aired in lives]
    last = presentation(bare[-1], codecs)
    if not last.ended:
        return last
    every = {one.name: one for aired in bare for one in presentation(aired, codecs).video}
    ordered = sorted(every.values(), key=lambda one: -one.height)
    return Presentation(
        generation=last.generation,
        duration=last.duration,
        target_duration=lives[0].life.target_duration,
        started=last.started,
        video=tuple(ordered),
        audio=last.audio,
    )


def _picture(aired: Aired, rung: VideoRung, codecs: str) -> Rendition:
    life = aired.life
    segment = (0, life.segment_frames * life.frame_ticks)
    return Rendition(
        name=rung.name,
        kind=Kind.VIDEO,
        prefix=f"{life.generation}/{rung.name}",
        codecs=codecs,
        timescale=life.timescale,
        borders=_borders(aired, rung.name),
        bandwidth=bound(rung, segment, timescale=life.timescale, target=life.target_duration),
        width=rung.width,
        height=rung.height,
        frame_rate=life.rate,
    )


def _sound(aired: Aired, rung: AudioRung, codecs: str) -> Rendition:
    life: Life = aired.life
    return Rendition(
        name=rung.name,
        kind=Kind.AUDIO,
        prefix=f"{life.generation}/{rung.name}",
        codecs=codecs,
        timescale=rung.sample_rate,
        borders=_borders(aired, rung.name),
        bandwidth=sound_bound(rung),
        channels=rung.channels,
        sample_rate=rung.sample_rate,
        language=rung.language,
        title=rung.title,
        default=rung.default,
    )


def _borders(aired: Aired, name: str) -> tuple[int, ...]:
    count = aired.reach[name].segments
    begin = aired.life.border(name, aired.begin)
    return (begin, *(aired.end(name, segment) for segment in range(aired.begin, count)))
