"""Describe a clip exactly and build it: numbered frames, beeps, and what a right decoder shows of them."""

from __future__ import annotations

import subprocess
import uuid
import wave
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import imageio_ffmpeg
import numpy as np

from tests.media import drawing
from tests.media.timing import TICKS, Timing

RATE = 48000
FAST = ("-c:v", "libx264", "-preset", "ultrafast", "-threads", "2", "-sc_threshold", "0")
X264 = (*FAST, "-pix_fmt", "yuv420p")
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One displayed frame: its drawn number and its container presentation time in seconds."""

    number: int
    time: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """One audio track to make: heard from `start` for `seconds`, beeping with `tone` Hz at whole seconds."""

    start: Fraction = Fraction(0)
    seconds: Fraction | None = None
    channels: int = 2
    tone: int = 1000
    language: str = ""
    codec: tuple[str, ...] = ("-c:a", "aac", "-b:a", "96k")


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One source kind: how it is made, and what a right decoder shows of it.

    `grid` says which border grid a plan must choose: "keyframe", "frame", or "" where it may choose either.
    `delay` is container time of number 0 before cutting; `cut` is source time removed at the front by an edit
    list, all that remains moving up by it. `tick` rounds times as the container does (1/1000 in Matroska).
    `turn` draws pictures lying on their side and marks the file to be turned back. `width` and `height` are
    coded pixels, `aspect` the sample aspect ratio. `text` is a SubRip text, muxed with `text_codec`.
    """

    name: str
    suffix: str
    timing: Timing | None = None
    width: int = 320
    height: int = 180
    video: tuple[str, ...] = (*X264, "-g", "48", "-bf", "2")
    sounds: tuple[Sound, ...] = (Sound(),)
    grid: str = ""
    white: int = drawing.WHITE
    filters: str = ""
    delay: Fraction = Fraction(0)
    cut: Fraction = Fraction(0)
    offset: Fraction = Fraction(0)
    tick: Fraction = Fraction(0)
    turn: bool = False
    aspect: Fraction = Fraction(1)
    text: str = ""
    text_codec: str = ""
    options: tuple[str, ...] = ()
    seconds: Fraction = Fraction(10)
    codec: str = "h264"

    @property
    def rate(self) -> Fraction:
        """Return the nominal frame rate; 0 without video."""
        return self.timing.rate if self.timing else Fraction(0)

    @property
    def variable(self) -> bool:
        """Say whether frame times leave the nominal rate."""
        return bool(self.timing and self.timing.setpts)

    @property
    def duration(self) -> Fraction:
        """Return the length of the picture track in seconds, its last frame lasting 1 / rate."""
        if self.timing is None:
            return self.seconds
        return self.timing.times[-1] + 1 / self.timing.rate

    def _place(self, time: Fraction) -> Fraction:
        if not self.tick:
            return time
        return Fraction(int(time / self.tick + Fraction(1, 2))) * self.tick

    @cached_property
    def frames(self) -> tuple[Shown, ...]:
        """Return every displayed frame in order, with container times."""
        if self.timing is None:
            return ()
        moved = self.delay + self.offset - self.cut
        return tuple(
            Shown(number=number, time=self._place(time + moved))
            for number, time in enumerate(self.timing.times)
            if time >= self.cut
        )

    @cached_property
    def flash_numbers(self) -> frozenset[int]:
        """Return the numbers drawn with a flash: the first frame in each whole second that has one."""
        first: dict[int, int] = {}
        for number, time in enumerate(self.timing.times if self.timing else ()):
            if (time + self.delay) % 1 < Fraction(1, 20):
                first.setdefault(int(time + self.delay), number)
        return frozenset(first.values())

    @cached_property
    def flashes(self) -> tuple[Fraction, ...]:
        """Return the container times of displayed flashes."""
        return tuple(shown.time for shown in self.frames if shown.number in self.flash_numbers)

    def span(self, track: int = 0) -> tuple[Fraction, Fraction]:
        """Return when a track's sound begins and ends, in container time."""
        sound = self.sounds[track]
        moved = self.offset - self.cut
        end = sound.start + (sound.seconds or self.duration)
        return max(sound.start + moved, self.offset), end + moved

    def beeps(self, track: int = 0) -> tuple[Fraction, ...]:
        """Return the container times at which beeps of a track begin."""
        start, end = self.span(track)
        moved = self.offset - self.cut
        times = (Fraction(second) + moved for second in range(int(end - moved) + 1))
        return tuple(time for time in times if start < time < end - drawing.BEEP)

    @property
    def start(self) -> Fraction:
        """Return the container time of the earliest thing seen or heard: time 0 of an asset made of it."""
        starts = [self.span(track)[0] for track in range(len(self.sounds))]
        return min(starts + [shown.time for shown in self.frames[:1]])

    def acceptable(self, at: Fraction, rate: Fraction) -> frozenset[int]:
        """Return the numbers that a constant-rate output may show in its frame at container time `at`.

        Those displayed at some time within half an output frame of `at`; exactly one of them where the source
        has that rate. Before the first frame that is the first one, after the last the last.
        """
        half = Fraction(1, 2) / rate
        low, high = at - half, at + half
        inside = {shown.number for shown in self.frames if low < shown.time < high}
        before = [shown.number for shown in self.frames if shown.time <= low]
        if not inside or not any(shown.time <= at for shown in self.frames if shown.number in inside):
            inside.update(before[-1:])
        return frozenset(inside or {self.frames[0].number})


