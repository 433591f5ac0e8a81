"""A server that is killed on air: it comes back, takes the publisher again, and keeps what was recorded."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from fractions import Fraction
from pathlib import Path

import aiohttp
import m3u8
import pytest

from tests.flow.on_air import FILM, LIVE, listed, playlist, publishing, stream, until, whole
from tests.flow.test_live_judges import verdicts
from tests.flow.test_server_crash import HERE, Remote
from tests.media import clients, reader

SERVE = [sys.executable, "-m", "streamer", "serve", "--port", "0", "--data"]
MEDIA = re.compile(r"(?P<generation>l[0-9a-f]{16})/[\w-]+/(?P<segment>\d+)(\.(?P<part>\d+))?\.m4s")


@pytest.fixture
async def start(spawn, data_dir) -> AsyncIterator[Callable]:
    async with aiohttp.ClientSession() as session:

        async def begin() -> Remote:
            env = {
                "STREAMER_ENCODE_PRESET": "ultrafast",
                "STREAMER_DISK_RESERVE_BYTES": "0",
                "STREAMER_LIVE_RTMP_PORT": "0",
            }
            child = await spawn(*SERVE, data_dir, env=env, cwd=HERE)
            line = await child.says("http://", seconds=60)
            return Remote(session, line[line.index("http://") :].strip(), child)

        yield begin


async def numbers(remote: Remote, root: str, found: m3u8.M3U8) -> list[tuple[Fraction, int | None]]:
    init = await remote.get(root + found.segments[0].init_section.uri)
    return reader.read_numbers(init, [await remote.get(root + one.uri) for one in whole(found)])


class Announced:
    """What playlists have said of each media sequence number, which stays the same for ever."""

    def __init__(self) -> None:
        self.said: dict[int, tuple[str, str, int]] = {}
        self.parts: set[str] = set()
        self._first = 0

    def take(self, text: str) -> None:
        """Take a media playlist: it grows at its end and is cut at its beginning (RFC 8216bis §6.2.1)."""
        tags = dict(re.findall(r"^#EXT-X-(MEDIA-SEQUENCE|DISCONTINUITY-SEQUENCE):(\d+)$", text, re.MULTILINE))
        number, section = int(tags["MEDIA-SEQUENCE"]), int(tags["DISCONTINUITY-SEQUENCE"])
        assert number >= self._first
        self._first = number
        for line in text.splitlines():
            section += line == "#EXT-X-DISCONTINUITY"
            if found := MEDIA.search(line):
                generation, segment, part = found["generation"], found["segment"], found["part"]
                said = (generation, segment, section)
                assert self.said.setdefault(number, said) == said, (number, text)
                if part and line.startswith("#EXT-X-PART:"):
                    self.parts.add(found[0])
            number += bool(line) and not line.startswith("#")

    @contextlib.asynccontextmanager
    async def reading(self, remote: Remote, path: str) -> AsyncIterator[None]:
        """Reload a playlist while the block runs, whether it can be had or not."""

        async def read() -> None:
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    status, _, body = await remote.ask("GET", path)
                    if status == 200:
                        self.take(body.decode())
                await asyncio.sleep(0.05)

        task = asyncio.create_task(read())
        try:
            yield
            assert not task.done(), task.exception()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def on_air(remote: Remote, made: dict) -> tuple[str, str]:
    """Wait until a stream is on air; return its asset and the playlist of its top rung."""
    asset = (await until(remote, made["id"], "live"))["asset"]
    main = await remote.get(f"/v/{made['id']}/main.m3u8")
    return asset, m3u8.loads(main.decode()).playlists[0].uri


async def address(remote: Remote, made: dict) -> str:
    return (await remote.json("GET", f"{LIVE}/{made['id']}"))["ingest"]["rtmp"]


async def held(remote: Remote, root: str, paths: Iterable[str]) -> dict[str, bytes]:
    """Return the bodies of those media that can be had."""
    answers = {path: await remote.ask("GET", root + path) for path in sorted(paths)}
    assert {status for status, _, _ in answers.values()} <= {200, 404}
    return {path: body for path, (status, _, body) in answers.items() if status == 200}


def began(mpd: bytes) -> list[str]:
    return re.findall(r'availabilityStartTime="([^"]+)"', mpd.decode())


async def test_killed_on_air_the_same_broadcast_goes_on_under_another_generation(
    start, clips, judges, tmp_path
):
    film: Path = clips.make(FILM)
    remote = await start()
    made = await stream(remote)
    root, announced = f"/v/{made['id']}/", Announced()
    async with publishing(made["ingest"]["rtmp"], made["key"], film):
        asset, name = await on_air(remote, made)
        async with announced.reading(remote, root + name):
            before = await listed(remote, root + name, lambda one: len(whole(one)) >= 2)
            bodies = {one.uri: await remote.get(root + one.uri) for one in whole(before)}
            parts = await held(remote, root, announced.parts)
            mpd = await remote.get(root + "main.mpd")
            await remote.kill()
    remote = await start()
    # Viewers find it at once, as far as it is stored and without an end, under both of its names.
    waiting = await playlist(remote, root + name)
    assert (await until(remote, made["id"], "reconnecting"))["asset"] == asset
    assert not waiting.is_endlist
    assert [one.gap_tag for one in waiting.segments][-2:] == [True, True]
    assert await remote.get(f"/v/{asset}/{name}") == await remote.get(root + name)
    again = await address(remote, made)
    async with announced.reading(remote, root + name), publishing(again, made["key"], film):
        assert (await until(remote, made["id"], "live"))["asset"] == asset
        await listed(remote, root + name, lambda one: len(whole(one)) >= len(whole(waiting)) + 2)
        assert began(await remote.get(root + "main.mpd")) == began(mpd) != []
    assert len({generation for generation, _, _ in announced.said.values()}) == 2
    # What a cache may hold of the first life is never the name of anything else.
    assert await held(remote, root, bodies) == bodies
    there = await held(remote, root, parts)
    assert there
    assert {path: parts[path] for path in there} == there
    await remote.json("POST", f"{LIVE}/{made['id']}/end")
    await whole_recording(remote, asset, name, bodies)
    await judged(remote, judges, tmp_path, asset, name)


async def whole_recording(remote: Remote, asset: str, name: str, bodies: dict[str, bytes]) -> None:
    """Hold a recording of two lives to having every picture of both, and what was there before among it."""
    root = f"/v/{asset}/"
    shown = await remote.asset(asset)
    kept = await playlist(remote, root + name)
    assert (shown["state"], kept.is_endlist) == ("complete", True)
    assert set(bodies) <= {one.uri for one in kept.segments}
    assert not any(one.gap_tag for one in kept.segments)
    lives = [
        list(each) for _, each in itertools.groupby(whole(kept), key=lambda one: one.uri.partition("/")[0])
    ]
    assert len(lives) == 2
    assert [one.discontinuity for one in kept.segments].count(True) == 1
    total = 0
    for life in lives:
        init = await remote.get(root + life[0].init_section.uri)
        seen = reader.read_numbers(init, [await remote.get(root + one.uri) for one in life])
        assert [round(time * 25) for time, _ in seen] == list(range(len(seen)))
        assert len(seen) == round(sum(one.duration for one in life) * 25)
        total += len(seen)
    assert shown["duration"] == pytest.approx(total / 25, abs=0.001)
    played = await clients.ffmpeg(remote.base + root + name)
    # Where timestamps begin anew its decoder drops a few frames.
    assert (played.status, total - 8 <= played.frames <= total) == (0, True), played.log


async def judged(remote: Remote, judges: Path, folder: Path, asset: str, name: str) -> None:
    """Hold the MPD of a recording to naming the same files as its playlists."""
    names, folder = (name, "audio-0.m3u8"), folder / "recording"
    folder.mkdir()
    for key in (*names, "main.mpd"):
        (folder / key).write_bytes(await remote.get(f"/v/{asset}/{key}"))
    files = verdicts(judges, folder)[folder.name]
    for key in names:
        hls = [segment[0] for segment in files[key]["segments"]]
        (dash,) = (one for one in files["main.mpd"]["playlists"] if one["id"] == key.removesuffix(".m3u8"))
        assert [one[0].removeprefix("http://origin.invalid/") for one in dash["segments"]] == hls


async def test_without_a_reconnect_window_it_ends_and_another_broadcast_begins(start, clips):
    film: Path = clips.make(FILM)
    remote = await start()
    made = await stream(remote, reconnect_seconds=0)
    root = f"/v/{made['id']}/"
    async with publishing(made["ingest"]["rtmp"], made["key"], film):
        first, name = await on_air(remote, made)
        before = await listed(remote, root + name, lambda one: len(whole(one)) >= 2)
        bodies = {one.uri: await remote.get(root + one.uri) for one in whole(before)}
        await remote.kill()
    remote = await start()
    kept = await playlist(remote, f"/v/{first}/{name}")
    assert kept.is_endlist
    assert (await remote.asset(first))["state"] == "complete"
    seen = await numbers(remote, f"/v/{first}/", kept)
    assert [round(time * 25) for time, _ in seen] == list(range(len(seen)))
    for uri, body in bodies.items():
        assert await remote.get(f"/v/{first}/{uri}") == body
    async with publishing(await address(remote, made), made["key"], film):
        second = (await until(remote, made["id"], "live"))["asset"]
        after = await listed(remote, root + name, lambda one: len(whole(one)) >= 1)
    assert second != first
    generations = [re.split("/", one.segments[0].uri)[0] for one in (before, after)]
    assert generations[0] != generations[1]
    # A cache that holds an answer for a number of the first broadcast must never give it out for the second.
    assert after.media_sequence > before.media_sequence + len(before.segments)


async def test_stopped_on_air_it_waits_for_its_publisher_and_ends_when_nobody_comes(start, clips):
    film: Path = clips.make(FILM)
    remote = await start()
    made = await stream(remote, reconnect_seconds=3)
    root = f"/v/{made['id']}/"
    async with publishing(made["ingest"]["rtmp"], made["key"], film):
        asset, name = await on_air(remote, made)
        before = await listed(remote, root + name, lambda one: len(whole(one)) >= 2)
        remote.child.process.send_signal(signal.SIGTERM)
        assert await remote.child.wait() == 0
    remote = await start()
    assert (await until(remote, made["id"], "reconnecting"))["asset"] == asset
    assert not (await playlist(remote, root + name)).is_endlist
    await until(remote, made["id"], "ended")
    kept = await playlist(remote, f"/v/{asset}/{name}")
    assert (kept.is_endlist, (await remote.asset(asset))["state"]) == (True, "complete")
    assert {one.uri for one in whole(before)} <= {one.uri for one in kept.segments}
    seen = await numbers(remote, f"/v/{asset}/", kept)
    assert [round(time * 25) for time, _ in seen] == list(range(len(seen)))
