"""The players of others play what is right, and tell when something is missing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from tests.media import clients
from tests.media.clip import Library, run
from tests.media.serving import serve

Player = Callable[..., Awaitable[clients.Played]]


@pytest.fixture(scope="module")
def folder(clips: Library, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    copy = ["-i", str(clips.path("fps25")), "-c", "copy"]
    hls = ["-hls_segment_type", "fmp4", "-hls_time", "4", "-hls_playlist_type", "vod", "-f", "hls"]
    run([*copy, *hls, str(folder / "main.m3u8")])
    run([*copy, "-f", "dash", "-seg_duration", "4", str(folder / "main.mpd")])
    return folder


@pytest.mark.parametrize("name", ["main.m3u8", "main.mpd"])
@pytest.mark.parametrize("player", [clients.ffmpeg, clients.gstreamer, clients.mpv])
async def test_each_player_shows_every_frame(folder: Path, name: str, player: Player) -> None:
    async with serve(folder) as base:
        played = await player(f"{base}/{name}")
    assert played.status == 0, played.log
    # mpv only estimates its place from the rate.
    # mpv only estimates which frame it is at: one off either way is right.
    assert abs(played.frames - 250) <= (player is clients.mpv)


async def test_hashes_are_the_same_through_hls_and_dash(folder: Path) -> None:
    async with serve(folder) as base:
        hls, dash = await clients.ffmpeg(f"{base}/main.m3u8"), await clients.ffmpeg(f"{base}/main.mpd")
        sound = await clients.ffmpeg(f"{base}/main.m3u8", select="a:0")
    assert hls.hashes == dash.hashes
    assert len(set(hls.hashes)) == 250
    assert sound.sounds is not None
    assert sound.sounds > 460


async def test_a_missing_segment_shows_as_missing_frames(folder: Path) -> None:
    async def lose(request: web.Request) -> web.Response | None:
        return web.Response(status=404) if request.path == "/main1.m4s" else None

    async with serve(folder, hook=lose) as base:
        played = await clients.ffmpeg(f"{base}/main.m3u8")
        other = await clients.gstreamer(f"{base}/main.m3u8")
    assert played.frames is not None
    assert played.frames < 250
    assert other.status != 0


async def test_a_server_that_never_answers_fails_within_its_patience(folder: Path) -> None:
    async def hold(request: web.Request) -> None:
        await asyncio.sleep(3600)

    async with serve(folder, hook=hold) as base:
        with pytest.raises(pytest.fail.Exception, match="did not end within"):
            await clients.ffmpeg(f"{base}/main.m3u8", patience=1)


async def test_paths_outside_the_folder_are_not_served(folder: Path) -> None:
    reader_path = "/../" + Path(__file__).name
    async with serve(folder) as base:
        host, port = base.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET {reader_path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert (await reader.readline()).split()[1] == b"404"
        writer.close()
        await writer.wait_closed()
