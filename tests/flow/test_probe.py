"""Probe every kind of source: frame times, tracks and everything else that a plan is made from."""

from __future__ import annotations

from collections.abc import AsyncIterator
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import pytest
import pytest_asyncio

from packager.assembly import Assembly, Inspected
from packager.errors import ChildFailed, NothingDecodable
from packager.index import Index
from packager.model import Colour, Scan, Source
from packager.probe import probe
from packager.process import Spawner
from tests.media.clip import Library, run
from tests.media.sources import KINDS


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def spawner() -> AsyncIterator[Spawner]:
    async with Spawner(Path(imageio_ffmpeg.get_ffmpeg_exe())) as running:
        yield running


pytestmark = pytest.mark.asyncio(loop_scope="module")

Looked = tuple[Source, Index | None]


async def look(spawner: Spawner, path: Path) -> Looked:
    probed = await probe(spawner, path)
    return probed.source, probed.index


@pytest.fixture
async def probed(spawner: Spawner, clips: Library):
    async def named(name: str) -> Looked:
        return await look(spawner, clips.path(name))

    return named


@pytest.mark.parametrize("name", [name for name, clip in KINDS.items() if clip.timing])
async def test_frame_times(probed, name: str):
    source, index = await probed(name)
    clip = KINDS[name]
    assert [int(time) * index.time_base for time in index.times] == pytest.approx(
        [frame.time for frame in clip.frames], abs=float(index.time_base)
    )
    assert index.complete
    assert set(index.keyframes) <= set(index.times)
    video = source.video
    assert video.frame_rate == clip.rate
    assert video.variable == clip.variable
    assert video.codec == clip.codec
    assert (video.width, video.height) == (clip.width, clip.height)
    assert video.sample_aspect == clip.aspect
    assert video.language == ""
    assert video.start == int(index.times[0]) * index.time_base
    assert abs(video.end - clip.frames[-1].time - 1 / clip.rate) <= Fraction(1, 500)
    assert source.warnings == ()
    assert source.size > 0


@pytest.mark.parametrize("name", [name for name, clip in KINDS.items() if clip.sounds])
async def test_audio_reach(probed, name: str):
    source, index = await probed(name)
    clip = KINDS[name]
    assert (index is None) == (clip.timing is None) == (source.video is None)
    assert len(source.audio) == len(clip.sounds)
    for place, (track, sound) in enumerate(zip(source.audio, clip.sounds, strict=True)):
        start, end = clip.span(place)
        # An encoder's frame is heard as a whole: 1024 samples, up to 1920 in MP3 and Opus.
        assert abs(track.start - start) <= Fraction(1, 20), (track.start, start)
        assert abs(track.end - end) <= Fraction(1, 10), (track.end, end)
        assert track.channels == sound.channels
        assert track.language == sound.language
        assert track.sample_rate == 48000


async def test_rotated(probed):
    source, _ = await probed("rotated")
    assert source.video.rotation in {90, 270}


async def test_interlaced(probed):
    source, _ = await probed("interlaced")
    assert source.video.scan is Scan.INTERLACED


async def test_high_dynamic_range(probed):
    source, _ = await probed("hdr10")
    assert source.video.bit_depth == 10
    assert source.video.colour == Colour(primaries="bt2020", transfer="smpte2084", matrix="bt2020nc")
    assert (await probed("hlg"))[0].video.colour.transfer == "arib-std-b67"


@pytest.mark.parametrize(("name", "codec"), [("text_srt", "subrip"), ("text_mov", "mov_text")])
async def test_text(probed, name: str, codec: str):
    source, _ = await probed(name)
    assert [track.codec for track in source.text] == [codec]


async def test_layouts(probed):
    layouts = [(await probed(name))[0].audio[0].layout for name in ("mono", "surround51", "surround71")]
    assert layouts == ["mono", "5.1", "7.1"]


async def test_languages(probed):
    source, _ = await probed("languages")
    assert [track.language for track in source.audio] == ["eng", "deu", "fra"]


@pytest.mark.parametrize(
    ("name", "container", "indexed"),
    [
        ("fps25", "mp4", True),
        ("prores", "mov", True),
        ("audio_m4a", "mp4", True),
        ("mkv", "matroska", False),
        ("webm", "webm", False),
        ("mpegts", "mpegts", False),
        ("avi", "avi", False),
        ("audio_mp3", "mp3", False),
    ],
)
async def test_container(probed, name: str, container: str, *, indexed: bool):
    source, _ = await probed(name)
    assert (source.container, source.indexed) == (container, indexed)


async def test_closed_keyframes(probed):
    _, closed = await probed("fps25")
    assert [int(time) * closed.time_base for time in closed.keyframes] == [
        Fraction(48 * number, 25) for number in range(6)
    ]
    _, opened = await probed("open_gop")
    assert [int(time) for time in opened.keyframes] == [int(opened.times[0])]
    _, cut = await probed("edit_cut")
    assert int(cut.keyframes[0]) > int(cut.times[0])


