"""A compliant source track is a rung as it is: the same samples, at the same times as the encoded rungs."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import imageio_ffmpeg
import pytest

from packager import copied, ladder
from packager.ladder import Effort
from packager.model import Grid
from packager.original import SourceCut, WholeFile
from packager.package import package
from packager.probe import probe
from packager.process import Spawner
from packager.store import DiskStore, MemoryStore
from tests.flow.packaged import stored
from tests.media import fragments, reader
from tests.media.clip import run
from tests.media.sources import KINDS

EFFORT = Effort(preset="ultrafast", sides=(144,))
COMPLIANT = ("irregular", "vfr_b", "edit_start", "video_late")
REASONS = {
    "open_gop": "picture: closed keyframes are more than 6 s apart",
    "edit_cut": "picture: the first displayed frame is not a closed keyframe",
    "rotated": "picture: it is turned or mirrored",
    "anamorphic": "picture: its pixels are not square, or some are cut off",
    "h264_422_10": "picture: it is not 8-bit 4:2:0 in Baseline, Main or High profile",
    "hdr10": "picture: its format is hvc1",
    "interlaced": "picture: its pictures may be interlaced",
    "vfr_mp4": "picture: it stands still for more than a second",
    "mkv": "picture: the container has no table of its samples",
    "surround51": "audio-0: it has more than two channels",
    "audio_late": "audio-0: it begins after the picture",
    "audio_shorter": "audio-0: it ends before the picture",
    "audio_mp3": "audio-0: the container has no table of its samples",
}


@pytest.fixture
async def spawner():
    async with Spawner(Path(imageio_ffmpeg.get_ffmpeg_exe())) as made:
        yield made


async def plan_of(spawner, path, folder, **effort):
    probed = await probe(spawner, path, into=folder / "tables")
    chosen = replace(EFFORT, **effort)
    made = ladder.plan(
        probed.source, probed.index, identity="test", encoder="test", effort=chosen, tables=probed.tables
    )
    return probed, made


async def copy_of(spawner, path, folder, name):
    """Return a copied rendition of a file, and its segments."""
    probed, plan = await plan_of(spawner, path, folder)
    copy = copied.of(plan, probed.tables)[name]
    return plan, copy, [await copy.segment(WholeFile(path), n) for n in range(copy.segments)]


def samples(init, segments):
    """Return what a track's samples hash to, in decode order, by the judges' own reading."""
    facts, hashes = fragments.read_init(init), []
    for segment in segments:
        place = segment.index(b"mdat") + 4
        for part in fragments.read_segment(segment, facts):
            for sample in part.samples:
                hashes.append(hashlib.sha256(segment[place : place + sample.size]).digest())
                place += sample.size
    return hashes


def packets(path, kind):
    """Return what the packets of a source's track hash to, in decode order."""
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        return [hashlib.sha256(bytes(packet)).digest() for packet in container.demux(stream) if packet.size]


def times(track):
    init, segments = track
    facts = fragments.read_init(init)
    return [
        sorted(
            fragments.seconds(sample.shown, facts)
            for part in fragments.read_segment(segment, facts)
            for sample in part.samples
        )
        for segment in segments
    ]


