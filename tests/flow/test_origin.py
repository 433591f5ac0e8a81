"""The origin over real sockets: every kind of object by every kind of request, and bad company."""

import asyncio
import contextlib
import gzip
import json
import os
import re
import resource
import socket
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web

from cdn.policy import POLICIES, Kind, classify
from packager.errors import SegmentMismatch
from packager.store import DiskStore, MemoryStore, content_etag
from streamer.origin import Origin, OutsidePlan, Rendered

ASSET = "abc123def456"
LARGE = bytes(range(256)) * 4096 * 3  # 3 MiB
OBJECTS = {
    "g1/v720/0.m4s": LARGE,
    "g1/v720/1.m4s": b"small segment" * 100,
    "g1/v720/2.0.m4s": b"part" * 200,
    "g1/v720/init.mp4": b"init" * 150,
    "g1/t-en/0.vtt": "WEBVTT\n\n00:00.000 --> 00:01.000\nÄ\n".encode(),
    "g1/poster.jpg": b"\xff\xd8poster" * 30_000,
    "g1/storyboard.vtt": b"WEBVTT\n",
    "g1/storyboard/0.jpg": b"\xff\xd8sprite" * 40,
}
MANIFESTS = {
    "main.m3u8": b"#EXTM3U\n#EXT-X-VERSION:7\n" + b"# variant\n" * 100,
    "v720.m3u8": b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n" + b"#EXTINF:4.0,\ng1/v720/1.m4s\n" * 6000,
    "main.mpd": b"<?xml version='1.0'?><MPD>" + b"<S d='4'/>" * 300 + b"</MPD>",
}


class Shelves:
    """Manifests from a table; segments of rendition `jit` are made on demand, of `bad` never, else none."""

    def __init__(self, store) -> None:
        self.store = store
        self.complete = True
        self.manifests = dict(MANIFESTS)
        self.wanted = []
        self.copies = {}
        self.gate = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def manifest(self, asset_id, key):
        if asset_id != ASSET or key not in self.manifests:
            return None
        body = self.manifests[key]
        return Rendered(body=body, etag=content_etag(body), version=1, complete=self.complete)

    async def copied(self, asset_id, key):
        return self.copies.get(key)

    async def want(self, asset_id, key):
        self.wanted.append(key)
        if "/bad/" in key:
            raise SegmentMismatch("The encoder made 95 of 96 frames.")
        if "/jit/" not in key:
            raise OutsidePlan(key)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        await self.store.put(f"{asset_id}/{key}", b"made on demand" * 10_000)


@dataclass
class Site:
    port: int
    origin: Origin
    shelf: Shelves
    store: object
    runner: web.AppRunner


@contextlib.asynccontextmanager
async def serving(store, **options):
    for key, body in OBJECTS.items():
        await store.put(f"{ASSET}/{key}", body)
    shelf = Shelves(store)
    origin = Origin(store, shelf, **options)
    app = web.Application()
    app.add_routes(origin.routes())
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listener).start()
    try:
        yield Site(listener.getsockname()[1], origin, shelf, store, runner)
    finally:
        await runner.cleanup()
        await origin.close()


@pytest.fixture(params=["disk", "memory"])
async def site(request, tmp_path):
    async with serving(DiskStore(tmp_path) if request.param == "disk" else MemoryStore()) as site:
        yield site


@pytest.fixture
async def disk(tmp_path):
    async with serving(DiskStore(tmp_path)) as site:
        yield site


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes


async def read_answer(reader, method="GET") -> Answer:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {}
    for line in lines[1:-2]:
        name, _, value = line.partition(": ")
        assert name.lower() not in headers, f"{name} twice"
        headers[name.lower()] = value
    length = 0 if method == "HEAD" else int(headers.get("content-length", 0))
    return Answer(int(lines[0].split(" ")[1]), headers, await reader.readexactly(length))


def request_of(path, method="GET", version="1.1", **headers) -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "Host: localhost"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def ask(site, path, method="GET", **headers) -> Answer:
    """Ask once, and once more on the same connection: what was sent fits its length."""
    path = path if path.startswith("/") else f"/v/{ASSET}/{path}"
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    try:
        writer.write(request_of(path, method, **headers))
        answer = await read_answer(reader, method)
        writer.write(request_of(f"/v/{ASSET}/g1/v720/init.mp4"))
        assert (await read_answer(reader)).body == OBJECTS["g1/v720/init.mp4"]
    finally:
        writer.close()
        await writer.wait_closed()
    return answer


