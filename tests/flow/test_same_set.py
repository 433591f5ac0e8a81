"""One set of files under HLS and DASH: the same pictures through both, told truly, and played by others."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import m3u8
import numpy as np
import pytest
from lxml import etree

from packager import keys
from packager.model import Grid, Presentation
from packager.package import package
from packager.process import Spawner
from packager.store import DiskStore
from tests.flow.packaged import EFFORT, Track, rungs, stored
from tests.media import clients, fragments
from tests.media.serving import serve
from tests.media.sources import KINDS

SETS = {
    "frame": KINDS["edit_cut"],
    "keyframe": KINDS["irregular"],
    "many": replace(KINDS["text_srt"], name="many", sounds=KINDS["languages"].sounds),
}
MANIFESTS = (keys.MULTIVARIANT, keys.MPD)
MPD = {"d": "urn:mpeg:dash:schema:mpd:2011"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A packaged folder, moved to another place after it was made."""

    folder: Path
    grid: Grid
    presentation: Presentation
    tracks: dict[str, Track]

    def frames(self, name: str) -> int:
        """Return how many frames the segments of a rendition hold."""
        init, segments = self.tracks[name]
        facts = fragments.read_init(init)
        return sum(len(part.samples) for one in segments for part in fragments.read_segment(one, facts))


async def _make(path: Path, folder: Path) -> Made:
    plans = []
    store = DiskStore(folder / "first")
    async with Spawner(Path(imageio_ffmpeg.get_ffmpeg_exe())) as spawner:
        presentation = await package(
            path, store, spawner=spawner, slots=2, sink=lambda _: None, started=0, effort=EFFORT,
            planned=lambda packaging: plans.append(packaging.plan),
        )  # fmt: skip
    tracks = {one.name: await stored(store, one) for one in rungs(presentation)}
    return Made(
        folder=folder / "moved", grid=plans[-1].picture.grid, presentation=presentation, tracks=tracks
    )


@pytest.fixture(scope="module", params=SETS)
def made(request, clips, tmp_path_factory) -> Made:
    """Package a kind into a folder, and move the folder: nothing in it may know where it lay."""
    folder = tmp_path_factory.mktemp(request.param)
    found = asyncio.run(_make(clips.make(SETS[request.param]), folder))
    (folder / "first").rename(found.folder)
    return found


def md5s(track: Track) -> list[str]:
    """Return the MD5 of every picture's bytes as PyAV decodes them, in order of presentation."""
    init, segments = track
    with av.open(io.BytesIO(init + b"".join(segments)), format="mp4") as container:
        return [
            hashlib.md5(np.ascontiguousarray(frame.to_ndarray()).tobytes()).hexdigest()  # noqa: S324
            for frame in container.decode(video=0)
        ]


def test_the_kinds_are_on_the_grids_they_stand_for(made):
    if made.folder.parent.name.startswith("frame"):
        assert made.grid is Grid.FRAME
    if made.folder.parent.name.startswith("keyframe"):
        assert made.grid is Grid.KEYFRAME
    if made.folder.parent.name.startswith("many"):
        assert len(made.presentation.audio) == 3
        assert len(made.presentation.text) == 1


async def test_pictures_are_the_same_through_hls_through_dash_and_alone(made):
    async with serve(made.folder) as base:
        for place, rendition in enumerate(made.presentation.video):
            hls, dash = [await clients.ffmpeg(f"{base}/{one}", select=f"v:{place}") for one in MANIFESTS]
            assert (hls.status, dash.status) == (0, 0), hls.log + dash.log
            alone = md5s(made.tracks[rendition.name])
            assert len(alone) == made.frames(rendition.name) > 200
            assert list(hls.hashes) == alone
            assert list(dash.hashes) == alone


async def test_sounds_are_the_same_through_hls_and_dash(made):
    async with serve(made.folder) as base:
        for place, rendition in enumerate(made.presentation.audio):
            hls, dash = [await clients.ffmpeg(f"{base}/{one}", select=f"a:{place}") for one in MANIFESTS]
            assert hls.hashes == dash.hashes
            assert hls.sounds == made.frames(rendition.name)


@pytest.mark.parametrize("manifest", MANIFESTS)
@pytest.mark.parametrize("player", [clients.ffmpeg, clients.gstreamer, clients.mpv])
async def test_each_player_shows_every_frame(made, player, manifest):
    async with serve(made.folder) as base:
        played = await player(f"{base}/{manifest}")
    assert played.status == 0, played.log
    frames = made.frames(made.presentation.video[0].name)
    # mpv only estimates which frame it is at, by times that FFmpeg moves where offsets are negative
    assert abs(played.frames - frames) <= (3 if player is clients.mpv else 0), played.log


async def test_the_folder_plays_from_the_disk(made):
    played = await clients.ffmpeg(str(made.folder / keys.MULTIVARIANT))
    assert played.status == 0, played.log
    assert played.frames == made.frames(made.presentation.video[0].name)