@pytest.mark.parametrize("name", COMPLIANT)
async def test_the_top_rung_is_the_source_at_the_times_of_the_encoded_ones(name, clips, spawner):
    path, store = clips.path(name), MemoryStore()
    shown = await package(
        path, store, spawner=spawner, slots=2, sink=lambda _: None, started=0, effort=EFFORT
    )
    top, *below = shown.video
    assert (top.height, [rung.height for rung in below]) == (180, [144])
    copy = await stored(store, top)
    assert samples(*copy) == packets(path, "video")
    assert fragments.check(*copy, borders=list(top.borders)) == []
    for rung in below:
        assert rung.borders == top.borders
        encoded = await stored(store, rung)
        assert fragments.check(*encoded, borders=list(top.borders)) == []
        assert times(encoded) == times(copy)
    numbers = reader.read_numbers(*copy)
    assert [number for _, number in numbers] == [frame.number for frame in KINDS[name].frames]
    sizes = [len(segment) for segment in copy[1]]
    span = Fraction(top.borders[-1], top.timescale)
    assert top.average == -(-8 * sum(sizes) * span.denominator // span.numerator)
    assert top.bandwidth >= top.average


@pytest.mark.parametrize("name", REASONS)
async def test_what_does_not_comply_is_encoded_and_says_why(name, clips, spawner, tmp_path):
    _, plan = await plan_of(spawner, clips.path(name), tmp_path)
    assert REASONS[name] in plan.uncopied
    if REASONS[name].startswith("picture"):
        assert plan.copied is None
        assert min(plan.video[0].width, plan.video[0].height) > 144
    else:
        assert not any(rung.copied for rung in plan.audio)


async def test_copying_can_be_turned_off(clips, spawner, tmp_path):
    _, plan = await plan_of(spawner, clips.path("irregular"), tmp_path, copy=False)
    assert plan.copied is None
    assert plan.uncopied == (ladder.TURNED_OFF,)
    _, other = await plan_of(spawner, clips.path("irregular"), tmp_path)
    assert other.copied is not None
    assert other.generation != plan.generation


async def test_sound_is_copied_to_the_packet(clips, spawner, tmp_path):
    path = clips.path("irregular")
    plan, copy, segments = await copy_of(spawner, path, tmp_path, "audio-0")
    # FFmpeg's encoder primes with one packet, which ends where the sound begins.
    assert samples(copy.init.body, segments) == packets(path, "audio")[1:]
    assert copy.borders[0] == 0
    for border, picture in list(zip(copy.borders, plan.shown, strict=True))[:-1]:
        assert abs(border - Fraction(picture * 48000, plan.timescale)) <= 512
    beeps = reader.find_beeps(reader.read_sound(copy.init.body, segments))
    expected = KINDS["irregular"].beeps()
    assert len(beeps) == len(expected)
    assert all(abs(a - b) < Fraction(1, 500) for a, b in zip(beeps, expected, strict=True))


async def test_a_hole_in_the_sound_keeps_its_length(clips, spawner, tmp_path):
    """One packet is missing 5 s from the start: its segment is as long as the times say."""
    path, holed = clips.path("fps24"), tmp_path / "holed.mp4"
    run(["-i", str(path), "-c", "copy", "-bsf:a", "noise=drop='eq(n,235)'", str(holed)])
    plan, copy, segments = await copy_of(spawner, holed, tmp_path, "audio-0")
    facts = fragments.read_init(copy.init.body)
    parts = [fragments.read_segment(segment, facts)[0] for segment in segments]
    counts = [len(part.samples) for part in parts]
    lengths = [b - a for a, b in pairwise(copy.borders)]
    assert [1024 * count - length for count, length in zip(counts, lengths, strict=True)].count(-1024) == 1
    for part, border, length in zip(parts, copy.borders, lengths, strict=False):
        assert part.tfdt == border
        assert sum(sample.duration for sample in part.samples) == length
    assert sum(counts) == len(packets(path, "audio")) - 2
    assert plan.picture.grid is Grid.KEYFRAME


async def test_sound_alone_is_copied_too(clips, spawner, tmp_path):
    path = clips.path("audio_m4a")
    plan, copy, segments = await copy_of(spawner, path, tmp_path, "audio-0")
    assert samples(copy.init.body, segments) == packets(path, "audio")[1:]
    assert plan.audio[0].bitrate > 0


async def test_mono_and_44100_hz_are_copied_as_they_are(clips, spawner, tmp_path):
    path = tmp_path / "mono.mp4"
    run(["-i", str(clips.path("mono")), "-c:v", "copy", "-c:a", "aac", "-ar", "44100", str(path)])
    plan, copy, segments = await copy_of(spawner, path, tmp_path, "audio-0")
    assert (plan.audio[0].channels, plan.audio[0].sample_rate) == (1, 44_100)
    assert samples(copy.init.body, segments) == packets(path, "audio")[1:]


async def test_every_size_is_known_from_the_plan_on_and_a_cut_source_is_told(clips, spawner, tmp_path):
    path = clips.path("vfr_b")
    _, copy, segments = await copy_of(spawner, path, tmp_path, "180p")
    assert copy.sizes.tolist() == [len(segment) for segment in segments]
    assert copy.ready(0) == 0
    assert copy.ready(copy.reach(1)) == 2
    assert copy.ready(copy.reach(1) - 1) == 1
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(path.read_bytes()[: copy.reach(1)])
    assert await copy.segment(WholeFile(cut), 1) == segments[1]
    with pytest.raises(SourceCut):
        await copy.segment(WholeFile(cut), 2)


async def test_what_is_written_out_is_what_is_served(clips, spawner, tmp_path):
    path = clips.path("irregular")
    _, copy, segments = await copy_of(spawner, path, tmp_path, "180p")
    store, told = DiskStore(tmp_path / "out"), []
    for _ in range(2):  # what is there is not written again
        await copied.write_out({copy.name: copy}, original=WholeFile(path), store=store, sink=told.append)
    for number, segment in enumerate(segments):
        assert await store.get(f"{copy.generation}/180p/{number}.m4s") == segment
    assert sorted((fact.number, fact.size) for fact in told) == sorted(
        (number, len(segment)) for number, segment in [*enumerate(segments)] * 2
    )
