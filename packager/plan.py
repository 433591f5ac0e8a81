"""The plan: the frozen choices of an asset, from which manifests and Runs follow without looking back."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from fractions import Fraction

from pydantic import TypeAdapter

from packager import timeline
from packager.model import Colour, Grid, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedRung:
    """The source's video track as it is: the top rung, without a Run."""

    name: str
    track: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRung:
    """One video encode recipe. Rates are bits a second, `buffer` bits; `threads` belongs to the bytes."""

    name: str
    width: int
    height: int
    maxrate: int
    buffer: int
    crf: int
    preset: str
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioRung:
    """One AAC-LC encode recipe. `track` is the source's stream index, `bitrate` bits a second.

    Where it is `copied` the track is served as it is, without a Run, and `borders` are when the first access
    unit of each segment begins and when the last one ends, in samples.
    """

    name: str
    track: int
    channels: int
    sample_rate: int
    bitrate: int
    language: str = ""
    title: str = ""
    default: bool = False
    copied: bool = False
    borders: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRung:
    """A text track that becomes one WebVTT file. `track` is the source's stream index."""

    name: str
    track: int
    language: str = ""
    title: str = ""
    default: bool = False
    forced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """How source frames become output frames.

    `first` is the first displayed frame in ticks of `time_base`, as the container counts. On the keyframe
    grid the output's timescale is the source's and `origin` the container tick that is media time 0. On the
    frame grid frames come at `rate`, `lead` copies of the first one stand before it where audio begins
    earlier, and there are `frames` in all.
    """

    track: int
    grid: Grid
    rate: Fraction
    timescale: int
    time_base: Fraction
    first: int
    origin: int
    lead: int = 0
    frames: int = 0
    deinterlace: bool = False
    tone_map: bool = False
    colour: Colour
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The frozen choices. `origin` is the container time in seconds that is media time 0 for every track.

    `borders` are ticks of `timescale` for the whole asset, `shown` those of the segments that have a picture:
    sound may go on behind the last frame, in the same segment or in more of them. Both grow at their ends
    until the plan has `ended`: a source that says nothing of what follows is on its way. `encoder` names the
    build that made the inits: Runs go only where it is the same. `copied` stands above all rungs of `video`;
    `uncopied` says for people which tracks are encoded although they could have been rungs, and why.
    """

    source: Source
    identity: str
    encoder: str
    origin: Fraction
    duration: Fraction
    timescale: int
    borders: tuple[int, ...]
    picture: Picture | None = None
    shown: tuple[int, ...] = ()
    copied: CopiedRung | None = None
    video: tuple[VideoRung, ...] = ()
    intra: VideoRung | None = None
    audio: tuple[AudioRung, ...] = ()
    text: tuple[TextRung, ...] = ()
    uncopied: tuple[str, ...] = ()
    salt: str = ""
    ended: bool = True

    @property
    def pictures(self) -> int:
        """Return how many segments have a picture."""
        return max(0, len(self.shown) - 1)

    def sound_borders(self, rung: AudioRung) -> tuple[int, ...]:
        """Return the borders of a rung of sound in samples, nearest to the picture's."""
        if rung.copied:
            return rung.borders
        return timeline.audio_borders(
            self.borders, timescale=self.timescale, rate=rung.sample_rate, ended=self.ended
        )

    @property
    def generation(self) -> str:
        """Name the output: a hash of the source's identity and the choices, not of duration or borders."""
        return _generation(self)


_PLAN = TypeAdapter(Plan)


def to_json(plan: Plan) -> bytes:
    """Serialise a plan."""
    return _PLAN.dump_json(plan)


def from_json(text: bytes | str) -> Plan:
    """Read a plan that `to_json` wrote."""
    return _PLAN.validate_json(text)


def _generation(plan: Plan) -> str:
    picture = plan.picture and replace(plan.picture, frames=0, reasons=())
    choices = replace(
        plan,
        source=_endless(plan.source),
        duration=Fraction(0),
        borders=(),
        shown=(),
        picture=picture,
        audio=tuple(replace(rung, borders=()) for rung in plan.audio),
        uncopied=(),
        ended=True,
    )
    return "g" + hashlib.sha256(_PLAN.dump_json(choices)).hexdigest()[:15]


def _endless(source: Source) -> Source:
    """Return a source without all that grows while it arrives."""
    never = Fraction(0)
    return replace(
        source,
        size=0,
        duration=never,
        warnings=(),
        video=source.video and replace(source.video, end=never),
        audio=tuple(replace(track, end=never) for track in source.audio),
    )