async def test_all_keyframes_are_found_in_packets_as_in_tables(probed, spawner, clips, tmp_path):
    _, table = await probed("vfr_b")
    for suffix in (".mkv", ".ts"):
        other = tmp_path / f"copy{suffix}"
        run(["-i", str(clips.path("vfr_b")), "-map", "0:v", "-c", "copy", str(other)])
        _, packets = await look(spawner, other)
        marks = [int(time) * packets.time_base for time in packets.keyframes - packets.times[0]]
        expected = [int(time) * table.time_base for time in table.keyframes]
        assert marks == pytest.approx(expected, abs=0.001)


async def test_index_survives_storing(probed):
    _, index = await probed("vfr_b")
    assert Index.from_bytes(index.to_bytes()) == index


async def test_fragmented(spawner, clips, tmp_path):
    path = tmp_path / "fragmented.mp4"
    flags = "frag_keyframe+empty_moov+default_base_moof+negative_cts_offsets"
    run(["-i", str(clips.path("fps25")), "-c", "copy", "-movflags", flags, str(path)])
    source, index = await look(spawner, path)
    assert not source.indexed
    assert len(index.times) == 250
    assert len(index.keyframes) == 6


async def test_truncated(spawner, clips, tmp_path):
    whole = tmp_path / "whole.mp4"
    run(["-i", str(clips.path("fps25")), "-c", "copy", "-movflags", "faststart", str(whole)])
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    source, index = await look(spawner, cut)
    assert 100 < len(index.times) < 200
    assert source.duration < 8
    assert f"{250 - len(index.times)} of 250 frames are missing" in source.warnings[0]


async def test_truncated_without_table(spawner, clips, tmp_path):
    path = tmp_path / "cut.mp4"
    path.write_bytes(clips.path("fps25").read_bytes()[:-2000])
    with pytest.raises(NothingDecodable, match="cut off"):
        await look(spawner, path)


async def test_truncated_matroska_warns(spawner, clips, tmp_path):
    path = tmp_path / "cut.mkv"
    whole = clips.path("mkv").read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    source, index = await look(spawner, path)
    assert 100 < len(index.times) < 200
    assert any("media end" in warning for warning in source.warnings)


async def test_cover_art_is_no_video(spawner, clips, tmp_path):
    cover = tmp_path / "cover.jpg"
    run(["-f", "lavfi", "-i", "color=s=64x64", "-frames:v", "1", str(cover)])
    path = tmp_path / "song.m4a"
    sources = ["-i", str(clips.path("audio_m4a")), "-i", str(cover)]
    run([*sources, "-map", "0", "-map", "1", "-c", "copy", "-disposition:v:0", "attached_pic", str(path)])
    source, index = await look(spawner, path)
    assert source.video is None
    assert index is None
    assert len(source.audio) == 1


async def test_surplus_tracks_are_named(spawner, clips, tmp_path):
    path = tmp_path / "many.mkv"
    maps = ["-map", "0:v", "-map", "0:v", *["-map", "0:a"] * 9]
    run(["-i", str(clips.path("fps25")), *maps, "-c", "copy", str(path)])
    source, _ = await look(spawner, path)
    assert len(source.audio) == 8
    assert any("2 video tracks" in warning for warning in source.warnings)
    assert any("of 9 audio tracks" in warning for warning in source.warnings)


async def test_sound_that_starts_minutes_later(spawner, clips, tmp_path):
    path = tmp_path / "late.mp4"
    late = ["-itsoffset", "600", "-i", str(clips.path("fps25"))]
    run(["-i", str(clips.path("fps25")), *late, "-map", "0:v", "-map", "1:a", "-c", "copy", str(path)])
    source, _ = await look(spawner, path)
    assert source.audio[0].start == pytest.approx(600, abs=0.05)


@pytest.mark.parametrize("options", [["-use_editlist", "0"], ["-movflags", "negative_cts_offsets"]])
async def test_times_are_those_ffmpeg_gives(spawner, clips, tmp_path, options: list[str]):
    path = tmp_path / "other.mp4"
    run(["-i", str(clips.path("irregular")), "-map", "0:v", "-c", "copy", *options, str(path)])
    _, index = await look(spawner, path)
    with av.open(str(path)) as container:
        assert [frame.pts for frame in container.decode(video=0)] == index.times.tolist()


async def test_file_too_long_to_read(clips, tmp_path):
    """Past the deadline the index ends, and the header's word is taken for the rest."""
    path = clips.path("mkv")
    size = path.stat().st_size
    state = Inspected(path=path, size=size, received=size, head=path.read_bytes()[:100], deadline=0)
    with av.open(str(path)) as container:
        found = Assembly(state, container).source()
    source, index = found.source, found.index
    assert not index.complete
    assert 50 < len(index.times) < 150
    assert source.duration == pytest.approx(10, abs=0.1)
    assert any("too long to be read" in warning for warning in source.warnings)


async def test_missing_file_is_no_verdict(spawner, tmp_path):
    with pytest.raises(ChildFailed, match="status 126"):
        await look(spawner, tmp_path / "absent.mp4")
