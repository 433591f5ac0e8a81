"""A client of the control channel that writes its own frames, for tests."""

from __future__ import annotations

import asyncio
import base64
import os
import socket as sockets
import struct
from contextlib import suppress


class Raw:
    """A client that writes its own frames."""

    def __init__(self, reader, writer, head):
        self.reader = reader
        self.writer = writer
        self.head = head

    @classmethod
    async def connect(cls, client, *, receive_buffer=None, extensions=None):
        plain = sockets.socket()
        if receive_buffer:
            plain.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, receive_buffer)
        plain.setblocking(False)
        await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", client.port))
        reader, writer = await asyncio.open_connection(sock=plain, limit=1024)
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            f"GET /control HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n".encode()
        )
        if extensions is not None:
            writer.write(f"Sec-WebSocket-Extensions: {extensions}\r\n".encode())
        writer.write(b"\r\n")
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        assert " 101 " in head.partition("\r\n")[0]
        return cls(reader, writer, head)

    async def frame(self, first, payload=b"", *, masked=True, length=None):
        size = len(payload) if length is None else length
        mask_bit = 0x80 if masked else 0
        if size < 126:
            head = bytes((first, mask_bit | size))
        elif size < 1 << 16:
            head = bytes((first, mask_bit | 126)) + struct.pack("!H", size)
        else:
            head = bytes((first, mask_bit | 127)) + struct.pack("!Q", size)
        mask = os.urandom(4) if masked else b""
        body = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload)) if masked else payload
        self.writer.write(head + mask + body)
        await self.writer.drain()

    async def receive(self):
        """Return opcode and payload of the next frame; (None, b"") at the end of the stream."""
        first, payload = await self.whole()
        return None if first is None else first & 0x0F, payload

    async def whole(self):
        """Return the first byte and the payload of the next frame; (None, b"") at the end of the stream."""
        try:
            first, second = await self.reader.readexactly(2)
            size = second & 0x7F
            assert not second & 0x80, "a server never masks"
            if size == 126:
                (size,) = struct.unpack("!H", await self.reader.readexactly(2))
            elif size == 127:
                (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
            return first, await self.reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None, b""

    async def close_code(self):
        """Return the code of the close frame, None where the stream just ends."""
        while True:
            opcode, payload = await asyncio.wait_for(self.receive(), 10)
            if opcode is None:
                return None
            if opcode == 8:
                return int.from_bytes(payload[:2]) if payload else 1005

    async def close(self):
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()
