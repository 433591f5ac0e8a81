"""The control channel's frames on the wire: RFC 6455 and RFC 7692, by a client that breaks them."""

from __future__ import annotations

import asyncio
import json
import struct
import zlib

import pytest

from streamer.deflate import deflate, inflate
from streamer.listener import Close
from streamer.websocket import Limits
from tests.backend import backend, served
from tests.flow.raw import Raw

MESSAGE_MAX = Limits().message_bytes
SUBSCRIBE = b'{"type":"subscribe","channel":"assets"}'
DEFLATE = "permessage-deflate; client_max_window_bits"


@pytest.fixture
async def back(data_dir):
    async with backend(data_dir) as opened:
        yield opened


@pytest.fixture
async def client(back, data_dir, aiohttp_client):
    return await aiohttp_client(served(back, data_dir).app)


@pytest.fixture
async def raw(client):
    opened = await Raw.connect(client)
    yield opened
    await opened.close()


async def test_raw_frames_are_understood(raw):
    await raw.frame(0x81, SUBSCRIBE)
    seen = []
    while "subscribed" not in seen:
        opcode, payload = await asyncio.wait_for(raw.receive(), 10)
        seen.append(json.loads(payload)["type"] if opcode == 1 else opcode)
    await raw.frame(0x89, b"hello")
    while True:
        opcode, payload = await asyncio.wait_for(raw.receive(), 10)
        if opcode == 10:
            break
    assert payload == b"hello"


async def test_a_message_may_come_in_fragments(raw):
    await raw.frame(0x01, SUBSCRIBE[:10])
    await raw.frame(0x89, b"between")
    await raw.frame(0x80, SUBSCRIBE[10:])
    told = set()
    while not {1, 10} <= told:
        told.add((await asyncio.wait_for(raw.receive(), 10))[0])


@pytest.mark.parametrize(
    ("frames", "codes"),
    [
        ([(0x81, b"\xff\xfe", {})], {1007}),
        ([(0x81, b"x" * (MESSAGE_MAX + 1), {})], {1009}),
        ([(0x01, b"x" * 40_000, {}), (0x80, b"x" * 40_000, {})], {1009}),
        ([(0x81, b"x", {"length": 1 << 62})], {1009}),
        ([(0xC1, b"{}", {})], {1002}),
        ([(0xA1, b"{}", {})], {1002}),
        ([(0x09, b"fragmented ping", {})], {1002}),
        ([(0x89, b"x" * 126, {})], {1002}),
        ([(0x91, b"", {})], {1002}),
        ([(0x83, b"", {})], {1002}),
        ([(0x01, b"x", {}), (0x81, b"x", {})], {1002}),
        ([(0x80, b"no beginning", {})], {1002}),
        ([(0x88, b"\x03", {})], {1002}),
        ([(0x88, b"\x03\xe8", {})], {1000}),
        ([(0x88, struct.pack("!H", 999), {})], {1002}),
        ([(0x88, struct.pack("!H", 1005), {})], {1002}),
        ([(0x88, b"\x03\xe8\xff", {})], {1007}),
    ],
    ids=[
        "bad UTF-8",
        "oversize",
        "oversize in fragments",
        "announced 2^62 bytes",
        "reserved bit without extension",
        "reserved bit 2",
        "fragmented control frame",
        "long control frame",
        "reserved bit 3",
        "reserved opcode",
        "message within a message",
        "continuation of nothing",
        "close of one byte",
        "close",
        "close with a code that is none",
        "close with a code that is never sent",
        "close with a reason that is not UTF-8",
    ],
)
async def test_frames_against_the_protocol_end_the_socket(client, raw, frames, codes):
    for first, payload, how in frames:
        await raw.frame(first, payload, **how)
    assert await raw.close_code() in codes
    async with client.ws_connect("/control") as socket:  # nobody else is disturbed
        await socket.send_str(SUBSCRIBE.decode())
        assert (await socket.receive_json(timeout=10))["type"] == "subscribed"


async def test_an_unmasked_frame_ends_the_socket(raw):
    await raw.frame(0x81, b"{}", masked=False)
    assert await raw.close_code() == 1002


async def _packed(client, extensions=DEFLATE):
    """Connect and agree on deflating."""
    packed = await Raw.connect(client, extensions=extensions)
    agreed = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
    assert f"Sec-WebSocket-Extensions: {agreed}" in packed.head
    await packed.frame(0xC1, deflate(SUBSCRIBE))
    return packed