def check_open(answer) -> None:
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["timing-allow-origin"] == "*"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", answer.headers["date"])


# Every kind of object × every kind of request.

REQUESTS = {
    "get": ("GET", {}, 200, slice(None)),
    "head": ("HEAD", {}, 200, None),
    "head with a range": ("HEAD", {"Range": "bytes=0-1"}, 200, None),
    "options": ("OPTIONS", {}, 204, None),
    "if-none-match": ("GET", {"If-None-Match": "{etag}"}, 304, None),
    "if-none-match, listed and weak": ("GET", {"If-None-Match": '"x", W/{etag}'}, 304, None),
    "if-none-match any": ("GET", {"If-None-Match": "*"}, 304, None),
    "if-none-match, head": ("HEAD", {"If-None-Match": "{etag}"}, 304, None),
    "if-none-match, other": ("GET", {"If-None-Match": '"other"'}, 200, slice(None)),
    "if-none-match before range": ("GET", {"If-None-Match": "{etag}", "Range": "bytes=0-1"}, 304, None),
    "if-match": ("GET", {"If-Match": "{etag}"}, 200, slice(None)),
    "if-match any": ("GET", {"If-Match": "*"}, 200, slice(None)),
    "if-match, other": ("GET", {"If-Match": '"other"'}, 412, None),
    "if-match, weak": ("GET", {"If-Match": "W/{etag}"}, 412, None),
    "if-range match": ("GET", {"Range": "bytes=2-5", "If-Range": "{etag}"}, 206, slice(2, 6)),
    "if-range mismatch": ("GET", {"Range": "bytes=2-5", "If-Range": '"other"'}, 200, slice(None)),
    "if-range weak": ("GET", {"Range": "bytes=2-5", "If-Range": "W/{etag}"}, 200, slice(None)),
    "if-range date": (
        "GET",
        {"Range": "bytes=2-5", "If-Range": "Mon, 23 Nov 2026 12:00:00 GMT"},
        200,
        slice(None),
    ),
    "if-range alone": ("GET", {"If-Range": '"other"'}, 200, slice(None)),
    "first bytes": ("GET", {"Range": "bytes=0-0"}, 206, slice(0, 1)),
    "open range": ("GET", {"Range": "bytes=3-"}, 206, slice(3, None)),
    "beyond the end": ("GET", {"Range": "bytes=1-99999999999999999999999"}, 206, slice(1, None)),
    "suffix range": ("GET", {"Range": "bytes=-4"}, 206, slice(-4, None)),
    "suffix over the whole": ("GET", {"Range": "bytes=-99999999"}, 206, slice(None)),
    "other case": ("GET", {"Range": "Bytes=1-2"}, 206, slice(1, 3)),
    "unsatisfiable": ("GET", {"Range": "bytes=99999999-"}, 416, None),
    "empty suffix": ("GET", {"Range": "bytes=-0"}, 416, None),
    "multi-range": ("GET", {"Range": "bytes=0-1,4-5"}, 200, slice(None)),
    "backward range": ("GET", {"Range": "bytes=5-2"}, 200, slice(None)),
    "nonsense range": ("GET", {"Range": "bytes=a-b"}, 200, slice(None)),
    "unknown unit": ("GET", {"Range": "seconds=0-1"}, 200, slice(None)),
}
WHOLE = {**OBJECTS, **MANIFESTS}


@pytest.mark.parametrize("how", REQUESTS)
async def test_table(site, how):
    for key in WHOLE:
        await check_row(site, key, how)


async def check_row(site, key, how) -> None:
    method, headers, status, span = REQUESTS[how]
    body = WHOLE[key]
    etag = f'"{content_etag(body)}"'
    headers = {name: value.replace("{etag}", etag) for name, value in headers.items()}
    answer = await ask(site, key, method, **headers)
    assert (key, answer.status) == (key, status)
    check_open(answer)
    assert span is None or answer.body == body[span], key
    row = POLICIES[classify(key)]
    told = answer.headers
    if status in {200, 206, 304}:
        assert (told["etag"], told["cache-control"]) == (etag, row.cache), key
        assert told.get("vary") == ("Accept-Encoding" if key in MANIFESTS else None), key
    if status in {200, 206}:
        assert (told["content-type"], told["accept-ranges"]) == (row.media_type, "bytes"), key
        assert int(told["content-length"]) == len(body if span is None else body[span]), key
    extent = f"bytes */{len(body)}" if status == 416 else None
    if status == 206:
        start, stop, _ = span.indices(len(body))
        extent = f"bytes {start}-{stop - 1}/{len(body)}"
    assert told.get("content-range") == extent, key
    if status in {204, 304}:
        assert "content-length" not in told
    if status >= 400:
        assert told["cache-control"] == "no-store"
        assert json.loads(answer.body)["status"] == status


