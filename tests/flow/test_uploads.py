"""Uploads over a real server: what tus 1.0 asks for, and what happens when things go wrong in the middle."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import json
import random
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from tusclient.client import TusClient

from streamer.uploads.flow import Pace
from streamer.uploads.intake import UploadSettings
from tests.flow.upload_site import Site, open_site

MIB = 1 << 20
BODY = "application/offset+octet-stream"
Opened = Callable[..., Awaitable[Site]]


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Opened]:
    sites: list[Site] = []

    async def start(**options) -> Site:
        sites.append(await open_site(options.pop("root", tmp_path / "inbox"), **options))
        return sites[-1]

    yield start
    for site in sites:
        await site.runner.cleanup()


class Client:
    """A tus client that sends exactly what a test says."""

    def __init__(self, session: aiohttp.ClientSession, site: Site) -> None:
        self._session = session
        self.base = f"http://127.0.0.1:{site.port}"
        self.uploads = f"{self.base}/api/v1/uploads"

    async def ask(self, method: str, url: str, *, data=None, tus: bool = True, **headers: str):
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if tus:
            sent.setdefault("Tus-Resumable", "1.0.0")
        url = url if url.startswith("http") else self.base + url
        data = io.BytesIO(data) if isinstance(data, bytes) else data
        async with self._session.request(method, url, data=data, headers=sent) as response:
            await response.read()
            return response

    async def create(self, length: int | None = None, **headers: str) -> str:
        if length is not None:
            headers["Upload_Length"] = str(length)
        response = await self.ask("POST", self.uploads, **headers)
        assert response.status == 201, await response.text()
        return response.headers["Location"]

    async def patch(self, url: str, offset: int, data=b"", **headers: str):
        headers.setdefault("Content_Type", BODY)
        return await self.ask("PATCH", url, data=data, Upload_Offset=str(offset), **headers)

    async def offset(self, url: str) -> int:
        response = await self.ask("HEAD", url)
        assert response.status == 200
        return int(response.headers["Upload-Offset"])


@contextlib.asynccontextmanager
async def client_of(site: Site) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession(skip_auto_headers=["Content-Type"]) as session:
        yield Client(session, site)


def kept(site: Site, url: str) -> bytes:
    return site.inbox.path(url.rpartition("/")[2]).read_bytes()


async def until(condition: Callable[[], Awaitable[bool] | bool]) -> None:
    async with asyncio.timeout(20):
        while True:
            found = condition()
            if await found if isinstance(found, Awaitable) else found:
                return
            await asyncio.sleep(0.01)


async def raw(site: Site, url: str, offset: int, announced: int):
    """Open a PATCH over a bare socket, and return its streams with the head sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(
        f"PATCH {url} HTTP/1.1\r\nHost: h\r\nTus-Resumable: 1.0.0\r\nContent-Type: {BODY}\r\n"
        f"Upload-Offset: {offset}\r\nContent-Length: {announced}\r\n\r\n".encode()
    )
    return reader, writer


# ---- the protocol


async def test_an_upload_from_creation_to_its_asset(opened):
    site, body = await opened(), noise(3 * MIB)
    async with client_of(site) as client:
        name = b64encode(b"Ein Film.mp4").decode()
        created = await client.ask(
            "POST", client.uploads, Upload_Length=str(len(body)), Upload_Metadata=f"filename {name}"
        )
        assert created.status == 201
        asset = created.headers["Streamer-Asset"]
        assert site.shelf.assets[asset] == {
            "id": asset,
            "title": "Ein Film",
            "size": len(body),
            "state": "uploading",
        }
        assert created.headers["Upload-Expires"].endswith("GMT")
        url = created.headers["Location"]
        half = await client.patch(url, 0, body[:MIB])
        assert (half.status, half.headers["Upload-Offset"]) == (204, str(MIB))
        head = await client.ask("HEAD", url)
        assert head.headers["Cache-Control"] == "no-store"
        assert head.headers["Upload-Offset"] == str(MIB)
        assert head.headers["Upload-Length"] == str(len(body))
        assert head.headers["Upload-Metadata"] == f"filename {name}"
        assert head.headers["Streamer-Asset"] == asset
        assert head.headers["Tus-Resumable"] == "1.0.0"
        assert site.shelf.assets[asset]["state"] == "uploading"
        assert (await client.patch(url, MIB, body[MIB:])).status == 204
        assert site.shelf.assets[asset]["state"] == "probing"
        assert Path(site.shelf.assets[asset]["path"]).read_bytes() == body
        done = await client.ask("HEAD", url)
        assert done.headers["Upload-Offset"] == done.headers["Upload-Length"]
        assert "Upload-Expires" not in done.headers


