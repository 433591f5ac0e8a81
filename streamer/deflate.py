"""permessage-deflate (RFC 7692) without context takeover: a message is deflated once for everybody."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

WINDOW_BITS = 12
"""The window of what is sent; events are shorter, and it needs 32 kB for a moment instead of 256."""

_THOROUGH, _FAST = 6, 1
_LONG = 4 << 10  # bytes from which fast takes a quarter of the time, for a fifth more
_MEMORY_LEVEL = 5
_TAIL = b"\x00\x00\xff\xff"  # section 7.2.1: ends each message and is not sent
_FLAGS = frozenset({"server_no_context_takeover", "client_no_context_takeover"})
_BITS = frozenset({"server_max_window_bits", "client_max_window_bits"})


class Undecodable(Exception):
    """What was received is not deflated."""


class Overlong(Exception):
    """What was received inflates to more than allowed."""


def deflate(text: bytes) -> bytes:
    """Return the payload of a message, which refers to no message before it."""
    level = _THOROUGH if len(text) < _LONG else _FAST
    packer = zlib.compressobj(level, zlib.DEFLATED, -WINDOW_BITS, _MEMORY_LEVEL)
    return (packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH)).removesuffix(_TAIL)


def inflate(payload: bytes, *, most: int) -> bytes:
    """Return what a message was before. Raise Undecodable, and Overlong above `most` bytes."""
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        text = unpacker.decompress(payload + _TAIL, most + 1)
    except zlib.error as error:
        raise Undecodable(str(error)) from error
    if len(text) > most:
        raise Overlong
    if unpacker.eof and len(unpacker.unused_data) > len(_TAIL) + 1:  # section 7.2.3.4: a final block
        raise Undecodable("something follows the end")
    return text


def agreed(offers: Iterable[str]) -> str | None:
    """Return the answer to what a client offers in Sec-WebSocket-Extensions, None where nothing fits."""
    for offer in ",".join(offers).split(","):
        name, *parameters = (part.strip() for part in offer.split(";"))
        if name != "permessage-deflate":
            continue
        wanted = _parameters(parameters)
        if wanted is None:
            continue
        answer = f"{name}; server_no_context_takeover; client_no_context_takeover"
        if "server_max_window_bits" not in wanted:
            return answer
        if wanted["server_max_window_bits"] >= WINDOW_BITS:
            return f"{answer}; server_max_window_bits={WINDOW_BITS}"
    return None


def _parameters(written: Iterable[str]) -> dict[str, int] | None:
    """Return the parameters of an offer, None where one is not of section 7.1; 0 is one without a value."""
    found: dict[str, int] = {}
    for one in written:
        name, equals, value = (part.strip() for part in one.partition("="))
        bits = value.strip('"')
        if name in found or name not in _FLAGS | _BITS or (name in _FLAGS and equals):
            return None
        if equals:
            if not (bits.isascii() and bits.isdigit() and not bits.startswith("0") and 8 <= int(bits) <= 15):
                return None
            found[name] = int(bits)
        elif name == "server_max_window_bits":
            return None
        else:
            found[name] = 0
    return found
