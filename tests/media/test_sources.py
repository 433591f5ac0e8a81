"""Every kind of source is what its entry says, as FFmpeg reads it back."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import av
import pytest

from tests.media import drawing
from tests.media.clip import Library
from tests.media.reader import faults, find_beeps, read_file, read_sound_file
from tests.media.sources import KINDS, NTSC

LOSSY_BEEP = Fraction(3, 2000)


@pytest.mark.parametrize("name", KINDS)
def test_a_clip_shows_what_its_entry_says(clips: Library, name: str) -> None:
    clip = KINDS[name]
    path = clips.path(name)
    if clip.timing:
        assert faults(read_file(path), [(shown.time, shown.number) for shown in clip.frames]) == []
    for track, sound in enumerate(clip.sounds):
        beeps = find_beeps(read_sound_file(path, track), sound.tone)
        expected = clip.beeps(track)
        assert len(beeps) == len(expected)
        assert max(abs(a - b) for a, b in zip(beeps, expected, strict=True)) < LOSSY_BEEP


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("h264_422_10", {"format": "yuv422p10le"}),
        ("odd_444", {"format": "yuv444p", "size": (321, 179)}),
        ("hdr10", {"format": "yuv420p10le", "trc": 16}),
        ("hlg", {"format": "yuv420p10le", "trc": 18}),
        ("anamorphic", {"aspect": Fraction(64, 45)}),
        ("rotated", {"size": (320, 180), "rotation": 90}),
        ("interlaced", {"interlaced": True}),
        ("prores", {"format": "yuv422p10le"}),
    ],
)
def test_a_picture_has_the_properties_that_make_it_hard(clips: Library, name: str, facts: dict) -> None:
    with av.open(str(clips.path(name))) as container:
        stream = container.streams.video[0]
        frame = next(container.decode(stream))
        found = {
            "format": frame.format.name,
            "size": (stream.width, stream.height),
            "trc": frame.color_trc,
            "aspect": stream.sample_aspect_ratio,
            "rotation": abs(frame.rotation),
            "interlaced": frame.interlaced_frame,
        }
    assert {name: found[name] for name in facts} == facts


def _keyframes(clips: Library, name: str) -> list[tuple[Fraction, bool]]:
    """List (time, whether an IDR) of key packets, whose NAL units are 4-byte length prefixed."""
    out = []
    with av.open(str(clips.path(name))) as container:
        for packet in container.demux(video=0):
            if packet.is_keyframe and packet.pts is not None:
                data, at, idr = bytes(packet), 0, False
                while at + 5 <= len(data):
                    idr |= data[at + 4] & 31 == 5
                    at += 4 + int.from_bytes(data[at : at + 4])
                out.append((packet.pts * packet.time_base, idr))
    return out


def test_groups_of_pictures_are_as_meant(clips: Library) -> None:
    for name in ("irregular", "vfr_b"):
        keys = _keyframes(clips, name)
        gaps = [b[0] - a[0] for a, b in pairwise(keys)]
        assert all(idr for _, idr in keys)
        assert max(gaps) < 4
        assert len(set(gaps)) > 4
    assert [idr for _, idr in _keyframes(clips, "open_gop")].count(True) < 3
    assert len(_keyframes(clips, "open_gop")) > 5
    assert [time for time, _ in _keyframes(clips, "long_gop")] == [0, 10, 20]


def test_the_edit_hides_frames_inside_a_group(clips: Library) -> None:
    # Packets of a cut file begin at the keyframe before the cut: there is something for the edit to hide.
    assert _keyframes(clips, "edit_cut")[0][0] < 0
    assert KINDS["edit_cut"].frames[0].number == 60


def test_tracks_carry_languages_layouts_and_text(clips: Library) -> None:
    with av.open(str(clips.path("languages"))) as container:
        assert [stream.language for stream in container.streams.audio] == ["eng", "deu", "fra"]
    for name, layout in (("mono", "mono"), ("surround51", "5.1"), ("surround71", "7.1")):
        with av.open(str(clips.path(name))) as container:
            assert container.streams.audio[0].layout.name == layout
    for name, codec in (("text_srt", "srt"), ("text_mov", "mov_text")):
        with av.open(str(clips.path(name))) as container:
            assert container.streams.subtitles[0].codec_context.name == codec
            assert container.streams.subtitles[0].language == "deu"


def test_a_clip_tells_which_numbers_an_output_frame_may_show() -> None:
    steady = KINDS["fps29_97"]
    assert all(steady.acceptable(n / NTSC, NTSC) == {n} for n in range(300))
    fast = KINDS["fps120"]
    assert fast.acceptable(Fraction(1), Fraction(60)) == {120}
    mixed = KINDS["vfr_mp4"]
    # In the hole of two seconds before number 189 the frame before it stays.
    assert mixed.acceptable(mixed.frames[189].time - 1, Fraction(30)) == {188}


@pytest.mark.parametrize("size", [(1920, 1080), (320, 180), (256, 144), (144, 256), (321, 179)])
def test_a_number_survives_drawing_at_every_size(size: tuple[int, int]) -> None:
    for number in (0, 1, 0x5555, 0xAAAA, 65535):
        picture = drawing.draw(number, width=size[0], height=size[1], flash=bool(number % 2))
        assert drawing.read(picture) == number
        assert drawing.flashes(picture) == bool(number % 2)


def test_a_blend_of_two_numbers_is_no_number() -> None:
    one, other = (drawing.draw(number, width=320, height=180) for number in (5, 6))
    assert drawing.read(one // 2 + other // 2) is None
    assert drawing.read(one * 0 + 128) is None