async def _event(raw, kind):
    """Return the first byte, the payload and the text of the next event of a kind."""
    while True:
        first, payload = await asyncio.wait_for(raw.whole(), 10)
        text = inflate(payload, most=1 << 20) if first == 0xC1 else payload
        if first in {0x81, 0xC1} and json.loads(text)["type"] == kind:
            return first, payload, json.loads(text)


async def test_an_event_is_deflated_once_for_everybody_who_agreed(back, client):
    clients = [await _packed(client), await _packed(client, "permessage-deflate; server_max_window_bits=12")]
    clients.append(await Raw.connect(client))
    await clients[2].frame(0x81, SUBSCRIBE)
    for one in clients:
        await _event(one, "subscribed")
    together = zlib.decompressobj(-15)
    for number in range(3):
        await back.channels.publish("assets", "t", {"n": number, "text": "a line of words " * 10})
        first, second, third = [await _event(one, "t") for one in clients]
        assert (first[0], third[0]) == (0xC1, 0x81)
        assert first == second
        assert first[2] == third[2]
        assert len(first[1]) < len(third[1]) // 2
        # A peer that keeps its window reads them as well: they refer to nothing before them.
        assert json.loads(together.decompress(first[1] + b"\x00\x00\xff\xff")) == third[2]
    for one in clients:
        await one.close()


@pytest.mark.parametrize("offer", ["permessage-deflate; server_max_window_bits=9", "x-webkit-deflate-frame"])
async def test_an_offer_that_does_not_fit_leaves_frames_plain(back, client, offer):
    raw = await Raw.connect(client, extensions=offer)
    assert "Sec-WebSocket-Extensions" not in raw.head
    await raw.frame(0x81, SUBSCRIBE)
    await back.channels.publish("assets", "t", "x" * 1000)
    assert (await _event(raw, "subscribed"))[0] == 0x81
    await raw.close()


@pytest.mark.parametrize(
    ("payload", "code"),
    [(b"\xff\xff\xff", 1002), (deflate(bytes(MESSAGE_MAX + 1)), 1009), (deflate(b"\xff"), 1007)],
    ids=["not deflated", "inflates to too much", "not UTF-8"],
)
async def test_a_deflated_message_against_the_protocol_ends_the_socket(client, payload, code):
    packed = await _packed(client)
    await packed.frame(0xC1, payload)
    assert await packed.close_code() == code
    await packed.close()


async def test_whoever_sends_too_fast_is_told_to_go_away(back, client):
    await back.planned()
    raw = await Raw.connect(client)
    for _ in range(2):
        raw.writer.write(b"\x8a\x80mask" * int(Limits().frames_saved))
    assert await raw.close_code() == Close.TOO_FAST
    await raw.close()


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"Upgrade": "h2c"}, 426),
        ({"Connection": "keep-alive"}, 426),
        ({"Sec-WebSocket-Version": "8"}, 426),
        ({"Sec-WebSocket-Key": "c2hvcnQ="}, 400),
        ({"Sec-WebSocket-Key": "not base64"}, 400),
    ],
    ids=["upgrade", "connection", "version", "short key", "no key"],
)
async def test_a_handshake_that_is_none_is_answered_with_a_problem(client, change, status):
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    async with client.get("/control", headers=headers | change) as answer:
        assert answer.status == status
        assert answer.headers["Content-Type"] == "application/problem+json"


async def test_the_answer_to_the_key_is_that_of_the_specification(client):
    # RFC 6455 section 1.3; the Upgrade header's case does not matter.
    raw, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(
        f"GET /control HTTP/1.1\r\nHost: localhost:{client.port}\r\nUpgrade: WebSocket\r\n"
        "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    head = (await raw.readuntil(b"\r\n\r\n")).decode()
    assert "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
    writer.close()
    await writer.wait_closed()


async def test_a_client_that_compresses_by_itself_understands(back, client):
    async with client.ws_connect("/control", compress=15) as socket:
        assert socket.compress
        await socket.send_str(SUBSCRIBE.decode())
        assert (await socket.receive_json(timeout=10))["type"] == "subscribed"
        for number in range(3):
            await back.channels.publish("assets", "t", {"n": number, "text": "a line of words " * 10})
            assert (await socket.receive_json(timeout=10))["data"]["n"] == number
