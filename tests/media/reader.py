"""Read packaged media back: drawn numbers, frame hashes, flashes and beeps, joints of sound.

Presentation times come from the judges' own parser (tests.media.fragments), packet by packet: FFmpeg's MP4
reader moves times by two frames where composition offsets are negative, which browsers do not.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from tests.media import drawing
from tests.media.fragments import read_init, read_segment, seconds

Samples = NDArray[np.float32]
Frame = av.VideoFrame | av.AudioFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """When flashes are seen and beeps are heard, in seconds of media time."""

    flashes: tuple[Fraction, ...]
    beeps: tuple[Fraction, ...]

    @property
    def offsets(self) -> tuple[float, ...]:
        """Return, for each flash with a beep within half a second, beep minus flash in milliseconds."""
        out = []
        for flash in self.flashes:
            near = min(self.beeps, key=lambda beep: abs(beep - flash), default=None)
            if near is not None and abs(near - flash) < Fraction(1, 2):
                out.append(float(near - flash) * 1000)
        return tuple(out)

    @property
    def start(self) -> float:
        """Return the first offset in milliseconds; IndexError where no flash has its beep."""
        return self.offsets[0]

    @property
    def end(self) -> float:
        """Return the last offset in milliseconds; IndexError where no flash has its beep."""
        return self.offsets[-1]


def _frames(init: bytes, segments: list[bytes]) -> Iterator[tuple[Fraction, Frame]]:
    """Yield (presentation time, decoded frame) in the order of presentation."""
    facts = read_init(init)
    samples = [
        sample for segment in segments for part in read_segment(segment, facts) for sample in part.samples
    ]
    times: dict[int, int] = {}
    number = 0
    with av.open(io.BytesIO(init + b"".join(segments)), format="mp4", mode="r") as container:
        stream = container.streams[0]
        for packet in container.demux(stream):
            if packet.size:
                assert packet.pts is not None
                assert number < len(samples), "more packets than samples"
                times[packet.pts] = samples[number].shown
                number += 1
            for frame in packet.decode():
                assert isinstance(frame, av.VideoFrame | av.AudioFrame)
                assert frame.pts is not None
                yield seconds(times.get(frame.pts, frame.pts), facts), frame
    assert number == len(samples), f"{number} packets were read of {len(samples)} samples"


def luma(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """Return a frame's luma upright, 8 bits deep."""
    plane = np.asarray(frame.to_ndarray(format="gray"), np.uint8)
    return np.rot90(plane, frame.rotation // 90) if frame.rotation else plane


def read_numbers(init: bytes, segments: list[bytes]) -> list[tuple[Fraction, int | None]]:
    """Return (presentation time in seconds, drawn number or None) of every frame decoded."""
    return [
        (time, drawing.read(luma(frame)))
        for time, frame in _frames(init, segments)
        if isinstance(frame, av.VideoFrame)
    ]


def read_file(path: Path) -> list[tuple[Fraction, int | None]]:
    """Return (container time, drawn number or None) of every frame of a file, as FFmpeg shows it."""
    with av.open(str(path)) as container:
        return [
            (frame.pts * frame.time_base, drawing.read(luma(frame)))
            for frame in container.decode(video=0)
            if frame.pts is not None and frame.time_base is not None
        ]


def frame_hashes(init: bytes, segments: list[bytes]) -> list[tuple[Fraction, str]]:
    """Return (presentation time, hash of the decoded picture or sound) of every frame."""
    return [
        (time, hashlib.sha256(np.ascontiguousarray(frame.to_ndarray()).tobytes()).hexdigest())
        for time, frame in _frames(init, segments)
    ]


def frame_hashes_of_file(path: Path) -> list[str]:
    """Return the hash of every decoded picture of a file, in order."""
    with av.open(str(path)) as container:
        return [hashlib.sha256(luma(frame).tobytes()).hexdigest() for frame in container.decode(video=0)]


def faults(
    got: list[tuple[Fraction, int | None]], expected: list[tuple[Fraction, int]], *, times: bool = True
) -> list[str]:
    """Return every difference between frames read and frames expected, times included unless told."""
    out = []
    if len(got) != len(expected):
        out.append(f"{len(got)} frames, not {len(expected)}")
    for place, (have, want) in enumerate(zip(got, expected, strict=False)):
        if have[1] != want[1]:
            out.append(f"frame {place} shows {have[1]}, not {want[1]}")
        if times and have[0] != want[0]:
            out.append(f"frame {place} is at {have[0]}, not {want[0]}")
    return out


@dataclass(frozen=True, slots=True, kw_only=True)
class Pcm:
    """Mono sound: its first sample is heard at `start` seconds."""

    start: Fraction
    rate: int
    sound: Samples


def read_sound(init: bytes, segments: list[bytes]) -> Pcm:
    """Decode an audio track to mono; gaps in its times are kept as silence, so that places are times."""
    return _joined((time, frame) for time, frame in _frames(init, segments))


def read_sound_file(path: Path, track: int = 0) -> Pcm:
    """Decode an audio track of a file to mono, at container times, as FFmpeg plays it."""
    with av.open(str(path)) as container:
        return _joined(
            (frame.pts * frame.time_base, frame)
            for frame in container.decode(audio=track)
            if frame.pts is not None and frame.time_base is not None
        )


def _mono(frame: av.AudioFrame, packer: av.AudioResampler) -> Samples:
    packed = [piece.to_ndarray().reshape(-1, frame.layout.nb_channels) for piece in packer.resample(frame)]
    return np.asarray(np.concatenate(packed).mean(axis=1), np.float32)


def _joined(frames: Iterator[tuple[Fraction, Frame]]) -> Pcm:
    start, rate, end = Fraction(0), 0, 0
    pieces: list[tuple[int, Samples]] = []
    # Packed samples: PyAV reads past the last plane of a planar frame of eight channels.
    packer = av.AudioResampler(format="flt")
    for time, frame in frames:
        assert isinstance(frame, av.AudioFrame)
        if not rate:
            start, rate = time, frame.sample_rate
        at = round((time - start) * rate)
        # Matroska's times are whole milliseconds: what is that near continues without a hole or an overlap.
        if abs(at - end) <= rate // 500:
            at = end
        pieces.append((at, _mono(frame, packer)))
        end = at + len(pieces[-1][1])
    sound = np.zeros(max((at + len(piece) for at, piece in pieces), default=0), np.float32)
    for at, piece in pieces:
        sound[at : at + len(piece)] = piece
    return Pcm(start=start, rate=rate, sound=sound)


def find_beeps(pcm: Pcm, tone: int = 1000) -> tuple[Fraction, ...]:
    """Return when beeps of `tone` Hz begin, exact to about half a millisecond.

    A tone's level over a window centred on t is half of its plateau where t is the beep's first sample.
    """
    window = pcm.rate // 100
    wave = np.exp(-2j * np.pi * tone * np.arange(len(pcm.sound)) / pcm.rate)
    total = np.concatenate([[0], np.cumsum(pcm.sound * wave)])
    level = np.abs(total[window:] - total[:-window]) / window
    if level.size == 0 or level.max() < 0.01:
        return ()
    above = level > np.median(level[level > level.max() / 2]) / 2
    rises = np.flatnonzero(above[1:] & ~above[:-1]) + 1
    lengths = [np.argmin(above[rise:]) or len(above) for rise in rises]
    least = int(drawing.BEEP * pcm.rate) // 2
    return tuple(
        pcm.start + Fraction(int(rise) + window // 2, pcm.rate)
        for rise, length in zip(rises, lengths, strict=True)
        if length > least
    )


def find_flashes(init: bytes, segments: list[bytes]) -> tuple[Fraction, ...]:
    """Return when frames with a flash are presented."""
    out = []
    for time, frame in _frames(init, segments):
        assert isinstance(frame, av.VideoFrame)
        plane = luma(frame)
        if drawing.read(plane) is not None and drawing.flashes(plane):
            out.append(time)
    return tuple(out)


def beeps_and_flashes(
    video: tuple[bytes, list[bytes]], audio: tuple[bytes, list[bytes]], *, tone: int = 1000
) -> Sync:
    """Measure picture against sound; both are (init, segments)."""
    return Sync(flashes=find_flashes(*video), beeps=find_beeps(read_sound(*audio), tone))


def joint_error(reference: Samples, joined: Samples, joints: list[int], *, around: int = 1024) -> float:
    """Return the worst error at joints in dB: RMS of the difference over RMS of the reference there.

    `reference` is what went into the encoder, aligned with `joined`; `joints` are sample places. Compare the
    figure with that of one continuous encode at the same places.
    """
    worst = 0.0
    for joint in joints:
        low, high = max(0, joint - around), min(len(reference), len(joined), joint + around)
        want, have = reference[low:high].astype(np.float64), joined[low:high].astype(np.float64)
        loud = float(np.sqrt(np.mean(want**2)))
        if loud:
            worst = max(worst, float(np.sqrt(np.mean((have - want) ** 2))) / loud)
    return 20 * float(np.log10(max(worst, 1e-9)))
