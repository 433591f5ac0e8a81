"""The ffmpeg arguments of what is live: encodes of FLV, and FLV made of whatever publishers send."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg

from packager.formats import CODECS
from packager.life import Life
from packager.live_ladder import Offer
from packager.plan import AudioRung, VideoRung
from packager.recipe import compiled

_DARK = "0x141418"
_PROBE_BYTES = 32_768
_PROBE_MICROSECONDS = 100_000

# Every frame is a fragment: parts are made of them here, and frames that are pushed wait for no others.
_MOVFLAGS = "+empty_moov+default_base_moof+frag_every_frame+frag_discont+skip_trailer"


def encode(program: Path, life: Life, *, sound: bool, lead: int = 0) -> tuple[str, ...]:
    """Encode the renditions of a life that are made from one decode, in the order of their names.

    Pictures come at a constant rate from 0 on, whatever the publisher's times are, and an IDR begins every
    segment. `sound` says that the input has any; the sound follows the clock of its own times. Time 0 is
    `lead` milliseconds after that of the input.
    """
    early = {"itsoffset": f"{-lead}ms"} if lead else {}
    source = ffmpeg.input(
        "pipe:0",
        f="flv",
        probesize=_PROBE_BYTES,
        analyzeduration=_PROBE_MICROSECONDS,
        threads=1,  # frame threads would hold back a frame each
        flags="low_delay",
        copyts=None,
        codec_whitelist="h264,aac",
        protocol_whitelist="pipe",
        max_pixels=36_000_000,
        **early,
    )
    outputs = []
    if life.encoded:
        branches = source["v:0"].filter_multi_output("split", len(life.encoded))
        outputs = [
            ffmpeg.output(_scaled(branches[number], rung), f"pipe:{3 + number}", **_video(rung, life))
            for number, rung in enumerate(life.encoded)
        ]
    if life.audio is not None and sound:
        # A filter of the output, not of the graph: when the picture changes its size that one begins anew.
        outputs.append(ffmpeg.output(source["a:0"], f"pipe:{3 + len(life.encoded)}", **_audio(life.audio)))
    return compiled(program, outputs)


def slate(program: Path, offer: Offer, *, picture: bool) -> tuple[str, ...]:
    """Make two seconds of FLV of what is shown while nobody publishes: a still picture, and silence.

    The `picture` is a PNG on standard input; without it there is plain dark grey. Size, rate and the sound's
    form are the publisher's, so that a decoder need not begin anew.
    """
    if picture:
        shown = ffmpeg.input("pipe:0", f="image2pipe", vcodec="png", framerate=1, protocol_whitelist="pipe")
        shown = shown.filter("loop", loop=-1, size=1)
    else:
        shown = ffmpeg.input(f"color=c={_DARK}:s=320x180:r=1", f="lavfi")
    width, height = offer.width, offer.height
    still = (
        shown.filter("fps", fps=f"{offer.rate}")
        .filter("scale", width, height, force_original_aspect_ratio="decrease", flags="bicubic")
        .filter("pad", width, height, -1, -1, color=_DARK)
        .filter("setsar", 1)
        .filter("format", "yuv420p")
        .filter("trim", end_frame=round(_SLATE_SECONDS * offer.rate))
    )
    streams = [still]
    if offer.channels:
        layout = "mono" if offer.channels == 1 else "stereo"
        quiet = ffmpeg.input(f"anullsrc=r={offer.sample_rate}:cl={layout}", f="lavfi")
        streams.append(quiet.filter("atrim", duration=_SLATE_SECONDS))
    options = {
        "c:v": "libx264",
        "preset": "ultrafast",
        "tune": "zerolatency",
        "crf": 20,
        "g": 9999,
        "c:a": "aac",
        "b:a": 64_000,
        "flvflags": "no_duration_filesize",
        "map_metadata": -1,
        "f": "flv",
    }
    return compiled(program, [ffmpeg.output(*streams, "pipe:3", **options)])


_SLATE_SECONDS = 2


def still(program: Path, codec: str) -> tuple[str, ...]:
    """Make a PNG that fits into 1920×1080 of a picture of this codec on standard input, without metadata."""
    shown = ffmpeg.input(
        "pipe:0",
        f="image2pipe",
        vcodec=codec,
        err_detect="explode",
        protocol_whitelist="pipe",
        max_pixels=36_000_000,
    )
    fitted = shown.filter(
        "scale", "min(1920,iw)", "min(1080,ih)", force_original_aspect_ratio="decrease", flags="bicubic"
    )
    options = {
        "c:v": "png",
        "pix_fmt": "rgb24",
        "frames:v": 1,
        "map_metadata": -1,
        "fflags": "+bitexact",
        "f": "image2pipe",
    }
    # What a camera has noted would go along as side data.
    bare = fitted.filter("setsar", 1).filter("sidedata", "delete")
    return compiled(program, [ffmpeg.output(bare, "pipe:3", **options)])


def poster(program: Path, *, width: int, height: int) -> tuple[str, ...]:
    """Take one picture as JPEG: the most typical of the first 24 of a segment, with its init on stdin."""
    shown = _full(_stored().filter("thumbnail", 24), width, height)
    return compiled(program, [ffmpeg.output(shown, "pipe:3", **_jpeg(4), **{"frames:v": 1})])


def tiles(program: Path, *, width: int, height: int) -> tuple[str, ...]:
    """Make bare pixels, `yuvj420p`, of every picture of fragments, with their init on stdin."""
    options = {"c:v": "rawvideo", "f": "rawvideo", "fps_mode": "passthrough"}
    return compiled(program, [ffmpeg.output(_full(_stored(), width, height), "pipe:3", **options)])


def sheet(program: Path, *, columns: int, rows: int, width: int, height: int) -> tuple[str, ...]:
    """Lay bare pixels of that kind, on stdin, out on one JPEG; where they are few the rest is black."""
    size = (width, height)
    shown = ffmpeg.input(
        "pipe:0", f="rawvideo", pixel_format="yuvj420p", video_size=size, protocol_whitelist="pipe"
    )
    return compiled(program, [ffmpeg.output(shown.filter("tile", f"{columns}x{rows}"), "pipe:3", **_jpeg(5))])


def _stored() -> Any:
    return ffmpeg.input(
        "pipe:0", f="mp4", codec_whitelist="h264", protocol_whitelist="pipe", max_pixels=36_000_000
    )


def _full(shown: Any, width: int, height: int) -> Any:
    """Scale, with the full range that JPEG has."""
    scaled = shown.filter("scale", width, height, flags="bicubic", out_range="pc", out_color_matrix="bt601")
    return scaled.filter("setsar", 1).filter("format", "yuvj420p").filter("sidedata", "delete")


def _jpeg(quality: int) -> dict[str, Any]:
    options = {"c:v": "mjpeg", "q:v": quality, "fflags": "+bitexact", "map_metadata": -1}
    return {**options, "f": "image2pipe", "fps_mode": "passthrough"}


def remux(program: Path, container: str, *, copy: bool) -> tuple[str, ...]:
    """Make FLV of a container that arrives on standard input: H.264 and AAC, without metadata.

    `container` is a demuxer of FFmpeg's. H.264 is copied; without `copy` the picture is another one and
    encoded. A frame rate is not told: of what has arrived so far it would be a guess.
    """
    source = ffmpeg.input(
        "pipe:0",
        f=container,
        probesize=_PROBE_BYTES,
        analyzeduration=_PROBE_MICROSECONDS,
        threads=1,
        flags="low_delay",
        codec_whitelist=",".join(CODECS),
        protocol_whitelist="pipe",
        max_pixels=36_000_000,
    )
    picture = {"c:v": "copy"} if copy else _FAST | _EVENLY_KEYED | _AS_THEY_COME
    return compiled(program, [ffmpeg.output(source["v:0"], source["a:0?"], "pipe:3", **picture, **_flv())])


def test_card(program: Path, *, font: Path | None, seconds: int | None) -> tuple[str, ...]:
    """Make FLV of a moving picture and a tone, at the pace of the clock; a `font` writes the time of day."""
    ends = {} if seconds is None else {"t": seconds}
    picture = ffmpeg.input("testsrc2=s=640x360:r=25", f="lavfi", re=None, **ends)
    tone = ffmpeg.input("sine=frequency=440:beep_factor=4:sample_rate=48000", f="lavfi", re=None, **ends)
    if font is not None:
        picture = picture.filter(
            "drawtext",
            fontfile=str(font),
            text="%{localtime:%H\\:%M\\:%S}",
            fontsize=56,
            fontcolor="white",
            box=1,
            boxcolor="black",
            boxborderw=12,
            x="(w-text_w)/2",
            y="h-text_h-32",
        )
    return compiled(program, [ffmpeg.output(picture, tone, "pipe:3", **_FAST, **_EVENLY_KEYED, **_flv())])


def grain(program: Path, offer: Offer, *, seconds: int) -> tuple[str, ...]:
    """Make FLV of a moving picture with as much grain as makes it as heavy to encode as a film."""
    size = f"{offer.width}x{offer.height}"
    picture = ffmpeg.input(f"testsrc2=s={size}:r={offer.rate}:d={seconds}", f="lavfi")
    grainy = picture.filter("noise", alls=6, allf="t").filter("format", "yuv420p")
    return compiled(program, [ffmpeg.output(grainy, "pipe:3", **_FAST, **_EVENLY_KEYED, **_flv())])


def srt(program: Path, *, host: str, port: int, passphrase: str) -> tuple[str, ...]:
    """Wait for one SRT caller who knows the passphrase, and make FLV of the transport stream that it sends.

    `host` is an address, not a name: nothing can be looked up where this runs.
    """
    source = ffmpeg.input(
        f"srt://{f'[{host}]' if ':' in host else host}:{port}",
        f="mpegts",
        mode="listener",
        passphrase=passphrase,
        pbkeylen=16,
        latency=SRT_LATENCY_MICROSECONDS,
        # As much as it takes to see a keyframe and the sound; all of it is handed on.
        probesize=_SRT_PROBE_BYTES,
        analyzeduration=_SRT_PROBE_MICROSECONDS,
        fpsprobesize=0,
        threads=1,
        flags="low_delay",
        codec_whitelist=",".join(CODECS),
        protocol_whitelist="srt",
        max_pixels=36_000_000,
    )
    picture = {"c:v": "copy"}
    return compiled(program, [ffmpeg.output(source["v:0"], source["a:0?"], "pipe:3", **picture, **_flv())])


SRT_LATENCY_MICROSECONDS = 120_000
_SRT_PROBE_BYTES = 8 << 20
_SRT_PROBE_MICROSECONDS = 2_000_000

_FAST = {
    "c:v": "libx264",
    "preset": "ultrafast",
    "tune": "zerolatency",
    "crf": 20,
    "pix_fmt": "yuv420p",
}
# The encoder's own clock would be a guessed rate, and frames between its ticks would fall on one of them.
_AS_THEY_COME = {"fps_mode": "passthrough", "enc_time_base": "1/1000"}
_EVENLY_KEYED = {"force_key_frames": "expr:gte(t,n_forced*2)", "g": 9999}


def _flv() -> dict[str, Any]:
    return {
        "c:a": "aac",
        "b:a": 192_000,
        "ar": 48_000,
        "ac": 2,
        "af": f"aresample=async=1:min_hard_comp={float(_HOLE)}",
        # The encoder of the sound begins before 0, and FLV has no such times.
        "output_ts_offset": 1,
        "avoid_negative_ts": "disabled",
        "flvflags": "no_duration_filesize+no_metadata+no_sequence_end",
        "flush_packets": 1,
        "map_metadata": -1,
        "f": "flv",
    }


def _scaled(stream: Any, rung: VideoRung) -> Any:
    return (
        stream.filter("scale", rung.width, rung.height, flags="bicubic")
        .filter("setsar", 1)
        .filter("format", "yuv420p")
    )


def _video(rung: VideoRung, life: Life) -> dict[str, Any]:
    base = 1 / life.rate
    return {
        "c:v": "libx264",
        "preset": rung.preset,
        "tune": "zerolatency",
        "profile:v": "high",
        "crf": rung.crf,
        "maxrate": rung.maxrate,
        "bufsize": rung.buffer,
        "threads": rung.threads,
        "r": f"{life.rate}",
        "fps_mode": "cfr",
        "enc_time_base": f"{base.numerator}/{base.denominator}",
        "g": life.segment_frames,
        "keyint_min": life.segment_frames,
        "sc_threshold": 0,
        "forced-idr": 1,
        "video_track_timescale": life.timescale,
        **_mp4(),
    }


def _audio(rung: AudioRung) -> dict[str, Any]:
    return {
        "c:a": "aac",
        "b:a": rung.bitrate,
        "ar": rung.sample_rate,
        "ac": rung.channels,
        "af": f"aresample={rung.sample_rate}:async=1:min_hard_comp={float(_HOLE)}",
        **_mp4(),
    }


_HOLE = Fraction(1, 10)
"""Seconds that the sound may be off its times before it is cut or filled up; below, it is stretched."""


def _mp4() -> dict[str, Any]:
    return {
        "avoid_negative_ts": "disabled",
        "map_metadata": -1,
        "fflags": "+bitexact",
        "flags": "+bitexact",
        "movflags": _MOVFLAGS,
        "flush_packets": 1,
        "f": "mp4",
    }