async def test_options_tell_what_is_there_and_open_the_door_to_other_sites(opened):
    site = await opened(settings=UploadSettings(max_size=12345))
    async with client_of(site) as client:
        answer = await client.ask("OPTIONS", client.uploads, tus=False)
        assert answer.status == 204
        assert answer.headers["Tus-Version"] == "1.0.0"
        assert answer.headers["Tus-Max-Size"] == "12345"
        assert answer.headers["Tus-Checksum-Algorithm"] == "sha1,sha256"
        assert set(answer.headers["Tus-Extension"].split(",")) == {
            "creation",
            "creation-with-upload",
            "creation-defer-length",
            "termination",
            "checksum",
            "expiration",
            "concatenation",
        }
        exposed = answer.headers["Access-Control-Expose-Headers"]
        assert {"Location", "Upload-Offset", "Streamer-Asset", "Tus-Resumable"} <= set(exposed.split(", "))
        flight = await client.ask(
            "OPTIONS", f"{client.uploads}/{'0' * 32}", tus=False, Access_Control_Request_Method="PATCH"
        )
        assert "PATCH" in flight.headers["Access-Control-Allow-Methods"]
        assert "Upload-Offset" in flight.headers["Access-Control-Allow-Headers"]


async def test_refusals_have_their_status_and_tell_why(opened):
    site = await opened(settings=UploadSettings(max_size=1000))
    async with client_of(site) as client:
        url = await client.create(100)
        assert (await client.patch(url, 0, b"x" * 10)).status == 204
        cases = [
            (409, client.patch(url, 5, b"x")),
            (409, client.patch(url, 11, b"x")),
            (415, client.patch(url, 10, b"x", Content_Type="text/plain")),
            (415, client.patch(url, 10, b"x", Content_Encoding="gzip")),
            (413, client.patch(url, 10, b"x" * 91)),
            (400, client.patch(url, 10, b"x", Upload_Length="99")),
            (400, client.patch(url, 10, b"x", Upload_Checksum="md5 YQ==")),
            (400, client.ask("PATCH", url, data=b"x", Content_Type=BODY)),
            (412, client.ask("PATCH", url, data=b"x", tus=False)),
            (412, client.ask("HEAD", url, Tus_Resumable="0.2.2")),
            (404, client.ask("HEAD", f"{client.uploads}/{'0' * 32}")),
            (404, client.ask("HEAD", f"{client.uploads}/..%2f..%2fetc%2fpasswd")),
            (405, client.ask("POST", url)),
            (400, client.ask("POST", client.uploads)),
            (400, client.ask("POST", client.uploads, Upload_Length="-1")),
            (400, client.ask("POST", client.uploads, Upload_Length="1", Upload_Defer_Length="1")),
            (400, client.ask("POST", client.uploads, Upload_Defer_Length="2")),
            (400, client.ask("POST", client.uploads, Upload_Length="1", Upload_Metadata="a !")),
            (413, client.ask("POST", client.uploads, Upload_Length="1001")),
            (413, client.ask("POST", client.uploads, Upload_Length=str(1 << 63))),
            (415, client.ask("POST", client.uploads, data=b"x", Upload_Length="1", Content_Type="a/b")),
        ]
        for status, asked in cases:
            answer = await asked
            assert answer.status == status, answer.request_info
            if answer.method != "HEAD":
                assert answer.content_type == "application/problem+json"
                assert json.loads(await answer.text())["status"] == status
            if status == 412:
                assert answer.headers["Tus-Version"] == "1.0.0"
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert await client.offset(url) == 10
        assert len(site.shelf.assets) == 1


async def test_an_empty_metadata_header_and_an_empty_upload(opened):
    site = await opened()
    async with client_of(site) as client:
        created = await client.ask("POST", client.uploads, Upload_Length="0", Upload_Metadata="")
        assert created.status == 201
        assert site.shelf.assets[created.headers["Streamer-Asset"]]["state"] == "probing"


