"""The only file that writes ffmpeg arguments. Outputs are pipes 3, 4 and so on.

A Run and its init share `_video_options` and `_finish`, because every encoder option, the colour tags and the
frame rate stand in the init: what differs there makes players drop the track. Cuts are `trim` by integer
presentation times, never -ss/-to in seconds, which round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg

from packager import clock
from packager.feed import Feed
from packager.formats import CODECS, FORMATS
from packager.model import Grid
from packager.plan import AudioRung, Picture, VideoRung
from packager.timeline import AAC_FRAME

_PRIMING = 1
"""The AAC encoder's own delay, in frames: its first access unit decodes to what lies before the input."""

_MOVFLAGS = "+empty_moov+default_base_moof+frag_keyframe+frag_discont+negative_cts_offsets"


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A source as ffmpeg reads it: a feed on standard input, or the file where there is none.

    `indexed` says whether seeking in the file finds the keyframe before a time.
    """

    path: Path | None
    indexed: bool
    feed: Feed | None = None

    @property
    def shift(self) -> int:
        """Return how many seconds ffmpeg's times lie above the source's own."""
        return self.feed.shift if self.feed else 0


def _open(source: Input, track: int, seconds: Fraction) -> Any:
    """Open a track at or before container time `seconds`: filters cut, the demuxer has to be early."""
    options: dict[str, Any] = {
        "copyts": None,
        "format_whitelist": ",".join(FORMATS),
        "codec_whitelist": ",".join(CODECS),
        "max_pixels": 36_000_000,
    }
    if source.feed is not None:
        options |= {"protocol_whitelist": "pipe", "f": source.feed.format}
        return ffmpeg.input("pipe:0", **options)[str(source.feed.stream)]
    options |= {"protocol_whitelist": "file", "noaccurate_seek": None}
    early = seconds - (0 if source.indexed else clock.UNINDEXED_EARLY)
    if early > 0:
        options |= {"seek_timestamp": 1, "ss": _decimal(early)}
    return ffmpeg.input(f"file:{source.path}", **options)[str(track)]


def _decimal(seconds: Fraction) -> str:
    micro = round(seconds * 1_000_000)
    return f"{'-' if micro < 0 else ''}{abs(micro) // 1_000_000}.{abs(micro) % 1_000_000:06d}"


def compiled(program: Path, outputs: Sequence[Any], *, progress: bool = False) -> tuple[str, ...]:
    """Return the command line of these outputs; `progress` has a pipe of its own behind theirs."""
    merged = ffmpeg.merge_outputs(*outputs)
    arguments = ["-hide_banner", "-nostdin", "-loglevel", "error"]
    if progress:
        arguments += ["-progress", f"pipe:{3 + len(outputs)}", "-stats_period", "0.5"]
    return (str(program), *arguments, *merged.get_args())


def video(
    program: Path,
    source: Input,
    picture: Picture,
    *,
    rungs: Sequence[VideoRung],
    intra: VideoRung | None,
    borders: Sequence[int],
    first: bool,
    blank: bool = False,
) -> tuple[str, ...]:
    """Encode all rungs of consecutive segments with one decode; the intra rung, where asked for, comes last.

    `borders` are media ticks: the begin of every segment of the Run, and the end of the last. `first` says
    that the Run begins with the asset's first frame. `blank` makes black frames instead, on the frame grid.
    """
    if blank:
        shown = _black(picture, rungs, borders)
    else:
        opened = _open(source, picture.track, clock.picture_time(picture, borders[0]))
        shown = _cut(_shown(opened, source, picture), _moved(picture, source), borders, first=first)
        shown = _normalise(shown, picture, rungs)
    branches = shown.filter_multi_output("split", len(rungs) + (intra is not None))
    outputs = []
    for number, rung in enumerate(rungs):
        branch = _finish(branches[number], rung, picture)
        options = _video_options(rung, picture) | {"force_key_frames": _forced(picture, borders)}
        outputs.append(ffmpeg.output(branch, f"pipe:{3 + number}", **options))
    if intra is not None:
        chosen = "+".join(f"eq(pts,{_output_pts(picture, border)})" for border in borders[:-1])
        branch = _finish(branches[len(rungs)].filter("select", chosen), intra, picture)
        options = _video_options(intra, picture, intra=True)
        outputs.append(ffmpeg.output(branch, f"pipe:{3 + len(rungs)}", **options))
    return compiled(program, outputs, progress=True)


def video_init(program: Path, rung: VideoRung, picture: Picture, *, intra: bool = False) -> tuple[str, ...]:
    """Encode one synthetic frame with exactly a rung's options: its init is the later Run's."""
    size = f"{rung.width}x{rung.height}"
    black = ffmpeg.input(f"color=black:s={size}:r={picture.rate}", f="lavfi")
    if picture.grid is Grid.KEYFRAME:
        black = black.filter("settb", f"1/{picture.timescale}")
    options = _video_options(rung, picture, intra=intra) | {"frames:v": 1}
    return compiled(program, [ffmpeg.output(_finish(black, rung, picture), "pipe:3", **options)])


def _moved(picture: Picture, source: Input) -> Picture:
    """Return the picture with the container's times as ffmpeg sees them."""
    ticks = int(source.shift / picture.time_base)
    return replace(picture, first=picture.first + ticks, origin=picture.origin + ticks)


