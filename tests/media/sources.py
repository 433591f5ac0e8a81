"""List every kind of source that must come out right: KINDS, name → Clip."""

from __future__ import annotations

from fractions import Fraction

from tests.media.clip import FAST, X264, Clip, Sound
from tests.media.timing import constant, jittered, pieces

NTSC_FILM = Fraction(24000, 1001)
NTSC = Fraction(30000, 1001)
NTSC_FAST = Fraction(60000, 1001)
MS = Fraction(1, 1000)
CLOSED = ("-x264-params", "open-gop=0")
IRREGULAR = ("-g", "9999", "-bf", "3", "-force_key_frames", "0,1.3,3.2,6.1,8.4,10.9,11.5,12.9", *CLOSED)
TEXT = """1
00:00:01,000 --> 00:00:02,500
Erste Zeile

2
00:00:04,000 --> 00:00:06,000
Zweite <i>Zeile</i>
"""
BT2020 = "format=yuv420p10le,setparams=range=tv:color_primaries=bt2020:colorspace=bt2020nc:color_trc="
HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", "-tag:v", "hvc1")
X265 = "log-level=error:keyint=50:min-keyint=50:scenecut=0:bframes=2:open-gop=0:pools=2"
MIXED = pieces(30, (60, 3000), (48, 3750), (20, 9000), (60, 3000), (1, 180000), (60, 3000))
LATE = Fraction(3, 2)
# What a decoder drops at the front of an MP3 keeps its time: the sound begins after it.
MP3_START = Fraction(1105, 48000)
# The muxer begins at 1.4 s, and two frames later for the two B-frames, whose decode times would be negative.
TS_START = Fraction(7, 5) + 2 / NTSC


def _rate(name: str, rate: Fraction | int) -> Clip:
    return Clip(name=name, suffix=".mp4", timing=constant(rate, 10), grid="keyframe")


def _plain(name: str, **fields: object) -> Clip:
    fields = {"suffix": ".mp4", "timing": constant(25, 10), **fields}
    return Clip(name=name, **fields)  # type: ignore[arg-type]


def _rates() -> list[Clip]:
    return [
        _rate("fps24", 24),
        _rate("fps25", 25),
        _rate("fps30", 30),
        _rate("fps23_976", NTSC_FILM),
        _rate("fps29_97", NTSC),
        _rate("fps59_94", NTSC_FAST),
        _rate("fps50", 50),
        _plain("fps120", timing=constant(120, 6), grid="frame", video=(*X264, "-g", "240", "-bf", "2")),
    ]


def _timings() -> list[Clip]:
    video = (*X264, *IRREGULAR)
    ntsc = constant(NTSC, 10)
    return [
        _plain("vfr_mp4", timing=MIXED, video=(*X264, "-g", "60", "-bf", "2")),
        _plain("vfr_mkv", suffix=".mkv", timing=MIXED, tick=MS, video=(*X264, "-g", "60", "-bf", "2")),
        _plain("irregular", timing=constant(24, 14), video=video, grid="keyframe"),
        _plain("vfr_b", timing=jittered(24, 14), video=video, grid="keyframe"),
        _plain(
            "open_gop",
            timing=ntsc,
            grid="frame",
            video=(*X264, "-x264-params", "open-gop=1:keyint=48:min-keyint=24:bframes=3:b-adapt=0"),
        ),
        _plain("long_gop", timing=constant(24, 22), grid="frame", video=(*X264, "-g", "240", "-bf", "2")),
        _plain("edit_cut", timing=constant(24, 12), cut=Fraction(5, 2), grid="frame"),
        _plain("edit_start", offset=LATE, grid="keyframe"),
        _plain("mpegts", suffix=".ts", timing=ntsc, offset=TS_START),
        _plain("mkv", suffix=".mkv", timing=ntsc, tick=MS),
    ]


