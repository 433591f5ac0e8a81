"""The nouns of packaging: pure frozen data, which never renders itself.

Times are integers in a stated timescale, or exact fractions of seconds; never floats.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction

from packager.marker import Marker


class Scan(StrEnum):
    """How a picture is scanned."""

    PROGRESSIVE = "progressive"
    INTERLACED = "interlaced"


class Grid(StrEnum):
    """Where borders may lie: on closed source keyframes, or every K frames."""

    KEYFRAME = "keyframe"
    FRAME = "frame"


class Kind(StrEnum):
    """What a rendition carries."""

    VIDEO = "video"
    INTRA = "intra"
    AUDIO = "audio"
    TEXT = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Colour:
    """Colour description in FFmpeg's names (H.273): bt709, smpte2084, arib-std-b67 …; "" is unknown."""

    primaries: str = ""
    transfer: str = ""
    matrix: str = ""
    full_range: bool = False

    @property
    def hdr(self) -> bool:
        """Say whether the transfer is PQ (HDR10) or HLG."""
        return self.transfer in {"smpte2084", "arib-std-b67"}


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoTrack:
    """The video track of a source, as probed. Times are presentation times after the edit list.

    `width` and `height` are coded pixels before rotation; `rotation` is clockwise degrees to show it upright.
    `start` and `end` are container time in seconds: first displayed frame, and the end of the last one.
    `frame_rate` is nominal frames a second, `variable` tells that frame times do not follow it. `obstacles`
    say why its samples cannot be served as they are; None where the container has no table of them.
    """

    index: int
    codec: str
    profile: str = ""
    level: int = 0
    width: int
    height: int
    rotation: int = 0
    sample_aspect: Fraction = Fraction(1)
    pixel_format: str
    bit_depth: int = 8
    frame_rate: Fraction
    variable: bool = False
    scan: Scan = Scan.PROGRESSIVE
    colour: Colour = field(default_factory=Colour)
    time_base: Fraction
    start: Fraction
    end: Fraction
    language: str = ""
    edit_list: bool = False
    obstacles: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioTrack:
    """One audio track of a source. `start` and `end` are container time in seconds.

    `first_frame` is the samples of its first decoded frame where the container's clock cannot place frames to
    the sample (Matroska's milliseconds) and all later frames have one length; 0 elsewhere. `obstacles` as in
    VideoTrack.
    """

    index: int
    codec: str
    profile: str = ""
    channels: int
    layout: str
    sample_rate: int
    start: Fraction
    end: Fraction
    language: str = ""
    title: str = ""
    default: bool = False
    first_frame: int = 0
    obstacles: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTrack:
    """One text track of a source that can become WebVTT (subrip, ass, webvtt, mov_text)."""

    index: int
    codec: str
    language: str = ""
    title: str = ""
    default: bool = False
    forced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where media comes from, as probed.

    `warnings` name what is lost, for the person who sent the file. `indexed` says whether the container's own
    index gave the frame table (MP4, MOV) or the packets had to be read (MKV, TS); seeking in what is neither
    MP4 nor Matroska must start early, see packager.recipe.
    """

    container: str
    size: int
    duration: Fraction
    video: VideoTrack | None
    audio: tuple[AudioTrack, ...] = ()
    text: tuple[TextTrack, ...] = ()
    warnings: tuple[str, ...] = ()
    indexed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendition:
    """A rung as packaged: what a manifest says of it. Segment n spans borders[n] to borders[n + 1].

    `borders` are ticks of `timescale` from the asset's start; `prefix` is the key of the folder that holds
    the init and the segments. `bandwidth` is peak bits a second, a safe bound until measured; `average` is
    None until every segment exists.
    """

    name: str
    kind: Kind
    prefix: str
    codecs: str
    timescale: int
    borders: tuple[int, ...]
    bandwidth: int
    average: int | None = None
    width: int = 0
    height: int = 0
    frame_rate: Fraction = Fraction(0)
    channels: int = 0
    sample_rate: int = 0
    language: str = ""
    title: str = ""
    default: bool = False
    forced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Storyboard:
    """Sheets of `columns` × `rows` tiles, `width` × `height` pixels each, one every `interval` seconds."""

    prefix: str
    columns: int
    rows: int
    width: int
    height: int
    interval: Fraction
    tiles: int
    bandwidth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Presentation:
    """Everything that manifests of one generation are rendered from.

    `video` is ordered from the top rung down and never reordered. `started` is the wall clock of media time 0
    in seconds since the epoch (EXT-X-PROGRAM-DATE-TIME). `duration` is the asset's length in seconds, as far
    as it is known: until it has `ended`, segments are added behind.
    """

    generation: str
    duration: Fraction
    target_duration: int
    started: int
    video: tuple[Rendition, ...] = ()
    intra: Rendition | None = None
    audio: tuple[Rendition, ...] = ()
    text: tuple[Rendition, ...] = ()
    storyboard: Storyboard | None = None
    poster: str | None = None
    ended: bool = True
    markers: tuple[Marker, ...] = ()