def _shown(stream: Any, source: Input, picture: Picture) -> Any:
    """Leave out what an edit list hides before the first picture: a feed has none that could say so."""
    if source.feed is None:
        return stream
    return stream.filter("trim", start_pts=_moved(picture, source).first)


def _cut(stream: Any, picture: Picture, borders: Sequence[int], *, first: bool) -> Any:
    if picture.grid is Grid.KEYFRAME:
        start, end = borders[0] + picture.origin, borders[-1] + picture.origin
        begin = {} if first else {"start_pts": start}
        stream = stream.filter("trim", end_pts=end, **begin)
        # The first picture is shown from the asset's start where audio begins before it.
        moved = f"if(eq(N,0),0,PTS-({picture.origin}))" if first else f"PTS-({picture.origin})"
        return stream.filter("setpts", moved, strip_fps=1)
    stream = stream.filter("setpts", f"PTS-({picture.first})")
    if picture.deinterlace:
        stream = stream.filter("bwdif", mode="send_frame")
    # Padding copies of the first frame stand before it where audio begins earlier; the clones behind the last
    # one keep the count exact where a damaged source ends before its index says.
    lead = {"start_time": _decimal(-Fraction(picture.lead) / picture.rate)} if first and picture.lead else {}
    start, end = _output_pts(picture, borders[0]), _output_pts(picture, borders[-1])
    stream = stream.filter("fps", fps=f"{picture.rate}", round="near", **lead)
    if picture.lead:
        stream = stream.filter("setpts", f"PTS+{picture.lead}")
    return stream.filter("tpad", stop=-1, stop_mode="clone").filter("trim", start_pts=start, end_pts=end)


def _black(picture: Picture, rungs: Sequence[VideoRung], borders: Sequence[int]) -> Any:
    size = f"{rungs[0].width}x{rungs[0].height}" if rungs else "320x180"
    start, end = _output_pts(picture, borders[0]), _output_pts(picture, borders[-1])
    black = ffmpeg.input(f"color=black:s={size}:r={picture.rate}", f="lavfi")
    return black.filter("setpts", f"PTS+{start}").filter("trim", end_pts=end)


def _output_pts(picture: Picture, border: int) -> int:
    """Return a border in the encoder's time base: ticks on the keyframe grid, frames on the frame grid."""
    if picture.grid is Grid.KEYFRAME:
        return border
    return int(Fraction(border, picture.timescale) * picture.rate)


