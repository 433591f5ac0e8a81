"""Containers that arrive in pieces become tags: all access units, sound in step, H.264 always."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import imageio_ffmpeg
import pytest

from packager.process import Spawner
from streamer.ingest import flv
from streamer.ingest.errors import BadMedia, CodecRefused
from streamer.ingest.remux import MPEG_TS, remuxed, webm
from tests.media.clip import X264, Clip, Sound, run
from tests.media.sources import MS
from tests.media.timing import constant
from tests.tagged import IN_STEP, Judged, pictures, sounds

OPUS = ("-c:a", "libopus", "-b:a", "64k")
VP8 = ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "400k", "-g", "50")
BROWSER = Clip(
    name="browser",
    suffix=".mkv",
    timing=constant(25, 6),
    tick=MS,
    video=(*X264, "-g", "50", "-bf", "0"),
    sounds=(Sound(codec=OPUS),),
)
OTHER = replace(BROWSER, name="browser_vp8", suffix=".webm", codec="vp8", video=VP8)
STREAM = replace(BROWSER, name="stream", suffix=".ts", tick=0, offset=0, sounds=(Sound(),))

HEVC = replace(
    STREAM,
    name="stream_hevc",
    codec="hevc",
    video=("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error"),
)


@pytest.fixture
async def spawner():
    async with Spawner(Path(imageio_ffmpeg.get_ffmpeg_exe())) as made:
        yield made


async def pieces(path: Path, size: int = 1500) -> AsyncIterator[bytes]:
    body = path.read_bytes()
    for at in range(0, len(body), size):
        yield body[at : at + size]


def copied(path: Path, folder: Path) -> list[bytes]:
    """Return the access units of a file as ffmpeg copies them into FLV."""
    run(["-i", str(path), "-c:v", "copy", "-an", "-f", "flv", str(folder / "copied.flv")])
    return [tag.body for tag in pictures(flv.read((folder / "copied.flv").read_bytes())) if tag.body]


async def test_h264_in_matroska_is_copied_and_its_sound_stays_in_step(spawner, clips, tmp_path):
    path = clips.make(BROWSER)
    tags = [tag async for tag in webm(spawner, pieces(path))]
    assert [tag.body for tag in pictures(tags)] == copied(path, tmp_path)
    assert sum(tag.configuration for tag in tags) == 2
    judged = Judged(tags, tmp_path)
    assert judged.numbers == [frame.number for frame in BROWSER.frames]
    apart = judged.apart(BROWSER)
    assert len(apart) >= 5
    assert max(map(abs, apart)) <= IN_STEP


async def test_another_picture_is_encoded_frame_by_frame(spawner, clips, tmp_path):
    tags = [tag async for tag in webm(spawner, pieces(clips.make(OTHER)))]
    judged = Judged(tags, tmp_path)
    assert judged.numbers == [frame.number for frame in OTHER.frames]
    keys = [tag.time for tag in pictures(tags) if tag.keyframe]
    assert [b - a for a, b in pairwise(keys)] == [2000, 2000]
    assert max(map(abs, judged.apart(OTHER))) <= IN_STEP


async def test_a_transport_stream_is_read_as_well(spawner, clips, tmp_path):
    path = clips.make(STREAM)
    tags = [tag async for tag in remuxed(spawner, pieces(path), container=MPEG_TS, copy=True)]
    judged = Judged(tags, tmp_path)
    assert judged.numbers == [frame.number for frame in STREAM.frames]
    assert max(map(abs, judged.apart(STREAM))) <= IN_STEP


async def test_there_may_be_no_sound(spawner, clips):
    path = clips.make(replace(BROWSER, name="browser_silent", sounds=()))
    tags = [tag async for tag in webm(spawner, pieces(path))]
    assert len(pictures(tags)) == len(BROWSER.frames)
    assert not sounds(tags)


async def test_tags_come_while_pieces_do(spawner, clips):
    body = clips.make(BROWSER).read_bytes()
    begun = asyncio.Event()

    async def halves() -> AsyncIterator[bytes]:
        yield body[: len(body) // 2]
        await begun.wait()
        yield body[len(body) // 2 :]

    tags = []
    async with asyncio.timeout(30):
        async for tag in webm(spawner, halves()):
            tags.append(tag)
            if len(pictures(tags)) == 25:
                begun.set()
    assert len(pictures(tags)) == len(BROWSER.frames)


async def test_what_is_no_media_is_refused(spawner):
    async def noise() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield bytes(range(256)) * 256

    with pytest.raises(BadMedia):
        _ = [tag async for tag in webm(spawner, noise())]


async def test_what_only_poses_as_media_is_refused(spawner):
    async def posing() -> AsyncIterator[bytes]:
        yield b"\x1a\x45\xdf\xa3" + b"\x86\x85V_VP8" + bytes(4096)

    with pytest.raises(BadMedia):
        _ = [tag async for tag in webm(spawner, posing())]


async def test_another_codec_that_was_to_be_copied_is_refused_by_name(spawner, clips):
    path = clips.make(HEVC)
    with pytest.raises(CodecRefused, match=r"H\.265"):
        _ = [tag async for tag in remuxed(spawner, pieces(path), container=MPEG_TS, copy=True)]