def _pictures() -> list[Clip]:
    hdr = "hdr10=1:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
    return [
        _plain("rotated", turn=True),
        _plain("anamorphic", width=240, height=192, aspect=Fraction(64, 45)),
        _plain(
            "odd_444",
            suffix=".mkv",
            tick=MS,
            width=321,
            height=179,
            video=(*FAST, "-pix_fmt", "yuv444p", "-g", "50"),
        ),
        _plain(
            "ffv1_odd", suffix=".mkv", tick=MS, width=321, height=179, codec="ffv1", video=("-c:v", "ffv1")
        ),
        _plain(
            "h264_422_10",
            video=(*FAST, "-pix_fmt", "yuv422p10le", "-g", "50"),
        ),
        _plain(
            "hdr10",
            codec="hevc",
            white=180,
            filters=f"{BT2020}smpte2084",
            video=(*HEVC, "-x265-params", f"{X265}:{hdr}:max-cll=1000,400"),
        ),
        _plain(
            "hlg",
            codec="hevc",
            white=200,
            filters=f"{BT2020}arib-std-b67",
            video=(*HEVC, "-x265-params", X265),
        ),
        _plain(
            "interlaced",
            grid="frame",
            width=320,
            height=192,
            filters="setfield=tff",
            video=(*X264, "-flags", "+ilme+ildct", "-x264-params", "tff=1", "-g", "50"),
        ),
    ]


def _sounds() -> list[Clip]:
    def sound(name: str, **fields: object) -> Clip:
        return _plain(name, sounds=(Sound(**fields),))  # type: ignore[arg-type]

    languages = (
        Sound(language="eng", tone=1000),
        Sound(language="deu", tone=1500),
        Sound(language="fra", tone=700, channels=1),
    )
    return [
        sound("audio_longer", seconds=Fraction(13)),
        sound("audio_shorter", seconds=Fraction(13, 2)),
        sound("audio_late", start=LATE, seconds=Fraction(17, 2)),
        _plain("audio_tail", video=(*X264, "-g", "250"), sounds=(Sound(seconds=Fraction(51, 5)),)),
        _plain("video_late", timing=constant(24, 10), delay=LATE, sounds=(Sound(seconds=Fraction(23, 2)),)),
        sound("mono", channels=1),
        sound("surround51", channels=6, codec=("-c:a", "aac", "-b:a", "256k")),
        sound("surround71", channels=8, codec=("-c:a", "aac", "-b:a", "320k")),
        _plain("languages", sounds=languages),
        _plain("video_only", sounds=()),
        Clip(name="audio_m4a", suffix=".m4a"),
        Clip(
            name="audio_mp3",
            suffix=".mp3",
            offset=MP3_START,
            sounds=(Sound(codec=("-c:a", "libmp3lame", "-b:a", "96k")),),
        ),
    ]


def _containers() -> list[Clip]:
    # Not MP3 in AVI: its encoder delay, which AVI cannot say, makes the muxer repeat a picture.
    opus, pcm = ("-c:a", "libopus", "-b:a", "64k"), ("-c:a", "pcm_s16le")
    vp9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "300k", "-g", "50")
    return [
        _plain("text_srt", suffix=".mkv", tick=MS, text=TEXT, text_codec="srt"),
        _plain("text_mov", text=TEXT, text_codec="mov_text"),
        _plain(
            "avi",
            suffix=".avi",
            codec="mpeg4",
            video=("-c:v", "mpeg4", "-vtag", "XVID", "-q:v", "3", "-g", "50"),
            sounds=(Sound(codec=pcm),),
        ),
        _plain("webm", suffix=".webm", tick=MS, codec="vp9", video=vp9, sounds=(Sound(codec=opus),)),
        _plain(
            "prores",
            suffix=".mov",
            codec="prores",
            timing=constant(25, 6),
            video=("-c:v", "prores_ks", "-profile:v", "0", "-pix_fmt", "yuv422p10le"),
            sounds=(Sound(codec=pcm),),
        ),
    ]


KINDS: dict[str, Clip] = {
    clip.name: clip for clip in [*_rates(), *_timings(), *_pictures(), *_sounds(), *_containers()]
}