async def test_creation_with_upload_and_method_override(opened):
    site, body = await opened(), noise(1000)
    async with client_of(site) as client:
        created = await client.ask(
            "POST", client.uploads, data=body[:400], Upload_Length="1000", Content_Type=BODY
        )
        assert (created.status, created.headers["Upload-Offset"]) == (201, "400")
        url = created.headers["Location"]
        sent = {"Content_Type": BODY, "X_HTTP_Method_Override": "PATCH", "Upload_Offset": "400"}
        assert (await client.ask("POST", url, data=body[400:], **sent)).status == 204
        assert kept(site, url) == body


async def test_a_deferred_length_is_settled_later(opened):
    site, body = await opened(), noise(1000)
    async with client_of(site) as client:
        url = await client.create(Upload_Defer_Length="1")
        assert (await client.patch(url, 0, body[:600])).status == 204
        head = await client.ask("HEAD", url)
        assert head.headers["Upload-Defer-Length"] == "1"
        assert "Upload-Length" not in head.headers
        assert (await client.patch(url, 600, b"", Upload_Length="599")).status == 400
        assert (await client.patch(url, 600, body[600:], Upload_Length="1000")).status == 204
        assert [asset["state"] for asset in site.shelf.assets.values()] == ["probing"]
        assert kept(site, url) == body
        # A length that comes when all the bytes are there ends the upload too.
        other = await client.create(Upload_Defer_Length="1")
        await client.patch(other, 0, body)
        assert (await client.patch(other, 1000, b"", Upload_Length="1000")).status == 204
        assert [asset["state"] for asset in site.shelf.assets.values()] == ["probing", "probing"]


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
async def test_a_chunk_with_a_wrong_checksum_is_not_kept(opened, algorithm):
    site, body = await opened(), noise(5 * MIB)
    good = b64encode(hashlib.new(algorithm, body).digest()).decode()
    bad = b64encode(hashlib.new(algorithm, b"other").digest()).decode()
    async with client_of(site) as client:
        url = await client.create(2 * len(body))
        assert (await client.patch(url, 0, body, Upload_Checksum=f"{algorithm} {good}")).status == 204
        wrong = await client.patch(url, len(body), body, Upload_Checksum=f"{algorithm} {bad}")
        assert (wrong.status, wrong.headers["Upload-Offset"]) == (460, str(len(body)))
        assert await client.offset(url) == len(body)
        assert await site.inbox.size(url.rpartition("/")[2]) == len(body)
        assert (await client.patch(url, len(body), body, Upload_Checksum=f"{algorithm} {good}")).status == 204
        assert kept(site, url) == body + body


async def test_termination_removes_upload_and_asset_until_it_is_complete(opened):
    site = await opened()
    async with client_of(site) as client:
        url = await client.create(100)
        await client.patch(url, 0, b"x" * 50)
        assert (await client.ask("DELETE", url)).status == 204
        assert (await client.ask("HEAD", url)).status == 404
        assert site.shelf.assets == {}
        assert list((site.inbox.path("0" * 32)).parent.iterdir()) == []
        whole = await client.create(1)
        await client.patch(whole, 0, b"x")
        assert (await client.ask("DELETE", whole)).status == 403
        assert kept(site, whole) == b"x"


async def test_an_upload_left_alone_expires(opened):
    now = [1_000_000]
    site = await opened(clock=lambda: now[0], settings=UploadSettings(expiry_seconds=60))
    async with client_of(site) as client:
        url, whole = await client.create(100), await client.create(1)
        await client.patch(whole, 0, b"x")
        now[0] += 50_000
        await client.patch(url, 0, b"x" * 10)  # each byte renews it
        now[0] += 50_000
        await site.reception.sweep_once()
        assert await client.offset(url) == 10
        now[0] += 60_000
        assert (await client.ask("HEAD", url)).status == 410
        assert (await client.patch(url, 10, b"x")).status == 410
        await site.reception.sweep_once()
        assert not site.inbox.path(url.rpartition("/")[2]).exists()
        assert (await client.ask("HEAD", url)).status == 410
        now[0] += 60_000
        await site.reception.sweep_once()
        assert (await client.ask("HEAD", url)).status == 404
        assert kept(site, whole) == b"x"
        assert len(site.shelf.assets) == 1