async def test_preflight(site):
    answer = await ask(site, "main.m3u8", "OPTIONS", Origin="https://a.example")
    assert answer.headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS"
    assert "Range" in answer.headers["access-control-allow-headers"]
    assert answer.headers["access-control-max-age"] == "86400"
    assert "vary" not in answer.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "PROPFIND"])
async def test_only_reading(site, method):
    answer = await ask(site, "main.m3u8", method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path",
    [
        f"/v/{ASSET}/nothing.m3u8",
        f"/v/{ASSET}/g1/v720/99.m4s",
        f"/v/{ASSET}/g1/v720/99.bin",
        f"/v/{ASSET}/",
        "/v/other/main.m3u8",
        "/v/other/g1/v720/0.m4s",
        f"/v/{ASSET}/g1/v720/../v720/0.m4s",
        f"/v/{ASSET}/g1/./v720/0.m4s",
        f"/v/{ASSET}/g1//v720/0.m4s",
        f"/v/{ASSET}//g1/v720/0.m4s",
        f"/v/{ASSET}/../{ASSET}/g1/v720/0.m4s",
        f"/v/{ASSET}/../../../../etc/passwd",
        f"/v/{ASSET}/..%2f..%2fetc%2fpasswd",
        f"/v/{ASSET}/%2e%2e/%2e%2e/etc/passwd",
        f"/v/{ASSET}/g1%2fv720%2f0.m4s",
        f"/v/{ASSET}/g1%5cv720%5c0.m4s",
        f"/v/{ASSET}/g1/v720/0.m4s%00",
        f"/v/{ASSET}/g1/v720/%30.m4s",
        f"/v/{ASSET}\\g1\\v720\\0.m4s",
        f"/v/{ASSET}/g1/v720/0.m4s/",
        f"/v/{ASSET}/g1/v720/0.m4s;x",
        f"/v/{ASSET}/.tmp/v720/0.m4s",
        f"/v/{ASSET.upper()}/main.m3u8",
        "/v/../v/main.m3u8",
        f"/v/{ASSET}%2fmain.m3u8",
        f"/v/{'a' * 65}/main.m3u8",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_what_is_not_there(site, path, method):
    answer = await ask(site, path, method)
    assert answer.status == 404
    if re.match(r"/v/[^/.]+/", path):  # else it is not the origin who answers
        check_open(answer)
        assert answer.headers["cache-control"] == POLICIES[Kind.ABSENT].cache
    if method == "GET" and answer.headers["content-type"] == "application/problem+json":
        assert set(json.loads(answer.body)) >= {"type", "title", "status"}


@pytest.mark.parametrize("path", ["/v/%zz/main.m3u8", f"/v/{ASSET}/\0.m4s", f"/v/{ASSET}/a b.m4s"])
async def test_what_is_no_request(site, path):
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(request_of(path))
    assert (await read_answer(reader)).status in {400, 404}
    writer.close()
    await writer.wait_closed()


async def test_a_query_changes_nothing(site):
    answer = await ask(site, "g1/v720/1.m4s?t=5&x=../..")
    assert answer.body == OBJECTS["g1/v720/1.m4s"]


# Manifests


@pytest.mark.parametrize("key", MANIFESTS)
@pytest.mark.parametrize(
    ("accepts", "coded"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000, *", False),
        ("identity, *;q=0", False),
        ("br", False),
        ("", False),
    ],
)
async def test_gzip(site, key, accepts, coded):
    answer = await ask(site, key, Accept_Encoding=accepts)
    etag = f'"{content_etag(MANIFESTS[key])}{"-gz" if coded else ""}"'
    assert answer.headers.get("content-encoding") == ("gzip" if coded else None)
    assert (answer.headers["vary"], answer.headers["etag"]) == ("Accept-Encoding", etag)
    assert (gzip.decompress(answer.body) if coded else answer.body) == MANIFESTS[key]
    again = await ask(site, key, Accept_Encoding=accepts, If_None_Match=etag)
    assert (again.status, again.headers["vary"]) == (304, "Accept-Encoding")


async def test_media_is_never_coded(site):
    answer = await ask(site, "g1/t-en/0.vtt", Accept_Encoding="gzip")
    assert "content-encoding" not in answer.headers
    assert answer.headers["content-type"] == "text/vtt; charset=utf-8"


async def test_a_growing_manifest(site):
    site.shelf.complete = False
    first = await ask(site, "v720.m3u8")
    assert first.headers["cache-control"] == POLICIES[Kind.GROWING_PLAYLIST].cache
    site.shelf.manifests["v720.m3u8"] += b"#EXTINF:4.0,\ng1/v720/2.m4s\n"
    second = await ask(site, "v720.m3u8", If_None_Match=first.headers["etag"], Accept_Encoding="gzip")
    assert (second.status, gzip.decompress(second.body)) == (200, site.shelf.manifests["v720.m3u8"])
    site.shelf.complete = True
    last = await ask(site, "v720.m3u8")
    assert last.headers["cache-control"] == POLICIES[Kind.PLAYLIST].cache


# Segments still to be made


async def test_a_missing_segment_is_waited_for(site):
    asked = [asyncio.create_task(ask(site, "g1/jit/0.m4s")) for _ in range(3)]
    await until(lambda: len(site.shelf.wanted) == 3)
    assert not any(task.done() for task in asked)
    site.shelf.gate.set()
    for answer in await asyncio.gather(*asked):
        assert (answer.status, answer.body) == (200, b"made on demand" * 10_000)
        assert answer.headers["cache-control"] == POLICIES[Kind.SEGMENT].cache


async def test_a_range_of_a_missing_segment(site):
    site.shelf.gate.set()
    answer = await ask(site, "g1/jit/0.m4s", Range="bytes=5-6")
    assert (answer.status, answer.body) == (206, b"on")


async def test_head_starts_nothing(site):
    assert (await ask(site, "g1/jit/0.m4s", "HEAD")).status == 404
    assert site.shelf.wanted == []


async def test_outside_the_plan(site):
    assert (await ask(site, "g1/v720/99.m4s")).status == 404
    assert site.shelf.wanted == ["g1/v720/99.m4s"]


async def test_failed_for_good(site):
    answer = await ask(site, "g1/bad/0.m4s")
    assert (answer.status, answer.headers["cache-control"]) == (502, "no-store")
    check_open(answer)
    assert "95 of 96" in json.loads(answer.body)["detail"]


async def test_a_viewer_who_leaves_wants_no_more(site):
    _, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(request_of(f"/v/{ASSET}/g1/jit/0.m4s"))
    await until(lambda: site.shelf.wanted)
    writer.transport.abort()
    await asyncio.wait_for(site.shelf.cancelled.wait(), 10)


async def test_forgetting_a_deleted_asset(site):
    key = "g1/v720/0.m4s"
    assert (await ask(site, key)).status == 200
    await site.store.delete(f"{ASSET}/g1/v720/0.m4s")
    site.origin.forget(ASSET)
    assert (await ask(site, key)).status == 404


async def test_a_deletion_elsewhere_is_noticed(tmp_path):
    async with serving(DiskStore(tmp_path), recheck=0) as site:
        assert (await ask(site, "g1/v720/0.m4s")).status == 200
        await site.store.delete(f"{ASSET}/g1/v720/0.m4s")
        assert (await ask(site, "g1/v720/0.m4s")).status == 404


# Connections


async def until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_pipelining(site):
    paths = ["g1/v720/0.m4s", "main.m3u8", "g1/v720/nothing.m4s", "g1/v720/1.m4s", "g1/v720/0.m4s"]
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(b"".join(request_of(f"/v/{ASSET}/{path}") for path in paths))
    for path in paths:
        answer = await read_answer(reader)
        assert answer.body == WHOLE.get(path, answer.body)
        assert answer.status == (200 if path in WHOLE else 404)
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    ("version", "asked", "told"),
    [
        ("1.1", {}, None),
        ("1.1", {"Connection": "close"}, "close"),
        ("1.0", {}, "close"),
        ("1.0", {"Connection": "keep-alive"}, "keep-alive"),
    ],
)
@pytest.mark.parametrize("key", ["g1/v720/0.m4s", "g1/v720/1.m4s", "main.mpd"])
async def test_keep_alive(site, key, version, asked, told):
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(request_of(f"/v/{ASSET}/{key}", version=version, **asked))
    answer = await read_answer(reader)
    assert answer.body == WHOLE[key]
    assert answer.headers.get("connection") == told
    if told == "close":
        assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def test_absolute_form(site):
    answer = await ask(site, "/v/x/main.m3u8")
    assert answer.status == 404
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(request_of(f"http://localhost/v/{ASSET}/main.mpd"))
    assert (await read_answer(reader)).body == MANIFESTS["main.mpd"]
    writer.close()
    await writer.wait_closed()


async def test_a_slow_reader_gets_it_all(site):
    """A small receive buffer and pauses: the reply goes out in many pieces."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    loop = asyncio.get_running_loop()
    with raw:
        await loop.sock_connect(raw, ("127.0.0.1", site.port))
        await loop.sock_sendall(raw, request_of(f"/v/{ASSET}/g1/v720/0.m4s", Connection="close"))
        got = bytearray()
        while piece := await loop.sock_recv(raw, 65_536):
            got += piece
            await asyncio.sleep(0)
    assert got.partition(b"\r\n\r\n")[2] == LARGE


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def leave(site, key) -> None:
    """Take the beginning of an answer and reset the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port, limit=4096)
    writer.write(request_of(f"/v/{ASSET}/{key}"))
    await reader.readexactly(1000)
    writer.transport.abort()