def test_parsers_of_others_accept_the_manifests(made, judges, tmp_path):
    for path in (*made.folder.glob("*.m3u8"), *made.folder.glob("*.mpd")):
        shutil.copy(path, tmp_path)
    done = subprocess.run(
        ["node", str(judges / "judge.mjs"), str(tmp_path)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (files,) = json.loads(done.stdout).values()
    assert len(files) == len(rungs(made.presentation)) + len(made.presentation.text) + 2
    assert not any(one.get("warnings") or one.get("second", {}).get("warnings") for one in files.values())
    shown = {playlist["id"]: playlist for playlist in files[keys.MPD]["playlists"]}
    for name, playlist in shown.items():
        listed = files[keys.playlist(name)]["segments"]
        uris = [segment[0].removeprefix("http://origin.invalid/") for segment in playlist["segments"]]
        assert uris == [segment[0] for segment in listed]


def hls_uris(folder: Path) -> set[str]:
    """Return every URI that a playlist of the folder names."""
    found = set()
    for path in folder.glob("*.m3u8"):
        text = path.read_text(encoding="utf-8")
        found |= set(re.findall(r'URI="([^"]*)"', text))
        found |= {line for line in text.splitlines() if line and not line.startswith("#")}
    return found


def _numbers(template: etree._Element, period: Fraction) -> range:
    steps = template.findall(".//d:S", MPD)
    count = sum(int(step.get("r", "0")) + 1 for step in steps)
    if not steps:
        each = Fraction(int(template.get("duration")), int(template.get("timescale")))
        count = -(-period // each)
    first = int(template.get("startNumber"))
    return range(first, first + count)


def mpd_uris(folder: Path, seconds: Fraction) -> set[str]:
    """Return every URI that the MPD of the folder names, its templates filled in."""
    found = set()
    for group in etree.parse(str(folder / keys.MPD)).iterfind(".//d:AdaptationSet", MPD):
        found |= {base.text for base in group.iterfind(".//d:BaseURL", MPD)}
        for template in group.iterfind(".//d:SegmentTemplate", MPD):
            for one in group.iterfind("d:Representation", MPD):
                media = template.get("media").replace("$RepresentationID$", one.get("id"))
                found |= {media.replace("$Number$", str(n)) for n in _numbers(template, seconds)}
                if template.get("initialization"):
                    found.add(template.get("initialization").replace("$RepresentationID$", one.get("id")))
    return found


def test_every_uri_is_relative_and_exists(made):
    hls, dash = hls_uris(made.folder), mpd_uris(made.folder, made.presentation.duration)
    there = {str(path.relative_to(made.folder)) for path in made.folder.rglob("*") if path.is_file()}
    assert hls <= there, hls - there
    assert dash <= there, dash - there
    media = {name for name in there if name.endswith((".m4s", "init.mp4", "0.vtt"))}
    assert media <= hls
    assert media <= dash
    generation = made.presentation.generation
    index = (made.folder / keys.storyboard(generation)).read_text()
    sheets = set(re.findall(r"^(\S+\.jpg)#", index, re.MULTILINE))
    assert sheets
    assert all((made.folder / generation / sheet).is_file() for sheet in sheets)


def peak(folder: Path, name: str) -> float:
    """Return the peak bits a second of a media playlist (RFC 8216bis, 4.4.6.2), read from its files."""
    playlist = m3u8.load(str(folder / keys.playlist(name)))
    lengths = [segment.duration for segment in playlist.segments]
    sizes = [8 * (folder / segment.uri).stat().st_size for segment in playlist.segments]
    low, high = playlist.target_duration / 2, playlist.target_duration * 3 / 2
    spans = [(a, b) for a in range(len(sizes)) for b in range(a + 1, len(sizes) + 1)]
    rates = [sum(sizes[a:b]) / sum(lengths[a:b]) for a, b in spans if low <= sum(lengths[a:b]) <= high]
    return max(rates, default=sum(sizes) / sum(lengths))


def test_no_bandwidth_is_understated(made):
    folder, shown = made.folder, made.presentation
    sounds = max(peak(folder, one.name) for one in shown.audio)
    main = m3u8.load(str(folder / keys.MULTIVARIANT))
    assert len(main.playlists) == len(shown.video)
    for variant in main.playlists:
        need = peak(folder, variant.uri.removesuffix(".m3u8")) + sounds
        assert need <= variant.stream_info.bandwidth < 1.1 * need + 1000
        assert variant.stream_info.average_bandwidth <= variant.stream_info.bandwidth
    (trick,) = main.iframe_playlists
    assert trick.iframe_stream_info.bandwidth >= peak(folder, "intra")
    told = {
        one.get("id"): int(one.get("bandwidth"))
        for one in etree.parse(str(folder / keys.MPD)).iterfind(".//d:Representation", MPD)
    }
    for rendition in rungs(shown):
        assert told[rendition.name] >= peak(folder, rendition.name) - 1  # EXTINF is rounded to microseconds
