"""Render HLS playlists (RFC 8216bis) from a Presentation; every URI is relative to the asset's root."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import m3u8

from packager import dates, keys, labels
from packager.dateranges import DateRanges
from packager.model import Kind, Presentation, Rendition

VERSION = 7
"""EXT-X-MAP in ordinary playlists asks for 6 (RFC 8216 7); 7 is what fragmented MP4 is tested with."""

STEREO = "stereo"
SURROUND = "surround"
SUBTITLES = "subtitles"

_MICROSECOND = 1_000_000
_OPEN = ("#EXT-X-PLAYLIST-TYPE:EVENT", "#EXT-X-START:TIME-OFFSET=0")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    """One audio rendition within a group, under the name that its track has in every group."""

    name: str
    default: bool
    rendition: Rendition


_Groups = dict[str, list[_Member]]


def multivariant(presentation: Presentation) -> str:
    """Return the multivariant playlist. The order of variants follows the Presentation and never changes."""
    playlist = m3u8.M3U8()
    playlist.version = str(VERSION)
    playlist.is_independent_segments = True
    groups = _audio_groups(presentation.audio)
    # A single track without picture is its own variant and needs no group.
    alone = not presentation.video and all(len(members) == 1 for members in groups.values())
    for item in [*([] if alone else _audio_media(groups)), *_text_media(presentation.text)]:
        playlist.add_media(item)
    for group, members in groups.items() or [("", [])]:
        for rendition in presentation.video or [member.rendition for member in members[:1]]:
            playlist.add_playlist(_variant(rendition, "" if alone else group, members, playlist.media))
    if presentation.intra is not None:
        playlist.add_iframe_playlist(_trick(presentation.intra))
    return str(playlist.dumps())


def media(rendition: Rendition, presentation: Presentation) -> str:
    """Return the media playlist of a video or audio rendition, all segments listed, whole and final.

    Until the presentation has ended it is an EVENT: segments are added behind, TARGETDURATION stays.
    """
    return _listing(rendition, presentation, tags=())


def iframes(rendition: Rendition, presentation: Presentation) -> str:
    """Return the I-frame playlist of an intra rendition: whole segments of one frame, no byte ranges."""
    return _listing(rendition, presentation, tags=("#EXT-X-I-FRAMES-ONLY",))


def text(rendition: Rendition, presentation: Presentation) -> str:
    """Return the playlist of a text rendition: one WebVTT file, as one segment over the whole duration."""
    length = max(
        1, rounded(presentation.duration.numerator * _MICROSECOND, presentation.duration.denominator)
    )
    head = _head(presentation, target=_ceiling(length), start=Fraction(0), tags=())
    return f"{head}{extinf(length)}{rendition.prefix}/0.vtt\n#EXT-X-ENDLIST\n"


def playlist(rendition: Rendition, presentation: Presentation) -> str:
    """Return the playlist that a rendition's kind asks for."""
    if rendition.kind is Kind.TEXT:
        return text(rendition, presentation)
    return (
        iframes(rendition, presentation) if rendition.kind is Kind.INTRA else media(rendition, presentation)
    )


def _listing(rendition: Rendition, presentation: Presentation, *, tags: tuple[str, ...]) -> str:
    scale = rendition.timescale
    # Rounding the border times, not the durations, keeps the sum of EXTINF within a microsecond of the truth.
    times = [rounded(border * _MICROSECOND, scale) for border in rendition.borders]
    lengths = [end - start for start, end in pairwise(times)]
    longest = (max(lengths, default=0) + _MICROSECOND // 2) // _MICROSECOND
    head = _head(
        presentation,
        target=max(presentation.target_duration, longest),  # RFC 8216 4.3.3.1: rounded EXTINF never above
        start=Fraction(rendition.borders[0], scale),
        tags=(*tags, f'#EXT-X-MAP:URI="{rendition.prefix}/init.mp4"'),
    )
    return (
        head
        + "".join(_blocks(rendition.prefix, lengths))
        + ("#EXT-X-ENDLIST\n" if presentation.ended else "")
    )


def _blocks(prefix: str, lengths: Iterable[int]) -> list[str]:
    """Return each segment's lines; lengths are microseconds."""
    return [f"{extinf(length)}{prefix}/{number}.m4s\n" for number, length in enumerate(lengths)]


def extinf(length: int) -> str:
    """Return the line of a segment's length, given in microseconds."""
    return f"#EXTINF:{length // _MICROSECOND}.{length % _MICROSECOND:06d},\n"


def _head(presentation: Presentation, *, target: int, start: Fraction, tags: tuple[str, ...]) -> str:
    milliseconds = rounded(start.numerator * 1000, start.denominator)
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{VERSION}",
        f"#EXT-X-TARGETDURATION:{target}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        # An open EVENT is live to players, which would begin at its end.
        *(["#EXT-X-PLAYLIST-TYPE:VOD"] if presentation.ended else _OPEN),
        *tags,
        program_date_time(presentation.started * 1000 + milliseconds),
    ]
    return "\n".join(lines) + "\n" + DateRanges(presentation.markers).between(Fraction(presentation.started))