async def test_leaving_in_the_middle_leaks_nothing(tmp_path):
    body = os.urandom(1 << 20) * 12
    async with serving(DiskStore(tmp_path)) as site:
        await site.store.put(f"{ASSET}/g1/v720/7.m4s", body)
        await ask(site, "g1/v720/7.m4s")
        await until(lambda: not site.runner.server.connections)
        before = descriptors()
        await asyncio.gather(*(leave(site, "g1/v720/7.m4s") for _ in range(40)))
        await until(lambda: not site.runner.server.connections)
        assert descriptors() == before
        assert (await ask(site, "g1/v720/7.m4s")).body == body
        site.origin.forget(ASSET)
        await until(lambda: descriptors() < before)


async def test_open_files_are_bounded_and_never_closed_in_use(tmp_path):
    async with serving(DiskStore(tmp_path), files=2) as site:
        bodies = {f"g1/v720/{n}.m4s": bytes([n]) * 3_000_000 for n in range(10, 22)}
        for key, body in bodies.items():
            await site.store.put(f"{ASSET}/{key}", body)
        before = descriptors()
        answers = await asyncio.gather(*(ask(site, key) for key in list(bodies) * 3))
        assert [answer.body for answer in answers] == list(bodies.values()) * 3
        await until(lambda: descriptors() <= before + 2)