async def test_partial_uploads_are_joined(opened):
    site, body = await opened(), noise(3 * MIB + 7)
    cuts = [body[:MIB], body[MIB : MIB + 1], body[MIB + 1 :]]
    async with client_of(site) as client:
        urls = [await client.create(len(cut), Upload_Concat="partial") for cut in cuts]
        assert site.shelf.assets == {}
        joined = {"Upload_Concat": "final;" + " ".join(urls)}
        assert (await client.ask("POST", client.uploads, **joined)).status == 400
        for url, cut in zip(urls, cuts, strict=True):
            assert (await client.patch(url, 0, cut)).status == 204
            assert (await client.ask("HEAD", url)).headers["Upload-Concat"] == "partial"
        final = await client.create(**joined)
        assert kept(site, final) == body
        assert [asset["state"] for asset in site.shelf.assets.values()] == ["probing"]
        head = await client.ask("HEAD", final)
        assert head.headers["Upload-Length"] == head.headers["Upload-Offset"] == str(len(body))
        assert head.headers["Upload-Concat"].startswith("final;/api/v1/uploads/")
        assert (await client.patch(final, len(body), b"")).status == 403
        # The answer may have been lost: asking again gives the same upload, though its parts are gone.
        assert await client.create(**joined) == final
        assert (await client.ask("HEAD", urls[0])).status == 404


# ---- what goes wrong in the middle


async def test_a_stale_patch_that_still_drains_does_not_write_any_more(opened):
    site, body = await opened(), noise(24 * MIB)
    async with client_of(site) as client:
        url = await client.create(len(body))
        _, stale = await raw(site, url, 0, len(body))
        stale.write(body[: 9 * MIB])
        await until(lambda: site.inbox.path(url.rpartition("/")[2]).stat().st_size > 2 * MIB)
        offset = await client.offset(url)
        assert offset > 2 * MIB

        async def drain() -> None:
            with contextlib.suppress(ConnectionError):
                for _ in range(15):
                    stale.write(b"\xee" * MIB)  # not the file's bytes: would show at once
                    await stale.drain()

        draining = asyncio.create_task(drain())
        assert (await client.patch(url, offset, body[offset:])).status == 204
        draining.cancel()
        await asyncio.gather(draining, return_exceptions=True)
        stale.close()
        assert hashlib.sha256(kept(site, url)).digest() == hashlib.sha256(body).digest()


async def test_of_two_patches_that_race_the_second_wins(opened):
    site, body = await opened(), noise(4 * MIB)
    async with client_of(site) as client:
        url = await client.create(len(body))
        reader, first = await raw(site, url, 0, len(body))
        first.write(body[:MIB])
        await until(lambda: site.inbox.path(url.rpartition("/")[2]).stat().st_size > 0)
        # The second begins where it believes the first to be: not there, told so, and then goes on.
        lost = await client.patch(url, 0, body)
        assert lost.status == 409
        offset = int(lost.headers["Upload-Offset"])
        assert 0 < offset <= MIB
        assert (await client.patch(url, offset, body[offset:])).status == 204
        assert b" 400 " in await reader.readline()
        first.close()
        assert kept(site, url) == body


async def test_a_dropped_connection_keeps_what_came(opened):
    site, body = await opened(), noise(8 * MIB)
    async with client_of(site) as client:
        url = await client.create(len(body))
        _, writer = await raw(site, url, 0, len(body))
        writer.write(body[: 5 * MIB + 3])
        await writer.drain()
        writer.close()
        await until(lambda: site.inbox.path(url.rpartition("/")[2]).stat().st_size == 5 * MIB + 3)
        assert await client.offset(url) == 5 * MIB + 3
        assert (await client.patch(url, 5 * MIB + 3, body[5 * MIB + 3 :])).status == 204
        assert kept(site, url) == body


async def test_a_body_of_200_bytes_may_be_cut_at_every_byte(opened):
    site, body = await opened(), noise(200)

    async def cut_at(client: Client, cut: int) -> None:
        url = await client.create(200)
        held = site.inbox.path(url.rpartition("/")[2])
        _, writer = await raw(site, url, 0, 200)
        writer.write(body[:cut])
        await until(lambda: held.stat().st_size == cut)
        writer.transport.abort() if cut % 2 else writer.close()
        assert await client.offset(url) == cut
        assert (await client.patch(url, cut, body[cut:])).status == 204
        assert kept(site, url) == body

    async with client_of(site) as client:
        await asyncio.gather(*(cut_at(client, cut) for cut in range(200)))


async def test_a_silent_sender_is_cut_off_and_what_came_is_kept(opened):
    site = await opened(pace=Pace(idle_seconds=0.2))
    async with client_of(site) as client:
        url = await client.create(1000)
        reader, writer = await raw(site, url, 0, 1000)
        writer.write(b"x" * 300)
        line = await asyncio.wait_for(reader.readline(), 5)
        assert b" 408 " in line
        writer.close()
        assert await client.offset(url) == 300


