"""Sources of bench/instant, made once with ffmpeg: long ones are cheap, a minute looped at low bit rate."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
SAMPLE = Path(__file__).parents[1] / "samples" / "bbb-480p-30s.mp4"
_SOUND = ["-f", "lavfi", "-i", "sine=440:r=48000"]
_AAC = ["-c:a", "aac", "-b:a", "96k", "-ac", "2"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file to upload: `complies` says that its picture can be the top rung as it is."""

    name: str
    path: Path
    complies: bool


def _ffmpeg(*arguments: object) -> None:
    subprocess.run([FFMPEG, "-hide_banner", "-loglevel", "error", "-y", *map(str, arguments)], check=True)


def _minute(path: Path, *, gop: int = 48, size: str = "640x360", options: tuple[str, ...] = ()) -> None:
    picture = f"testsrc2=s={size}:r=24"
    x264 = ["-c:v", "libx264", "-preset", "veryfast", "-b:v", "200k", "-pix_fmt", "yuv420p"]
    grid = ["-g", gop, "-sc_threshold", 0, "-x264-params", "open-gop=0"]
    _ffmpeg("-f", "lavfi", "-i", picture, *_SOUND, "-t", 60, *x264, *grid, *_AAC, *options, path)


def looped(minutes: int) -> Callable[[Path], None]:
    """Return what makes so many minutes of cheap pictures and sound, without a hole at the joints."""

    def make(path: Path) -> None:
        minute, sound = path.with_name("minute.mp4"), path.with_name("minute.aac")
        if not sound.exists():
            _minute(minute)
            _ffmpeg("-i", minute, "-vn", "-c", "copy", sound)
        long = path.with_suffix(".aac")
        long.write_bytes(sound.read_bytes() * minutes)
        picture = ["-stream_loop", minutes - 1, "-i", minute, "-i", long, "-map", "0:v", "-map", "1:a"]
        _ffmpeg(*picture, "-c", "copy", "-shortest", path)
        long.unlink()

    return make


def _half(path: Path) -> None:
    picture = ["-f", "lavfi", "-i", "testsrc2=s=1280x720:r=30", *_SOUND, "-t", 30]
    x264 = ["-c:v", "libx264", "-preset", "veryfast", "-b:v", "2M", "-maxrate", "2.5M", "-bufsize", "2.5M"]
    _ffmpeg(*picture, *x264, "-g", 60, "-sc_threshold", 0, "-pix_fmt", "yuv420p", *_AAC, path)


def _ts(path: Path) -> None:
    _ffmpeg("-i", SAMPLE, "-c", "copy", path)


def _vfr(path: Path) -> None:
    even = "-vf", "setpts=PTS+if(mod(N\\,3)\\,0.009/TB\\,0),settb=1/90000"
    _minute(path, options=(*even, "-fps_mode", "passthrough", "-video_track_timescale", "90000"))


def _hdr(path: Path) -> None:
    tags = ["-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc"]
    x265 = ["-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", "-tag:v", "hvc1"]
    quiet = ["-x265-params", "log-level=error:keyint=48:open-gop=0"]
    picture = ["-f", "lavfi", "-i", "testsrc2=s=1280x720:r=24", *_SOUND, "-t", 20]
    _ffmpeg(*picture, *x265, *quiet, *tags, *_AAC, path)


def _rotated(path: Path) -> None:
    minute = path.with_name("upright.mp4")
    _minute(minute)
    _ffmpeg("-display_rotation", 90, "-i", minute, "-c", "copy", path)


_LONG = {"10 min": looped(10), "1 h": looped(60), "4 h": looped(240)}
_ODD: dict[str, tuple[str, Callable[[Path], None]]] = {
    "30 s": (".mp4", _half),
    "TS": (".ts", _ts),
    "VFR": (".mp4", _vfr),
    "HDR10": (".mp4", _hdr),
    "10 s GOP": (".mp4", lambda path: _minute(path, gop=240)),
    "rotated": (".mp4", _rotated),
}
_COMPLY = {"30 s", "VFR"}


def sources(folder: Path) -> list[Source]:
    """Make what is missing in the folder and return all, the longest last; indexes are at the files' ends."""
    found = [Source(name="film, 30 s", path=SAMPLE, complies=False)]
    for name, (suffix, make) in _ODD.items():
        path = folder / f"{name.replace(' ', '-')}{suffix}"
        if not path.exists():
            make(path)
        found.append(Source(name=name, path=path, complies=name in _COMPLY))
    for name, make in _LONG.items():
        path = folder / f"{name.replace(' ', '-')}.mp4"
        if not path.exists():
            make(path)
        found.append(Source(name=name, path=path, complies=True))
    return found


def growing(folder: Path) -> dict[str, Path]:
    """Return a minute of 2.3 Mb/s in every way in which it can grow: index first, packets, index last."""
    base = folder / "grow.mp4"
    if not base.exists():
        picture = ["-f", "lavfi", "-i", "testsrc2=s=1280x720:r=24,noise=alls=20:allf=t", *_SOUND, "-t", 60]
        rate = ["-c:v", "libx264", "-preset", "veryfast", "-b:v", "2200k", "-maxrate", "2300k"]
        _ffmpeg(*picture, *rate, "-bufsize", "2300k", "-g", 48, "-sc_threshold", 0, *_AAC, base)
    made = {"MP4, index last": base}
    for name, suffix, options in (
        ("MP4, index first", ".first.mp4", ["-movflags", "+faststart"]),
        ("MKV", ".mkv", []),
        ("TS", ".ts", []),
        ("fragmented MP4", ".frag.mp4", ["-movflags", "+frag_keyframe+empty_moov+default_base_moof"]),
    ):
        path = folder / f"grow{suffix}"
        if not path.exists():
            _ffmpeg("-i", base, "-c", "copy", *options, path)
        made[name] = path
    return made


def ten_minutes(folder: Path) -> Path:
    """Return ten minutes of 720p that are work to encode."""
    path = folder / "ten-minutes.mp4"
    if not path.exists():
        picture = growing(folder)["MP4, index last"]
        _ffmpeg("-stream_loop", 9, "-i", picture, "-map", "0:v", "-c", "copy", path.with_suffix(".v.mp4"))
        sound = ["-f", "lavfi", "-i", "sine=330:r=48000:d=600", "-map", "0:v", "-map", "1:a", "-c:v", "copy"]
        _ffmpeg("-i", path.with_suffix(".v.mp4"), *sound, *_AAC, "-shortest", path)
        path.with_suffix(".v.mp4").unlink()
    return path
