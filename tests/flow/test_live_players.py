"""Players of others play a broadcast, on air and afterwards: every frame, once, in order."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.flow.live_site import LOW, SOUND, TOP, LiveSite, Media, live_site, media, paced
from tests.media import clients

SECONDS = 12


@pytest.fixture(scope="module")
def made(clips) -> Media:
    return asyncio.run(media(clips, SECONDS))


def joined(made: Media, rendition: str, path: Path, *, segments: int | None = None) -> str:
    last = max(part.segment for part in made.parts if part.rendition == rendition) + 1
    bodies = [made.segment(rendition, number) for number in range(segments or last)]
    path.write_bytes(made.inits[rendition] + b"".join(bodies))
    return str(path)


@pytest.fixture(scope="module")
def pictures(made, tmp_path_factory) -> tuple[str, ...]:
    """Return the hash of every frame of the top rung, decoded from its segments one behind the other."""
    path = tmp_path_factory.mktemp("joined") / "top.mp4"
    return asyncio.run(clients.ffmpeg(joined(made, TOP, path))).hashes


async def aired(site: LiveSite, made: Media) -> None:
    await site.begin(made)
    await site.finish()


async def test_ffmpeg_plays_the_ended_broadcast_over_hls_and_dash(made, pictures):
    async with live_site() as site:
        await aired(site, made)
        for key in (f"{TOP}.m3u8", "main.m3u8", "main.mpd"):
            played = await clients.ffmpeg(site.url(key))
            assert played.status == 0, played.log
            assert played.hashes == pictures, key
            assert not played.log, played.log


async def test_mpv_and_gstreamer_play_the_ended_broadcast(made, pictures):
    async with live_site() as site:
        await aired(site, made)
        played = await clients.mpv(site.url("main.m3u8"))
        assert played.status == 0, played.log
        assert played.frames in {len(pictures), len(pictures) - 1}  # it does not always tell of the last one
        played = await clients.gstreamer(site.url("main.m3u8"))
        assert played.status == 0, played.log
        assert played.frames == len(pictures)


async def test_ffmpeg_follows_the_low_latency_playlist_as_a_plain_one(made, pictures):
    """Every reload finds one segment more; at the end the playlist is final."""
    async with live_site() as site:
        await site.begin(made)
        await site.release(3, 2)
        segment = 3

        async def another(path: str) -> None:
            nonlocal segment
            if path.endswith(f"{TOP}.m3u8"):
                segment += 1
                await (site.release(segment, 2) if segment < 6 else site.finish())

        site.asked = another
        played = await clients.ffmpeg(site.url(f"{TOP}.m3u8"), options=("-live_start_index", "0"))
        assert played.status == 0, played.log
        assert played.hashes == pictures


async def test_ffmpeg_plays_over_an_encoder_that_failed(made, pictures, tmp_path):
    async with live_site(window=None) as site:
        await site.begin(made)
        await site.release(2, 3)
        await site.fall()
        second = made.successor(first=3, generation="l2", started=8000, names=[LOW, SOUND])
        await site.begin(second)
        await site.finish()
        low = (await clients.ffmpeg(joined(made, LOW, tmp_path / "low.mp4"))).hashes
        frames = 2 * 48 + 3 * 8
        whole = await clients.ffmpeg(site.url(f"{LOW}.m3u8"))
        assert whole.hashes[:frames] == low[:frames]
        shown = whole.hashes[frames:]
        # Where timestamps begin anew its decoder drops a few frames.
        assert len(shown) >= len(low) - 8
        assert shown == low[-len(shown) :]
        first = await clients.ffmpeg(site.url(f"{TOP}.m3u8"))
        assert first.hashes[:frames] == pictures[:frames]
        assert len(first.hashes) == len(whole.hashes)  # what follows is another size, and scaled


async def test_ffmpeg_counts_segments_by_the_clock_over_dash(clips, pictures):
    now = time.time_ns() // 1_000_000
    made = await media(clips, SECONDS, started=now)
    async with live_site() as site:
        await site.begin(made)
        pacing = asyncio.create_task(paced(site))
        try:
            played = await clients.ffmpeg(site.url("main.mpd"), options=("-t", "5"), patience=30)
        finally:
            pacing.cancel()
            await asyncio.gather(pacing, return_exceptions=True)
    assert played.status == 0, played.log
    assert len(played.hashes) == 125
    assert "".join(played.hashes) in "".join(pictures)
