"""The judges accept right media and name what is wrong with wrong media."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from tests.media import drawing, fragments
from tests.media.clip import Library, run, write_wave
from tests.media.reader import (
    Pcm,
    beeps_and_flashes,
    faults,
    find_beeps,
    frame_hashes,
    joint_error,
    read_numbers,
    read_sound,
)
from tests.media.sources import KINDS

RATE = 48000
BORDERS = [n * 4 * 12288 for n in range(3)]
CMAF = (
    "-movflags",
    "+empty_moov+default_base_moof+frag_keyframe+frag_discont+negative_cts_offsets",
    "-avoid_negative_ts",
    "disabled",
    "-f",
    "mp4",
)
EDITED = ("-movflags", "+cmaf+delay_moov", "-frag_duration", "2000000", "-f", "mp4")
Track = tuple[bytes, list[bytes]]


@pytest.fixture(scope="module")
def video(clips: Library, tmp_path_factory: pytest.TempPathFactory) -> Track:
    """Encode eight seconds of 24 fps as two segments of four seconds."""
    path = tmp_path_factory.mktemp("judges") / "video.mp4"
    options = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "96", "-sc_threshold", "0"]
    run(["-t", "8", "-i", str(clips.path("fps24")), "-map", "0:v", *options, *CMAF, str(path)])
    return fragments.split(path.read_bytes())


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Track:
    """Encode the beeps alone, their priming described by the edit list that only players of files honour."""
    return _sound(tmp_path_factory.mktemp("judges"), start=Fraction(0))


def _sound(folder, *, start: Fraction) -> Track:
    write_wave(folder / "in.wav", drawing.beeps(start=start, seconds=Fraction(8), rate=RATE))
    run(["-i", str(folder / "in.wav"), "-c:a", "aac", *EDITED, str(folder / "out.mp4")])
    return fragments.split((folder / "out.mp4").read_bytes())


def _expected() -> list[tuple[Fraction, int]]:
    return [(shown.time, shown.number) for shown in KINDS["fps24"].frames[:192]]


def test_right_media_has_no_fault(video: Track) -> None:
    init, segments = video
    digest = fragments.read_init(init).digest
    assert fragments.check(init, segments, borders=BORDERS, digest=digest) == []
    assert faults(read_numbers(init, segments), _expected()) == []
    assert faults(read_numbers(init, segments[1:]), _expected()[96:]) == []


def test_the_init_is_read(video: Track, audio: Track) -> None:
    facts = fragments.read_init(video[0])
    assert (facts.timescale, facts.handler, facts.entry, facts.size) == (12288, "vide", "avc1", (320, 180))
    assert (facts.edits, facts.edit) == (0, 0)
    facts = fragments.read_init(audio[0])
    assert (facts.timescale, facts.handler, facts.entry) == (48000, "soun", "mp4a")
    assert facts.edit == 1024


def test_swapped_segments_are_named(video: Track) -> None:
    init, (first, second) = video
    assert "segment 0: tfdt 49152, not 0" in fragments.check(init, [second, first], borders=BORDERS)


def test_a_missing_segment_is_named(video: Track) -> None:
    init, segments = video
    assert "1 segments for 2 spans" in fragments.check(init, segments[:1], borders=BORDERS)
    assert "96 frames, not 192" in faults(read_numbers(init, segments[:1]), _expected())


def test_a_foreign_init_is_named(video: Track) -> None:
    assert any("init is" in fault for fault in fragments.check(*video, borders=BORDERS, digest="0" * 64))


def test_a_segment_of_the_wrong_length_is_named(video: Track) -> None:
    wrong = fragments.check(*video, borders=[0, BORDERS[1] + 512, BORDERS[2]])
    assert "segment 0: ends at 49152, not 49664" in wrong
    assert "segment 1: tfdt 49152, not 49664" in wrong


def test_bytes_missing_from_the_end_are_an_error(video: Track) -> None:
    init, (first, _) = video
    with pytest.raises(ValueError, match="leaves its parent"):
        fragments.check(init, [first[:-1]], borders=BORDERS[:2])


def test_a_dropped_frame_is_named(clips: Library, tmp_path) -> None:
    select = ["-vf", "select='not(eq(n,50))'", "-fps_mode", "passthrough", "-c:v", "libx264", "-g", "96"]
    source = ["-t", "4", "-i", str(clips.path("fps24")), "-map", "0:v"]
    run([*source, *select, "-preset", "ultrafast", *CMAF, str(tmp_path / "out.mp4")])
    got = read_numbers(*fragments.split((tmp_path / "out.mp4").read_bytes()))
    wrong = faults(got, _expected()[:96])
    assert wrong[0] == "95 frames, not 96"
    assert "frame 50 shows 51, not 50" in wrong


def test_a_moved_frame_is_named(video: Track) -> None:
    got = read_numbers(*video)
    got[7] = (got[7][0] + Fraction(1, 12288), got[7][1])
    assert faults(got, _expected()) == ["frame 7 is at 1195/4096, not 7/24"]


def test_hashes_tell_encodes_apart(video: Track) -> None:
    hashes = frame_hashes(*video)
    assert len({digest for _, digest in hashes}) == 192
    assert hashes[96:] == frame_hashes(video[0], video[1][1:])


def test_picture_and_sound_together_measure_zero(video: Track, audio: Track) -> None:
    sync = beeps_and_flashes(video, audio)
    assert sync.flashes == tuple(Fraction(n) for n in range(8))
    assert len(sync.offsets) == 7
    assert max(abs(sync.start), abs(sync.end)) < 1


@pytest.mark.parametrize("late", [20, -20])
def test_sound_that_is_off_by_20_ms_measures_20_ms(video: Track, tmp_path, late: int) -> None:
    # Sound whose first sample is taken for that of time 0 although it belongs to -late is heard late.
    sync = beeps_and_flashes(video, _sound(tmp_path, start=Fraction(1000 - late, 1000)))
    assert abs(sync.start - late) < 1
    assert abs(sync.end - late) < 1


def test_beeps_are_found_to_the_half_millisecond() -> None:
    sound = drawing.beeps(start=Fraction(1, 3), seconds=Fraction(5), rate=RATE)
    found = find_beeps(Pcm(start=Fraction(1, 3), rate=RATE, sound=sound))
    assert len(found) == 5
    assert all(
        abs(time - second) < Fraction(1, 2000) for time, second in zip(found, range(1, 6), strict=True)
    )
    assert find_beeps(Pcm(start=Fraction(0), rate=RATE, sound=sound), tone=3000) == ()


def test_a_missing_piece_of_sound_is_silence_in_its_place(audio: Track) -> None:
    init, segments = audio
    whole, holed = read_sound(init, segments), read_sound(init, [segments[0], *segments[2:]])
    assert len(segments) >= 4
    assert len(holed.sound) == len(whole.sound)
    assert len(find_beeps(holed)) < len(find_beeps(whole))
    last = zip(find_beeps(holed)[-2:], find_beeps(whole)[-2:], strict=True)
    assert all(abs(have - want) < Fraction(1, 2000) for have, want in last)


def test_a_click_at_a_joint_is_measured() -> None:
    reference = drawing.sweep(seconds=4, rate=RATE)
    joints = [RATE, 2 * RATE]
    assert joint_error(reference, reference, joints) < -100
    shifted = reference.copy()
    shifted[RATE:] = np.roll(reference, 20)[RATE:]
    assert joint_error(reference, shifted, joints) > -15
    silent = reference.copy()
    silent[2 * RATE - 10 : 2 * RATE + 10] = 0
    assert -40 < joint_error(reference, silent, joints) < 0
