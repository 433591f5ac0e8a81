"""Watching a video while it uploads: what is there is served, what is not is waited for, and all is right."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import imageio_ffmpeg
import m3u8
import pytest

from tests.flow.whole_site import API, TUS, Site, faults, orphans, running, runs_of, settle
from tests.media import reader
from tests.media.clip import X264, Clip
from tests.media.sources import constant

CLIP = Clip(
    name="arriving",
    suffix=".mp4",
    timing=constant(25, 20),
    video=(*X264, "-g", "50", "-bf", "2", "-qp", "18"),
    filters="noise=alls=6:allf=t",
)
"""Twenty seconds of 320 × 180 in some MB, so that a part of them is a part of the pictures."""


class Tap:
    """Bytes that flow as far as a test lets them."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self._open = 0
        self._changed = asyncio.Condition()

    async def let(self, stop: int) -> None:
        """Let bytes up to `stop` flow."""
        async with self._changed:
            self._open = stop
            self._changed.notify_all()

    async def flow(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """Yield the bytes in small pieces."""
        end = len(self.body) if stop is None else stop
        while start < end:
            async with self._changed:
                while self._open <= start:
                    await self._changed.wait()
                piece = self.body[start : min(start + 65_536, self._open, end)]
            yield piece
            start += len(piece)


@pytest.fixture(scope="session")
def sources(clips, tmp_path_factory: pytest.TempPathFactory):
    """Return what makes the clip in another container, or with its table in front."""
    folder = tmp_path_factory.mktemp("arriving")

    async def make(name: str) -> bytes:
        file = folder / name
        if not file.exists():
            flags = ["-movflags", "+faststart"] if name == "head.mp4" else []
            flags = ["-movflags", "+frag_keyframe+empty_moov"] if name == "fragmented.mp4" else flags
            program = imageio_ffmpeg.get_ffmpeg_exe()
            argv = [program, "-v", "error", "-i", clips.make(CLIP), "-map", "0", "-c", "copy", *flags, file]
            process = await asyncio.create_subprocess_exec(*map(str, argv))
            assert await process.wait() == 0
        return file.read_bytes()

    return make


@pytest.fixture
async def site(data_dir: Path) -> AsyncIterator[Site]:
    async with running(data_dir) as opened:
        yield opened


@contextlib.asynccontextmanager
async def sending(site: Site, upload: str, body: AsyncIterator[bytes], offset: int = 0):
    """Send a body while the block runs."""
    task = asyncio.create_task(site.patch(upload, offset, body))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def playable(site: Site, asset: str) -> dict:
    """Wait until the asset can be watched, and some of it is there."""
    async with asyncio.timeout(60):
        while True:
            shown = await site.asset(asset)
            assert shown["state"] != "failed", shown["failure"]
            if shown["state"] == "playable" and shown["seekable"]:
                return shown
            await asyncio.sleep(0.02)


async def numbers(site: Site, asset: str, rendition: str) -> list[int | None]:
    """Return the numbers drawn in the pictures of a rendition."""
    paths = (await site.urls(asset))[rendition]
    init = await site.get(paths[0].rpartition("/")[0] + "/init.mp4")
    return [number for _, number in reader.read_numbers(init, [await site.get(path) for path in paths])]


async def verified(site: Site, asset: str) -> None:
    """Check the finished asset: every segment by its plan, every picture by its number."""
    await site.until(asset, "complete")
    assert await faults(site, site.data, asset) == []
    for rung in (await site.asset(asset))["rungs"]:
        if rung["kind"] == "video":
            assert await numbers(site, asset, rung["name"]) == list(range(500))
    shown = await site.asset(asset)
    assert (shown["received"], shown["seekable"]) == (shown["size"], shown["duration"])


def moov_of(body: bytes) -> int:
    """Return where the moov begins."""
    start = 0
    while body[start + 4 : start + 8] != b"moov":
        start += struct.unpack_from(">I", body, start)[0]
    return start


async def test_a_table_in_front_shows_everything_and_the_end_is_waited_for(site, sources):
    body = await sources("head.mp4")
    tap = Tap(body)
    upload, asset = await site.create(len(body))
    await tap.let(len(body) * 2 // 5)
    async with sending(site, upload, tap.flow()) as sent:
        shown = await playable(site, asset)
        assert shown["received"] < shown["size"] == len(body)
        assert 0 < shown["seekable"] < shown["duration"] == 20
        before = await site.manifests(asset)
        main = m3u8.loads(before["main.m3u8"].decode())
        assert all(m3u8.loads(before[one.uri].decode()).is_endlist for one in main.playlists)
        urls = await site.urls(asset)
        firsts = {name: await site.get(paths[0]) for name, paths in urls.items()}
        lasts = {name: asyncio.create_task(site.get(paths[-1])) for name, paths in urls.items()}
        gone = next(iter(urls.values()))[0].replace("/0.m4s", "/99.m4s")
        assert (await site.ask("GET", gone))[0] == 404
        # Everything whose bytes are there is made, and nothing else is begun: no slot waits for bytes.
        await settle(
            lambda: not any(making.packaging.running for making in site.server.works.makings.values())
        )
        assert not any(task.done() for task in lasts.values())
        assert runs_of(site.data, "144p", len(urls["144p"]) - 1) == 0
        await tap.let(len(body))
        assert await sent == 204
        ends = {name: await task for name, task in lasts.items()}
    await verified(site, asset)
    assert await site.urls(asset) == urls
    for name, paths in urls.items():
        assert await site.get(paths[0]) == firsts[name]
        assert await site.get(paths[-1]) == ends[name]


@pytest.mark.parametrize(
    "name", ["film.mkv", "film.ts", pytest.param("fragmented.mp4", marks=pytest.mark.soak)]
)
async def test_what_says_nothing_of_its_end_grows_and_ends_under_the_same_addresses(site, sources, name):
    body = await sources(name)
    tap = Tap(body)
    upload, asset = await site.create(len(body))
    await tap.let(len(body) // 2)
    async with sending(site, upload, tap.flow()) as sent:
        await playable(site, asset)
        before = await site.urls(asset)
        listed = m3u8.loads((await site.manifests(asset))["144p.m3u8"].decode())
        assert (listed.playlist_type, listed.is_endlist) == ("event", False)
        firsts = {name: await site.get(paths[0]) for name, paths in before.items()}
        beyond = before["144p"][0].replace("/0.m4s", f"/{len(before['144p'])}.m4s")
        assert (await site.ask("GET", beyond))[0] in {200, 404}
        await tap.let(len(body))
        assert await sent == 204
    await verified(site, asset)
    after = await site.urls(asset)
    listed = m3u8.loads((await site.manifests(asset))["144p.m3u8"].decode())
    assert listed.is_endlist
    for rendition, paths in before.items():
        assert after[rendition][: len(paths)] == paths
        assert await site.get(paths[0]) == firsts[rendition]


async def test_the_end_first_shows_everything_at_once(site, sources):
    body = await sources("tail.mp4")
    at = moov_of(body)
    assert body[4:8] == b"ftyp"
    tap = Tap(body)
    upload, asset = await site.create(len(body))
    marks = ",".join(
        f"{key} {base64.b64encode(value.encode()).decode()}"
        for key, value in (("asset", asset), ("offset", str(at)))
    )
    sent = {"Tus-Resumable": "1.0.0", "Upload-Length": str(len(body) - at)}
    status, headers, _ = await site.ask(
        "POST", TUS, headers={**sent, "Upload-Concat": "partial", "Upload-Metadata": marks}
    )
    assert status == 201
    assert await site.patch(headers["Location"], 0, body[at:]) == 204
    await tap.let(len(body) // 2)
    async with sending(site, upload, tap.flow(stop=at)) as head:
        shown = await playable(site, asset)
        assert len(body) - at < shown["received"] < len(body)
        urls = await site.urls(asset)
        assert shown["duration"] == 20
        first = await site.get(urls["144p"][0])
        late = asyncio.create_task(site.get(urls["144p"][-1]))
        await tap.let(len(body))
        assert await head == 204
        assert await late
    await verified(site, asset)
    assert await site.get(urls["144p"][0]) == first


async def test_an_upload_that_breaks_off_goes_on_and_a_server_too(data_dir, sources):
    body = await sources("head.mp4")
    half = len(body) // 2
    async with running(data_dir) as site:
        tap = Tap(body)
        upload, asset = await site.create(len(body))
        await tap.let(half)
        async with sending(site, upload, tap.flow()):
            await playable(site, asset)
            urls = await site.urls(asset)
            first = await site.get(urls["144p"][0])
        async with asyncio.timeout(20):
            while (await site.ask("HEAD", upload, headers={"Tus-Resumable": "1.0.0"}))[0] != 200:
                await asyncio.sleep(0.05)
    async with running(data_dir) as site:
        shown = await playable(site, asset)
        assert 0 < shown["seekable"] < 20
        assert await site.urls(asset) == urls
        assert await site.get(urls["144p"][0]) == first
        late = asyncio.create_task(site.get(urls["144p"][-1]))
        _, headers, _ = await site.ask("HEAD", upload, headers={"Tus-Resumable": "1.0.0"})
        offset = int(headers["Upload-Offset"])
        assert 0 < offset <= half
        assert await site.patch(upload, offset, io.BytesIO(body[offset:])) == 204
        assert await late
        await verified(site, asset)
        assert await site.urls(asset) == urls


async def test_deleted_in_the_middle_nothing_waits_and_nothing_is_left(site, sources):
    body = await sources("head.mp4")
    tap = Tap(body)
    upload, asset = await site.create(len(body))
    await tap.let(len(body) // 2)
    async with sending(site, upload, tap.flow()):
        await playable(site, asset)
        last = (await site.urls(asset))["144p"][-1]
        waiting = asyncio.create_task(site.ask("GET", last))
        await asyncio.sleep(0)
        assert (await site.ask("DELETE", f"{API}/{asset}"))[0] == 204
        async with asyncio.timeout(20):
            assert (await waiting)[0] == 404
    await settle(lambda: not orphans(site.data, asset))


async def test_what_is_not_what_its_beginning_said_is_made_anew(site, sources):
    """A keyframe that turns out to be none is only seen when its bytes are there."""
    body = bytearray(await sources("head.mp4"))
    tap = Tap(bytes(body))
    upload, asset = await site.create(len(body))
    await tap.let(len(body) // 2)
    async with sending(site, upload, tap.flow()) as sent:
        await playable(site, asset)
        before = await site.urls(asset)
        place = _last_idr(body)
        body[place] = body[place] & 0xE0 | 1  # nal_unit_type 1: a slice of no IDR picture
        tap.body = bytes(body)
        await tap.let(len(body))
        assert await sent == 204
    await site.until(asset, "complete")
    after = await site.urls(asset)
    assert after != before
    assert await faults(site, site.data, asset) == []


def _last_idr(body: bytes | bytearray) -> int:
    """Return the place of the header byte of the last IDR slice, of length-prefixed NAL units."""
    return max(place for place in range(len(body) * 3 // 4, len(body) - 5) if _is_idr(body, place))


def _is_idr(body: bytes | bytearray, place: int) -> bool:
    length = struct.unpack_from(">I", body, place - 4)[0]
    return body[place] == 0x65 and 2000 < length < len(body) - place and body[place + 1] & 0x80 != 0