async def test_a_body_without_a_length_stops_at_the_upload_s_length(opened):
    site, body = await opened(), noise(3 * MIB)

    async def surplus() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65536):
            yield body[start : start + 65536]

    async with client_of(site) as client:
        url = await client.create(2 * MIB + 1)
        answer = await client.patch(url, 0, surplus())
        assert answer.status == 413
        offset = await client.offset(url)
        assert offset <= 2 * MIB + 1
        assert kept(site, url)[:offset] == body[:offset]


async def test_the_disk_s_reserve_is_kept(opened, tmp_path):
    space = await (await opened()).inbox.free()
    site = await opened(root=tmp_path / "tight", reserve=space + (1 << 40))
    async with client_of(site) as client:
        answer = await client.ask("POST", client.uploads, Upload_Length="10")
        assert answer.status == 507
        assert site.shelf.assets == {}
    large = await opened(root=tmp_path / "large", settings=UploadSettings(max_size=1 << 60))
    async with client_of(large) as client:
        assert (await client.ask("POST", client.uploads, Upload_Length=str(1 << 59))).status == 507


async def test_unfinished_uploads_are_counted(opened):
    site = await opened(settings=UploadSettings(unfinished=3))
    async with client_of(site) as client:
        urls = [await client.create(1) for _ in range(3)]
        assert (await client.ask("POST", client.uploads, Upload_Length="1")).status == 429
        await client.patch(urls[0], 0, b"x")
        await client.create(1)


async def test_a_restart_between_two_patches_loses_nothing(opened, tmp_path):
    site, body = await opened(), noise(2 * MIB)
    async with client_of(site) as client:
        url = await client.create(len(body), Upload_Metadata="filename YS5tcDQ=")
        await client.patch(url, 0, body[:MIB])
    again = await opened(shelf=site.shelf)
    async with client_of(again) as client:
        head = await client.ask("HEAD", url)
        assert head.headers["Upload-Offset"] == str(MIB)
        assert head.headers["Upload-Metadata"] == "filename YS5tcDQ="
        assert (await client.patch(url, MIB, body[MIB:])).status == 204
        assert kept(again, url) == body


async def test_the_intake_hears_of_growth_and_can_read_it(opened):
    site, body = await opened(settings=UploadSettings(tell_seconds=0)), noise(6 * MIB)
    async with client_of(site) as client:
        url = await client.create(len(body))
        identity = url.rpartition("/")[2]
        assert (await client.patch(url, 0, body)).status == 204
        offsets = [offset for _, offset in site.shelf.told]
        assert offsets == sorted(offsets)
        assert any(0 < offset < len(body) for offset in offsets)
        assert offsets[-1] == len(body)
        assert await site.inbox.read(identity, MIB, MIB + 10) == body[MIB : MIB + 10]
        assert await site.inbox.read(identity, len(body) - 1, len(body) + 9) == body[-1:]


async def test_tuspy_uploads(opened):
    site, body = await opened(), noise(3 * MIB)

    def upload(**options) -> str:
        client = TusClient(f"http://127.0.0.1:{site.port}/api/v1/uploads")
        sender = client.uploader(file_stream=io.BytesIO(body), chunk_size=MIB + 1, **options)
        sender.upload()
        return sender.url

    for options in ({}, {"metadata": {"filename": "é.mp4"}, "upload_checksum": True}):
        url = await asyncio.to_thread(upload, **options)
        assert kept(site, url) == body
    assert {asset["title"] for asset in site.shelf.assets.values()} == {"Untitled", "é"}


# ---- the plain POST


async def test_a_form_streams_its_file_and_answers_with_the_asset(opened):
    site, body = await opened(), noise(3 * MIB + 11)
    async with aiohttp.ClientSession() as session:
        form = aiohttp.FormData(quote_fields=False)
        form.add_field("file", io.BytesIO(body), filename="../a film.mp4", content_type="video/mp4")
        url = f"http://127.0.0.1:{site.port}/api/v1/assets"
        async with session.post(url, data=form) as answer:
            assert answer.status == 201
            document = await answer.json()
            assert answer.headers["Location"] == f"/api/v1/assets/{document['id']}"
        assert document["title"] == "a film"
        assert document["state"] == "probing"
        assert Path(document["path"]).read_bytes() == body
        titled = aiohttp.FormData()
        titled.add_field("title", "A\nTitle")
        titled.add_field("file", io.BytesIO(b"x"), filename="a.mp4")
        async with session.post(url, data=titled) as answer:
            assert (await answer.json())["title"] == "A Title"


