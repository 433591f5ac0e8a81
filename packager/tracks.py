"""Tracks as PyAV shows them, turned into the packager's nouns."""

from __future__ import annotations

from fractions import Fraction

from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from packager.index import Index
from packager.model import AudioTrack, Colour, Scan, TextTrack, VideoTrack
from packager.rates import nominal

# H.273 code points by FFmpeg's names.
_PRIMARIES = {
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "film",
    9: "bt2020",
    10: "smpte428",
    11: "smpte431",
    12: "smpte432",
    22: "ebu3213",
}
_TRANSFERS = {
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "linear",
    9: "log100",
    10: "log316",
    11: "iec61966-2-4",
    12: "bt1361e",
    13: "iec61966-2-1",
    14: "bt2020-10",
    15: "bt2020-12",
    16: "smpte2084",
    17: "smpte428",
    18: "arib-std-b67",
}
_MATRICES = {
    0: "gbr",
    1: "bt709",
    4: "fcc",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "ycgco",
    9: "bt2020nc",
    10: "bt2020c",
    11: "smpte2085",
    12: "chroma-derived-nc",
    13: "chroma-derived-c",
    14: "ictcp",
}
_FULL_RANGE = 2
_INTERLACED_ORDER = 2
_TITLE = 200


def video_track(
    stream: VideoStream, frame: VideoFrame, index: Index, *, end: int, edit_list: bool
) -> VideoTrack:
    """Describe a video track by its stream, one decoded frame and its index; `end` is in index ticks."""
    context = stream.codec_context
    rate, variable = nominal(index.times, index.time_base, (stream.guessed_rate, stream.average_rate))
    components = frame.format.components
    return VideoTrack(
        index=stream.index,
        codec=context.codec.canonical_name,
        profile=context.profile or "",
        level=max(0, context.level or 0),
        width=frame.width,
        height=frame.height,
        rotation=_upright(frame),
        sample_aspect=_aspect(stream),
        pixel_format=frame.format.name,
        bit_depth=max((component.bits for component in components), default=8),
        frame_rate=rate,
        variable=variable,
        scan=_scan(context.field_order, frame),
        colour=_colour(stream, frame),
        time_base=index.time_base,
        start=int(index.times[0]) * index.time_base,
        end=end * index.time_base,
        language=_language(stream),
        edit_list=edit_list,
    )


def audio_track(stream: AudioStream, frame: AudioFrame, *, start: Fraction, end: Fraction) -> AudioTrack:
    """Describe an audio track by its stream and its first frame; `start` and `end` are container seconds."""
    context = stream.codec_context
    exact = (Fraction(1, context.sample_rate) / (stream.time_base or 1)).denominator == 1
    return AudioTrack(
        index=stream.index,
        codec=context.codec.canonical_name,
        profile=context.profile or "",
        channels=context.layout.nb_channels,
        layout=context.layout.name,
        sample_rate=context.sample_rate,
        start=start,
        end=end,
        language=_language(stream),
        title=_title(stream),
        default=bool(stream.disposition & Disposition.default),
        # Vorbis has frames of two lengths.
        first_frame=0 if exact or context.codec.canonical_name == "vorbis" else frame.samples,
    )


def text_track(stream: Stream, codec: str) -> TextTrack:
    """Describe a text track."""
    return TextTrack(
        index=stream.index,
        codec=codec,
        language=_language(stream),
        title=_title(stream),
        default=bool(stream.disposition & Disposition.default),
        forced=bool(stream.disposition & Disposition.forced),
    )


def _upright(frame: VideoFrame) -> int:
    """Return clockwise degrees that show the frame upright; the display matrix counts the other way."""
    return round(-frame.rotation / 90) * 90 % 360


def _aspect(stream: VideoStream) -> Fraction:
    """Return the sample aspect ratio, 1 where it is unknown or absurd."""
    ratio = stream.sample_aspect_ratio
    if not ratio or ratio <= 0 or max(ratio, 1 / ratio) > 16:
        return Fraction(1)
    return Fraction(ratio)


def _scan(field_order: int, frame: VideoFrame) -> Scan:
    """Say how the picture is scanned: by the frame, or by what the parser found in the whole stream."""
    interlaced = frame.interlaced_frame or int(field_order) >= _INTERLACED_ORDER
    return Scan.INTERLACED if interlaced else Scan.PROGRESSIVE


def _colour(stream: VideoStream, frame: VideoFrame) -> Colour:
    """Return the colour description, the frame's where the stream lacks it."""
    context = stream.codec_context
    return Colour(
        primaries=_PRIMARIES.get(context.color_primaries) or _PRIMARIES.get(frame.color_primaries, ""),
        transfer=_TRANSFERS.get(context.color_trc) or _TRANSFERS.get(frame.color_trc, ""),
        matrix=_MATRICES.get(context.colorspace) or _MATRICES.get(frame.colorspace, ""),
        full_range=_FULL_RANGE in {int(context.color_range), int(frame.color_range)},
    )


def _language(stream: Stream) -> str:
    """Return the language tag as the file has it, "" where undetermined."""
    language = stream.metadata.get("language", "")
    return "" if language == "und" else language[:16]


def _title(stream: Stream) -> str:
    """Return the track's title; MP4 keeps it as its name."""
    return (stream.metadata.get("title") or stream.metadata.get("name") or "")[:_TITLE]