def run(arguments: list[str], *, feed: bytes | None = None) -> None:
    """Run the bundled ffmpeg; raises AssertionError with its last words where it fails."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-y", *arguments]
    done = subprocess.run(command, input=feed, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr.decode(errors='replace')[-2000:]}"


def pictures(clip: Clip) -> bytes:
    """Return the clip's raw grey pictures one after the other."""
    assert clip.timing is not None
    out = []
    for number in range(len(clip.timing.times)):
        tall, wide = (clip.width, clip.height) if clip.turn else (clip.height, clip.width)
        flash = number in clip.flash_numbers
        picture = drawing.draw(number, width=wide, height=tall, flash=flash, white=clip.white)
        # A phone held upright stores its picture lying: turned back 90 degrees clockwise it stands.
        out.append((np.rot90(picture) if clip.turn else picture).tobytes())
    return b"".join(out)


def write_wave(path: Path, sound: drawing.Samples, *, rate: int = RATE, channels: int = 1) -> None:
    """Write mono samples as 16-bit PCM, the same in every channel."""
    whole = np.repeat((sound * 32767).astype("<i2")[:, None], channels, axis=1)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(whole.tobytes())


def _video(clip: Clip) -> tuple[list[str], list[str]]:
    timing = clip.timing
    assert timing is not None
    delay = ["-itsoffset", str(float(clip.delay))] if clip.delay else []
    inputs = [*delay, "-f", "rawvideo", "-pix_fmt", "gray", "-color_range", "tv"]
    inputs += ["-video_size", f"{clip.width}x{clip.height}", "-framerate", str(timing.rate), "-i", "pipe:0"]
    filters = [clip.filters] if clip.filters else []
    output = ["-map", "0:v:0"]
    if timing.setpts:
        shift = f"+{int(clip.delay * TICKS)}" if clip.delay else ""
        filters.append(f"settb=1/{TICKS},setpts='{timing.setpts}{shift}'")
        output += ["-fps_mode", "passthrough", "-enc_time_base", f"1/{TICKS}"]
        if clip.suffix in {".mp4", ".mov"}:
            output += ["-video_track_timescale", str(TICKS)]
    filters.append(f"setsar={clip.aspect.numerator}/{clip.aspect.denominator}")
    return inputs, [*output, "-vf", ",".join(filters), *clip.video]


def _audio(clip: Clip, folder: Path, first: int) -> tuple[list[str], list[str]]:
    inputs, output = [], []
    for place, sound in enumerate(clip.sounds):
        path = folder / f"{place}.wav"
        seconds = sound.seconds or clip.duration
        loud = 0.5 if sound.channels <= 2 else 0.2
        samples = drawing.beeps(start=sound.start, seconds=seconds, rate=RATE, tone=sound.tone, loud=loud)
        write_wave(path, samples, channels=sound.channels)
        inputs += ["-itsoffset", str(float(sound.start))] if sound.start else []
        inputs += ["-channel_layout", LAYOUTS[sound.channels], "-i", str(path)]
        output += ["-map", f"{first + place}:a:0"]
        output += [f"{option}:{place}" if option.startswith("-") else option for option in sound.codec]
        if sound.language:
            output += [f"-metadata:s:a:{place}", f"language={sound.language}"]
    return inputs, output


def _encode(clip: Clip, path: Path, folder: Path) -> None:
    inputs: list[str] = []
    output: list[str] = []
    if clip.timing:
        inputs, output = _video(clip)
    more, maps = _audio(clip, folder, 1 if clip.timing else 0)
    inputs, output = inputs + more, output + maps
    if clip.text:
        (folder / "text.srt").write_text(clip.text, encoding="utf-8")
        place = (1 if clip.timing else 0) + len(clip.sounds)
        inputs += ["-i", str(folder / "text.srt")]
        output += ["-map", f"{place}:s:0", "-c:s", clip.text_codec, "-metadata:s:s:0", "language=deu"]
    offset = ["-output_ts_offset", str(float(clip.offset))] if clip.offset and clip.suffix != ".ts" else []
    feed = pictures(clip) if clip.timing else None
    run([*inputs, *output, *clip.options, *offset, str(path)], feed=feed)


def _finish(clip: Clip, raw: Path, path: Path) -> None:
    before: list[str] = []
    if clip.turn:
        before += ["-display_rotation:v:0", "-90"]
    if clip.cut:
        before += ["-ss", str(float(clip.cut))]
    run([*before, "-i", str(raw), "-map", "0", "-c", "copy", str(path)])


def build(clip: Clip, path: Path) -> Path:
    """Build the clip at `path` and return it. It appears complete or not at all, and is built once."""
    if path.exists():
        return path
    with TemporaryDirectory(dir=path.parent, prefix=".build-") as folder:
        raw = Path(folder) / f"raw{clip.suffix}"
        _encode(clip, raw, Path(folder))
        if clip.turn or clip.cut:
            _finish(clip, raw, ready := Path(folder) / f"ready{clip.suffix}")
            raw = ready
        hidden = path.with_name(f".{uuid.uuid4().hex}{clip.suffix}")
        raw.rename(hidden)
        hidden.rename(path)
    return path


class Library:
    """Clips built on demand into one folder and kept for the session; several processes may share it."""

    def __init__(self, folder: Path, kinds: dict[str, Clip]) -> None:
        """Keep clips of `kinds` under `folder`."""
        self.folder = folder
        self.kinds = kinds

    def path(self, name: str) -> Path:
        """Return the file of a kind, built now if it was not."""
        clip = self.kinds[name]
        return build(clip, self.folder / f"{name}{clip.suffix}")

    def make(self, clip: Clip) -> Path:
        """Return the file of a clip outside the table; its name must be unique in the session."""
        return build(clip, self.folder / f"{clip.name}{clip.suffix}")
