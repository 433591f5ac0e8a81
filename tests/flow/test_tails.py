"""The end of a file that is sent before its head: mapped at once, kept, and joined with the rest."""

from __future__ import annotations

import asyncio
import base64
import random
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.flow.test_uploads import Client, noise
from tests.flow.upload_site import Site, open_site

MIB = 1 << 20


def named(asset: str, offset: int) -> str:
    pairs = {"asset": asset, "offset": str(offset)}
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items())


class Sender(Client):
    """A client that sends the end of a file first."""

    async def both(self, body: bytes, at: int) -> tuple[str, str]:
        """Create an upload and one of its end; return the two addresses."""
        response = await self.ask("POST", self.uploads, Upload_Length=str(len(body)))
        asset = response.headers["Streamer-Asset"]
        return response.headers["Location"], await self.end(asset, at, len(body) - at)

    async def end(self, asset: str, at: int, length: int) -> str:
        response = await self.map(asset, at, length)
        assert response.status == 201, await response.text()
        return response.headers["Location"]

    async def map(self, asset: str, at: int, length: int):
        marks = {"Upload_Concat": "partial", "Upload_Metadata": named(asset, at)}
        return await self.ask("POST", self.uploads, Upload_Length=str(length), **marks)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    opened = await open_site(tmp_path / "inbox")
    yield opened
    await opened.runner.cleanup()


@pytest.fixture
async def client(site: Site) -> AsyncIterator[Sender]:
    async with aiohttp.ClientSession() as session:
        yield Sender(session, site)


def shelved(site: Site) -> bytes:
    """Return the bytes of the one asset, which has to be complete."""
    (asset,) = site.shelf.assets.values()
    assert asset["state"] == "probing"
    return Path(asset["path"]).read_bytes()


async def test_the_end_can_be_read_at_once_and_the_whole_is_the_file(site, client):
    body = noise(3 * MIB)
    at = 2 * MIB
    main, tail = await client.both(body, at)
    assert (await client.patch(tail, 0, body[at:])).headers["Upload-Offset"] == str(MIB)
    source = await site.inbox.original(main.rpartition("/")[2])
    assert site.shelf.seen
    assert await source.read(at, len(body)) == body[at:]
    assert not source.has(at - 1, at)
    assert await client.offset(main) == 0
    assert (await client.patch(main, 0, body[:MIB])).headers["Upload-Offset"] == str(MIB)
    assert (source.received, source.whole) == (MIB, False)
    answer = await client.patch(main, MIB, body[MIB:at])
    assert answer.headers["Upload-Offset"] == str(len(body))
    assert (source.received, source.whole) == (len(body), True)
    assert shelved(site) == body


async def test_a_body_may_run_into_the_end(site, client):
    body = noise(3 * MIB)
    main, tail = await client.both(body, 2 * MIB)
    await client.patch(tail, 0, body[2 * MIB :])
    answer = await client.patch(main, 0, body)
    assert (answer.status, answer.headers["Upload-Offset"]) == (204, str(len(body)))
    assert shelved(site) == body


async def test_the_end_may_come_last(site, client):
    body = noise(3 * MIB)
    main, tail = await client.both(body, 2 * MIB)
    await client.patch(main, 0, body[: 2 * MIB])
    assert await client.offset(main) == 2 * MIB
    await client.patch(tail, 0, body[2 * MIB :])
    assert await client.offset(main) == len(body)
    assert shelved(site) == body


async def test_a_head_takes_the_place_of_an_end_that_is_not_whole(site, client):
    body = noise(3 * MIB)
    main, tail = await client.both(body, 2 * MIB)
    await client.patch(tail, 0, body[2 * MIB : 2 * MIB + 1000])
    answer = await client.patch(main, 0, body)
    assert answer.headers["Upload-Offset"] == str(len(body))
    assert shelved(site) == body
    assert (await client.ask("HEAD", tail)).status == 404


async def test_what_is_no_end_of_an_upload_is_refused(client):
    main, tail = await client.both(noise(1000), 600)
    response = await client.ask("POST", client.uploads, Upload_Length="1000")
    asset = response.headers["Streamer-Asset"]
    other = response.headers["Location"]
    assert (await client.map("nobody", 600, 400)).status == 400
    assert (await client.map("", 600, 400)).status == 400
    assert (await client.map(asset, 600, 401)).status == 400
    assert (await client.map(asset, 600, 399)).status == 400
    assert (await client.map(asset, 0, 1000)).status == 400
    await client.patch(other, 0, bytes(700))
    assert (await client.map(asset, 600, 400)).status == 400
    joined = {"Upload_Concat": f"final;{tail}", "Upload_Length": "400"}
    await client.patch(tail, 0, bytes(400))
    assert (await client.ask("POST", client.uploads, **joined)).status == 400
    checked = {"Upload_Checksum": "sha1 " + base64.b64encode(bytes(20)).decode()}
    assert (await client.patch(main, 0, bytes(1000), **checked)).status == 400


async def test_an_end_is_given_up_replaced_and_goes_with_its_upload(site, client, tmp_path):
    body = noise(3 * MIB)
    main, tail = await client.both(body, 2 * MIB)
    asset = next(iter(site.shelf.assets))
    await client.patch(tail, 0, body[2 * MIB : 2 * MIB + 10])
    second = await client.end(asset, MIB, 2 * MIB)
    assert (await client.ask("HEAD", tail)).status == 404
    await client.patch(second, 0, body[MIB : MIB + 10])
    assert (await client.ask("DELETE", second)).status == 204
    third = await client.end(asset, MIB, 2 * MIB)
    await client.patch(third, 0, body[MIB:])
    assert (await client.map(asset, 2 * MIB, MIB)).status == 403
    assert (await client.ask("DELETE", main)).status == 204
    assert not site.shelf.assets
    assert not list((tmp_path / "inbox").iterdir())


@pytest.mark.parametrize("seed", [1, *(pytest.param(n, marks=pytest.mark.soak) for n in range(2, 12))])
async def test_both_pieces_survive_a_restart_at_any_moment(tmp_path, seed):
    dice = random.Random(seed)
    body = dice.randbytes(3 * MIB)
    at = dice.randrange(MIB, 2 * MIB)
    sent = {"main": 0, "tail": 0}
    urls: dict[str, str] = {}
    async with aiohttp.ClientSession() as session:
        while True:
            site = await open_site(tmp_path / "inbox")
            client = Sender(session, site)
            if not urls:
                urls["main"], urls["tail"] = await client.both(body, at)
            for piece in dice.sample(["main", "tail"], 2):
                start = await client.offset(urls[piece])
                assert start >= sent[piece]
                base, most = (0, at) if piece == "main" else (at, len(body) - at)
                size = min(dice.randrange(MIB), most - start)
                if size > 0:
                    place = base + start
                    answer = await client.patch(urls[piece], start, body[place : place + size])
                    sent[piece] = int(answer.headers["Upload-Offset"])
            await site.runner.cleanup()
            if sent["main"] == len(body) or await site.inbox.size(urls["main"].rpartition("/")[2]) == len(
                body
            ):
                break
    assert (tmp_path / "inbox" / urls["main"].rpartition("/")[2]).read_bytes() == body


async def test_head_and_end_may_be_sent_at_once(site, client):
    body = noise(6 * MIB)
    main, tail = await client.both(body, 4 * MIB)
    await asyncio.gather(client.patch(main, 0, body[: 4 * MIB]), client.patch(tail, 0, body[4 * MIB :]))
    assert await client.offset(main) == len(body)
    assert shelved(site) == body