async def test_a_shortened_file_resets_the_connection(disk, tmp_path):
    assert (await ask(disk, "g1/poster.jpg")).status == 200
    path = await disk.store.path(f"{ASSET}/g1/poster.jpg")
    os.truncate(path, 100_000)
    reader, writer = await asyncio.open_connection("127.0.0.1", disk.port)
    writer.write(request_of(f"/v/{ASSET}/g1/poster.jpg"))
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await read_answer(reader)
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def count(site, key) -> int:
    """Read an answer without keeping it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(request_of(f"/v/{ASSET}/{key}", Connection="close"))
    await reader.readuntil(b"\r\n\r\n")
    total = 0
    while piece := await reader.read(1 << 16):
        total += len(piece)
    writer.close()
    await writer.wait_closed()
    return total


async def test_sixty_four_readers_cost_no_memory(disk):
    body = bytes(6 << 20)
    await disk.store.put(f"{ASSET}/g1/v720/8.m4s", body)
    await asyncio.gather(*(count(disk, "g1/v720/8.m4s") for _ in range(64)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counted = await asyncio.gather(*(count(disk, "g1/v720/8.m4s") for _ in range(64)))
    assert counted == [len(body)] * 64
    # The readers live in this process too, so the first round has paid for their buffers.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 * 1024