def _forced(picture: Picture, borders: Sequence[int]) -> str:
    """Return the times of forced IDRs, rounded down: ffmpeg forces the first frame at or behind a time."""
    micro = (border * 1_000_000 // picture.timescale for border in borders[:-1])
    return ",".join(_decimal(Fraction(time, 1_000_000)) for time in micro)


def _normalise(stream: Any, picture: Picture, rungs: Sequence[VideoRung]) -> Any:
    """Bring HDR to SDR at the size of the widest rung, once for all of them."""
    if not picture.tone_map:
        return stream
    top = max(rungs, key=lambda rung: rung.width, default=None)
    if top is not None:
        stream = stream.filter("scale", top.width, top.height, flags="bicubic")
    return (
        stream.filter("zscale", t="linear", npl=100)
        .filter("format", "gbrpf32le")
        .filter("zscale", p="bt709")
        .filter("tonemap", "hable", desat=0)
        .filter("zscale", t="bt709", m="bt709", r="tv")
        .filter("format", "yuv420p")
    )


def _finish(stream: Any, rung: VideoRung, picture: Picture) -> Any:
    """Scale to the rung and set everything that stands in the init: format, aspect, colour."""
    matrix = "bt709" if picture.colour.matrix == "bt709" else "bt601"
    return (
        # HDR mastering data, captions and the like would go into the init; nobody looks for them there
        stream.filter("sidedata", mode="delete")
        .filter(
            "scale",
            rung.width,
            rung.height,
            flags="bicubic",
            in_color_matrix=matrix,
            out_color_matrix=matrix,
            out_range="tv",
        )
        .filter("setsar", 1)
        .filter("format", "yuv420p")
        .filter(
            "setparams",
            color_primaries=picture.colour.primaries,
            color_trc=picture.colour.transfer,
            colorspace=picture.colour.matrix,
            range="tv",
        )
    )


def _video_options(rung: VideoRung, picture: Picture, *, intra: bool = False) -> dict[str, Any]:
    rate = Fraction(1) if intra else picture.rate
    base = 1 / picture.rate if picture.grid is Grid.FRAME else Fraction(1, picture.timescale)
    gop = 1 if intra else 9999
    # x264 is told the rate itself: what the demuxer guesses of a source with variable rate is not repeatable.
    return {
        "c:v": "libx264",
        "preset": rung.preset,
        "profile:v": "high",
        "crf": rung.crf,
        "maxrate": rung.maxrate,
        "bufsize": rung.buffer,
        "threads": rung.threads,
        "g": gop,
        "keyint_min": 1,
        "sc_threshold": 0,
        "forced-idr": 1,
        "x264-params": f"fps={rate.numerator}/{rate.denominator}:open-gop=0",
        "fps_mode": "passthrough",
        "enc_time_base": f"{base.numerator}/{base.denominator}",
        "video_track_timescale": picture.timescale,
        **_mp4(),
    }


def _mp4() -> Mapping[str, Any]:
    return {
        "avoid_negative_ts": "disabled",
        "map_metadata": -1,
        "map_chapters": -1,
        "fflags": "+bitexact",
        "flags": "+bitexact",
        "movflags": _MOVFLAGS,
        "flush_packets": 1,
        "f": "mp4",
    }


def audio(
    program: Path,
    source: Input,
    rung: AudioRung,
    *,
    moved: clock.Moved,
    first: int,
    last: int,
) -> tuple[tuple[str, ...], int]:
    """Encode samples of one track for access units first to last (excluded).

    Return the argv and how many access units at the head of the output are pre-roll and priming, to be
    dropped. Silence stands where the source has none, before it begins and after it ends.
    """
    begin = max(0, first - clock.PRE_ROLL)
    start, end = begin * AAC_FRAME, (last + 1) * AAC_FRAME
    seconds = clock.sound_span(rung, origin=moved.origin, first=first, last=last)[0]
    layout = "stereo" if rung.channels == 2 else "5.1"
    opened = _open(source, rung.track, seconds).filter("asetpts", moved.expression(source.shift))
    if source.feed is not None:  # it has no edit list that hides the encoder's priming, and what was cut off
        whole = {"start_pts": round(moved.start * moved.rate), "end_pts": round(moved.end * moved.rate)}
        opened = opened.filter("atrim", **whole)
    heard = (
        opened.filter(
            "aresample",
            rung.sample_rate,
            out_chlayout=layout,
            out_sample_fmt="fltp",
            first_pts=start,
            min_comp="0.00001",  # the first sample is placed exactly, a millisecond is not good enough
            min_hard_comp="0.01",
            **{"async": 1},
        )
        .filter("apad")
        .filter("atrim", start_pts=start, end_pts=end)
    )
    argv = compiled(program, [ffmpeg.output(heard, "pipe:3", **_audio_options(rung))], progress=True)
    return argv, first - begin + _PRIMING


def silence(program: Path, rung: AudioRung, *, units: int) -> tuple[tuple[str, ...], int]:
    """Encode so many access units of silence, for a Run that lies wholly outside its track."""
    return compiled(program, [_silent(rung, units)], progress=True), _PRIMING


def audio_init(program: Path, rung: AudioRung) -> tuple[str, ...]:
    """Encode one access unit of silence with exactly a rung's options: its init is the later Run's."""
    return compiled(program, [_silent(rung, 1)])


def _silent(rung: AudioRung, units: int) -> Any:
    layout = "stereo" if rung.channels == 2 else "5.1"
    quiet = ffmpeg.input(f"anullsrc=r={rung.sample_rate}:cl={layout}", f="lavfi")
    quiet = quiet.filter("atrim", end_sample=(units + 1) * AAC_FRAME)
    return ffmpeg.output(quiet, "pipe:3", **_audio_options(rung))


def _audio_options(rung: AudioRung) -> dict[str, Any]:
    flags = {"movflags": "+empty_moov+default_base_moof+frag_discont", "frag_duration": 500_000}
    return {
        "c:a": "aac",
        "b:a": rung.bitrate,
        "ar": rung.sample_rate,
        "ac": rung.channels,
        **_mp4(),
        **flags,
    }


def poster(
    program: Path, source: Input, picture: Picture, *, rung: VideoRung, border: int
) -> tuple[str, ...]:
    """Take one picture as JPEG: the most typical of the 24 frames from a border on."""
    begin = clock.picture_time(picture, border)
    shown = _shown(_open(source, picture.track, begin), source, picture)
    first = int((begin + source.shift) / picture.time_base)
    shown = shown.filter("trim", start_pts=first).filter("thumbnail", 24)
    if picture.deinterlace:
        shown = shown.filter("bwdif", mode="send_frame")
    still = _finish(_normalise(shown, picture, [rung]), rung, picture)
    options = {"frames:v": 1, "c:v": "mjpeg", "q:v": 4, "fflags": "+bitexact", "map_metadata": -1}
    options |= {"f": "image2pipe", "fps_mode": "passthrough", "strict": "unofficial"}
    return compiled(program, [ffmpeg.output(still, "pipe:3", **options)])


def sprites(program: Path, *, columns: int, rows: int, width: int, height: int) -> tuple[str, ...]:
    """Lay pictures of the intra rung, an init and its segments on stdin, out on sheets of JPEG."""
    sheets = (
        ffmpeg.input("pipe:0", f="mp4", protocol_whitelist="pipe")
        .filter("scale", width, height, flags="bicubic")
        .filter("tile", f"{columns}x{rows}")
    )
    options = {"c:v": "mjpeg", "q:v": 5, "fflags": "+bitexact", "map_metadata": -1, "strict": "unofficial"}
    options |= {"f": "image2pipe", "fps_mode": "passthrough"}
    return compiled(program, [ffmpeg.output(sheets, "pipe:3", **options)])


def subtitles(program: Path, source: Input, *, track: int, origin: Fraction) -> tuple[str, ...]:
    """Turn a text track into WebVTT, in media time: container time less `origin`."""
    words = _open(source, track, Fraction(0))
    options = {"c:s": "webvtt", "f": "webvtt", "map_metadata": -1, "output_ts_offset": _decimal(-origin)}
    return compiled(program, [ffmpeg.output(words, "pipe:3", **options)])