def program_date_time(milliseconds: int) -> str:
    """Return the line that gives the following segment its wall clock, in milliseconds since the epoch."""
    return f"#EXT-X-PROGRAM-DATE-TIME:{dates.iso(milliseconds)}"


def rounded(dividend: int, divisor: int) -> int:
    """Return the integer nearest to a fraction."""
    return (dividend + divisor // 2) // divisor


def _ceiling(microseconds: int) -> int:
    return -(-microseconds // _MICROSECOND)


def _audio_groups(audio: Sequence[Rendition]) -> _Groups:
    """Return the groups by name, stereo first, each with one member for every track.

    RFC 8216 4.3.4.1.1: groups of a type have the same members with the same names. A track without surround
    is in the surround group with its stereo rendition, and the other way round.
    """
    layouts = {
        STEREO: [rendition for rendition in audio if rendition.channels <= 2],
        SURROUND: [rendition for rendition in audio if rendition.channels > 2],
    }
    keyed = {
        group: {labels.track(rendition): rendition for rendition in renditions}
        for group, renditions in layouts.items()
        if renditions
    }
    tracks = list(dict.fromkeys(map(labels.track, audio)))
    shown = [next(group[track] for group in keyed.values() if track in group) for track in tracks]
    chosen = next((n for n, rendition in enumerate(shown) if rendition.default), 0)
    return {
        name: [
            _Member(name=label, default=n == chosen, rendition=group.get(track, shown[n]))
            for n, (track, label) in enumerate(zip(tracks, labels.names(shown), strict=True))
        ]
        for name, group in keyed.items()
    }


def _audio_media(groups: _Groups) -> list[m3u8.Media]:
    return [
        m3u8.Media(
            type="AUDIO",
            group_id=group,
            name=member.name,
            language=labels.language(member.rendition.language) or None,
            default="YES" if member.default else "NO",
            autoselect="YES",
            channels=str(member.rendition.channels or 2),
            uri=keys.playlist(member.rendition.name),
        )
        for group, members in groups.items()
        for member in members
    ]


def _text_media(renditions: Sequence[Rendition]) -> list[m3u8.Media]:
    chosen = next((rendition for rendition in renditions if rendition.default), None)
    return [
        m3u8.Media(
            type="SUBTITLES",
            group_id=SUBTITLES,
            name=name,
            language=labels.language(rendition.language) or None,
            default="YES" if rendition is chosen else "NO",
            autoselect="YES",
            forced="YES" if rendition.forced else "NO",
            uri=keys.playlist(rendition.name),
        )
        for name, rendition in zip(labels.names(renditions), renditions, strict=True)
    ]


def _variant(
    rendition: Rendition, group: str, members: Sequence[_Member], listed: m3u8.MediaList
) -> m3u8.Playlist:
    video = [rendition] if rendition.kind is Kind.VIDEO else []
    audio = [member.rendition for member in members]
    averages = [max(part, default=0) for part in _averages(video, audio) if part]
    info = {
        "bandwidth": sum(part.bandwidth for part in video)
        + max((part.bandwidth for part in audio), default=0),
        "average_bandwidth": sum(averages) if all(averages) else None,
        "codecs": ",".join(dict.fromkeys(part.codecs for part in [*video, *audio])),
        "resolution": f"{rendition.width}x{rendition.height}" if video else None,
        "frame_rate": _decimal(rendition.frame_rate) if video and rendition.frame_rate else None,
        "audio": group or None,
        "subtitles": SUBTITLES if any(item.type == "SUBTITLES" for item in listed) else None,
        # Without it Shaka Player searches segments for CEA-608 before it begins.
        "closed_captions": "NONE",
    }
    return m3u8.Playlist(keys.playlist(rendition.name), info, listed, "")


def _averages(video: Sequence[Rendition], audio: Sequence[Rendition]) -> tuple[list[int], list[int]]:
    """Return what is known of the averages; a part that is not complete makes its list a single 0."""
    first, second = ([part.average or 0 for part in parts] for parts in (video, audio))
    return (first if all(first) else [0]), (second if all(second) else [0])


def _decimal(rate: Fraction) -> Decimal:
    return (Decimal(rate.numerator) / Decimal(rate.denominator)).quantize(Decimal("1.000"))


def _trick(rendition: Rendition) -> m3u8.IFramePlaylist:
    info = {
        "bandwidth": rendition.bandwidth,
        "average_bandwidth": rendition.average,
        "resolution": f"{rendition.width}x{rendition.height}",
        "codecs": rendition.codecs,
    }
    return m3u8.IFramePlaylist("", keys.playlist(rendition.name), info)