async def test_a_raw_body_is_an_asset(opened):
    site, body = await opened(), noise(MIB)
    async with client_of(site) as client:
        url = f"{client.base}/api/v1/assets?name=b.mkv"
        answer = await client.ask("POST", url, data=body, tus=False, Content_Type="video/x-matroska")
        assert answer.status == 201
        document = json.loads(await answer.text())
        assert (document["title"], document["size"]) == ("b", len(body))
        assert Path(document["path"]).read_bytes() == body


async def test_plain_posts_that_are_refused_leave_nothing(opened):
    site = await opened(settings=UploadSettings(max_size=100_000))
    async with client_of(site) as client:
        url = f"{client.base}/api/v1/assets"
        form = 'multipart/form-data; boundary="b"'
        part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n'
        cases = [
            (415, b"x", {"Content_Type": "text/plain"}),
            (415, b"x", {"Content_Type": "video/mp4", "Content_Encoding": "gzip"}),
            (413, b"x" * 100_001, {"Content_Type": "video/mp4"}),
            (413, part + b"\r\n" + b"x" * 100_001 + b"\r\n--b--\r\n", {"Content_Type": form}),
            (
                415,
                part + b"Content-Transfer-Encoding: base64\r\n\r\nYQ==\r\n--b--\r\n",
                {"Content_Type": form},
            ),
            (400, b"--b--\r\n", {"Content_Type": form}),
            (400, b"nothing like a form", {"Content_Type": form}),
            (400, part + b"\r\nxxxx", {"Content_Type": form}),
            (400, part + b"\r\nxxxx\r\n--", {"Content_Type": form}),
            (400, b"x", {"Content_Type": "multipart/form-data"}),
        ]
        for status, data, headers in cases:
            answer = await client.ask("POST", url, data=data, tus=False, **headers)
            assert answer.status == status, (data[:80], await answer.text())
            assert answer.content_type == "application/problem+json"
        assert site.shelf.assets == {}
        assert list(site.inbox.path("0" * 32).parent.iterdir()) == []


async def test_a_plain_post_that_breaks_off_leaves_nothing(opened):
    site = await opened()
    _, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(
        b"POST /api/v1/assets HTTP/1.1\r\nHost: h\r\nContent-Type: video/mp4\r\nContent-Length: 9000\r\n\r\n"
    )
    writer.write(b"x" * 5000)
    await until(lambda: len(site.shelf.assets) == 1)
    writer.close()
    await until(lambda: not site.shelf.assets)
    await until(lambda: not list(site.inbox.path("0" * 32).parent.iterdir()))


async def test_an_idempotency_key_answers_again(opened):
    kept_answers: dict[str, tuple[int, object]] = {}

    async def once(key, marks, work):
        if key not in kept_answers:
            kept_answers[key] = await work()
        return kept_answers[key]

    site = await opened(once=once)
    async with client_of(site) as client:
        url = f"{client.base}/api/v1/assets"
        sent = {"Content_Type": "video/mp4", "Idempotency_Key": "k"}
        first = await client.ask("POST", url, data=b"xyz", tus=False, **sent)
        second = await client.ask("POST", url, data=b"xyz", tus=False, **sent)
        assert first.status == second.status == 201
        assert await first.text() == await second.text()
        assert len(site.shelf.assets) == 1


async def test_tus_js_client_uploads_in_every_way_it_knows(opened, judges, tmp_path):
    site, body = await opened(), noise(MIB + 12345)
    film = tmp_path / "film"
    film.write_bytes(body)
    judge = await asyncio.create_subprocess_exec(
        "node",
        judges / "tus.mjs",
        f"http://127.0.0.1:{site.port}/api/v1/uploads",
        film,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, errors = await asyncio.wait_for(judge.communicate(), 120)
    assert judge.returncode == 0, errors.decode()[:600]
    verdicts = [json.loads(line) for line in printed.splitlines()]
    assert verdicts.pop() == {"way": "terminate whole", "refused": True}
    assert len(verdicts) == 9
    for verdict in verdicts:
        assert kept(site, verdict["url"]) == body, verdict["way"]
    assert {asset["title"] for asset in site.shelf.assets.values()} == {"é film"}
    assert {asset["state"] for asset in site.shelf.assets.values()} == {"probing"}
