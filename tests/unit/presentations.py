"""Presentations that the manifest tests render, from ordinary to hostile."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from packager.model import Kind, Presentation, Rendition, Storyboard
from tests.unit.marked import marker, spliced

GENERATION = "0a1b2c3d"
STARTED = 1_700_000_000
HOSTILE = 'A "quoted",URI="x.m3u8"\r\n#EXT-X-ENDLIST\u2028<script>alert(1)</script> & \x00\ud800]]>'


def grid(timescale: int, length: int, total: int) -> tuple[int, ...]:
    """Return borders every `length` ticks up to `total`."""
    return (*range(0, total, length), total)


def video(name: str, *, width: int, height: int, bandwidth: int, **more) -> Rendition:
    defaults = {
        "kind": Kind.VIDEO,
        "prefix": f"{GENERATION}/{name}",
        "codecs": "avc1.64001f",
        "timescale": 24_000,
        "borders": grid(24_000, 96_000, 720_000),
        "frame_rate": Fraction(24),
    }
    return Rendition(name=name, width=width, height=height, bandwidth=bandwidth, **(defaults | more))


def audio(name: str, *, channels: int = 2, **more) -> Rendition:
    defaults = {
        "kind": Kind.AUDIO,
        "prefix": f"{GENERATION}/{name}",
        "codecs": "mp4a.40.2",
        "timescale": 48_000,
        "borders": (*(round(n * 187.5) * 1024 for n in range(8)), 1_440_000),
        "bandwidth": 140_000 * channels // 2,
        "sample_rate": 48_000,
    }
    return Rendition(name=name, channels=channels, **(defaults | more))


def text(name: str, **more) -> Rendition:
    defaults = {
        "kind": Kind.TEXT,
        "prefix": f"{GENERATION}/{name}",
        "codecs": "wvtt",
        "timescale": 1000,
        "borders": (0, 30_000),
        "bandwidth": 500,
    }
    return Rendition(name=name, **(defaults | more))


def film() -> Presentation:
    """Return a film still being encoded: three rungs, two languages, surround, subtitles, trick play."""
    return Presentation(
        generation=GENERATION,
        duration=Fraction(30),
        target_duration=4,
        started=STARTED,
        video=(
            video("1080p", width=1920, height=1080, bandwidth=6_250_000, codecs="avc1.640028"),
            video("720p", width=1280, height=720, bandwidth=3_750_000),
            video("360p", width=640, height=360, bandwidth=1_000_000, codecs="avc1.4d401e"),
        ),
        intra=video("intra", width=320, height=180, bandwidth=90_000, kind=Kind.INTRA, codecs="avc1.4d400c"),
        audio=(
            audio("audio-1", language="eng", title="Original", default=True),
            audio("audio-1-surround", language="eng", title="Original", default=True, channels=6),
            audio("audio-2", language="deu"),
        ),
        text=(
            text("text-1", language="eng", default=True),
            text("text-2", language="eng", forced=True),
            text("text-3", language="pt-BR", title="Português (Brasil)"),
        ),
        storyboard=Storyboard(
            prefix=f"{GENERATION}/storyboard",
            columns=5,
            rows=5,
            width=320,
            height=180,
            interval=Fraction(1),
            tiles=30,
            bandwidth=60_000,
        ),
        poster=f"{GENERATION}/poster.jpg",
    )


def complete() -> Presentation:
    """Return an NTSC clip of irregular borders whose rungs differ in timescale, all measured."""
    borders = (0, 100_100, 280_280, 400_400, 530_530)
    doubled = tuple(border * 3 for border in borders)
    rate = Fraction(30_000, 1001)
    return Presentation(
        generation=GENERATION,
        duration=Fraction(530_530, 30_000),
        target_duration=6,
        started=STARTED,
        video=(
            video(
                "720p",
                width=1280,
                height=720,
                bandwidth=2_000_000,
                average=1_500_000,
                timescale=90_000,
                borders=doubled,
                frame_rate=rate,
            ),
            video(
                "360p",
                width=640,
                height=360,
                bandwidth=700_000,
                average=500_000,
                timescale=30_000,
                borders=borders,
                frame_rate=rate,
            ),
        ),
        audio=(
            audio(
                "audio-1", average=128_000, borders=(0, 160_768, 448_512, 640_000, 848_848), language="und"
            ),
        ),
    )


def sound() -> Presentation:
    """Return a piece of music: one audio track, no picture."""
    return replace(film(), video=(), intra=None, storyboard=None, text=(), audio=(audio("audio-1"),))


def radio() -> Presentation:
    """Return a play in two languages without picture."""
    tracks = (audio("audio-1", language="fra", default=True), audio("audio-2", language="ita"))
    return replace(sound(), audio=tracks)


def silent() -> Presentation:
    """Return a picture without sound, an upright one of a size that no ratio fits."""
    return replace(
        film(), audio=(), text=(), intra=None, video=(video("270p", width=270, height=480, bandwidth=9),)
    )


def hostile() -> Presentation:
    """Return a film whose titles and languages try to break out of the manifest."""
    return replace(
        film(),
        audio=(
            audio("audio-1", language='en",X="', title=HOSTILE),
            audio("audio-2", language="en\n#EXT", title=HOSTILE),
            audio("audio-3", language="<x>", title='""'),
        ),
        text=(text("text-1", title="\u202eevil", language="x" * 90), text("text-2", title="\r\n")),
    )


def arriving() -> Presentation:
    """Return a film that is on its way: of its last segment nobody knows yet."""
    return replace(film(), duration=Fraction(28), ended=False, poster=None, **_so_far(film(), 7))


def _so_far(presentation: Presentation, segments: int) -> dict:
    def cut(track: Rendition) -> Rendition:
        return replace(track, borders=track.borders[: segments + 1])

    return {
        "video": tuple(map(cut, presentation.video)),
        "audio": tuple(map(cut, presentation.audio)),
        "intra": cut(presentation.intra),
        "text": (),
        "storyboard": None,
    }


def marked() -> Presentation:
    """Return a film with markers."""
    made, at = film(), Fraction(film().started)
    told = (marker(at, number=1), spliced(at + Fraction(2002, 1000), number=2))
    return replace(made, markers=tuple(replace(one, inband=False) for one in told))


CASES = {
    "film": film,
    "complete": complete,
    "sound": sound,
    "radio": radio,
    "silent": silent,
    "hostile": hostile,
    "arriving": arriving,
    "marked": marked,
}
