"""Frames of clients, bit by bit, and frames of the server."""

from __future__ import annotations

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.deflate import deflate
from streamer.frames import (
    INVALID_TEXT,
    PROTOCOL_ERROR,
    TOO_BIG,
    Fragments,
    FrameReader,
    Message,
    Opcode,
    Violation,
    close_code,
    frame,
)

MOST = 1000


def sent(first, payload=b"", *, masked=True, length=None, wide=0):
    """Return a frame as a client sends it."""
    size = len(payload) if length is None else length
    wide = wide or (0 if size < 126 else 2 if size < 1 << 16 else 8)
    head = bytes((first, (0x80 if masked else 0) | {0: size, 2: 126, 8: 127}[wide])) + (
        size.to_bytes(wide) if wide else b""
    )
    mask = secrets.token_bytes(4) if masked else b""
    return head + mask + bytes(one ^ mask[at % 4] if mask else one for at, one in enumerate(payload))


def read(*pieces, deflated=False):
    """Return the messages that the pieces hold. Raise Violation."""
    reader, fragments = FrameReader(most=MOST, deflate=deflated), Fragments(most=MOST)
    messages = []
    for piece in pieces:
        reader.feed(piece)
        while (one := reader.take()) is not None:
            message = fragments.add(one)
            if message is not None:
                messages.append(message)
    return messages


@pytest.mark.parametrize(("size", "head"), [(0, 2), (125, 2), (126, 4), (65535, 4), (65536, 10)])
def test_a_frame_of_the_server_carries_its_length(size, head):
    made = frame(b"x" * size)
    assert made[0] == 0x81
    assert len(made) == head + size
    assert (made[1] if head == 2 else int.from_bytes(made[2:head])) == size


@pytest.mark.parametrize("size", [0, 1, 3, 4, 125, 126, 1000])
def test_a_message_is_read_however_its_bytes_come(size):
    text = b"x" * size
    whole = sent(0x81, text) + sent(0x89, b"p")
    expected = [Message(Opcode.TEXT, text), Message(Opcode.PING, b"p")]
    assert read(whole) == expected
    assert read(*(bytes((one,)) for one in whole)) == expected


def test_fragments_are_joined_and_control_frames_pass_between():
    assert read(sent(0x01, b"on"), sent(0x8A, b"!"), sent(0x00), sent(0x80, b"e"), sent(0x82, b"\xff")) == [
        Message(Opcode.PONG, b"!"),
        Message(Opcode.TEXT, b"one"),
        Message(Opcode.BINARY, b"\xff"),
    ]


def test_a_character_may_be_split_between_fragments():
    text = "ü".encode()
    assert read(sent(0x01, text[:1]), sent(0x80, text[1:])) == [Message(Opcode.TEXT, text)]


def test_a_deflated_message_is_inflated_whole():
    packed = deflate(b"a text " * 50)
    assert read(sent(0x41, packed[:9]), sent(0x80, packed[9:]), sent(0x81, b"plain"), deflated=True) == [
        Message(Opcode.TEXT, b"a text " * 50),
        Message(Opcode.TEXT, b"plain"),
    ]


@pytest.mark.parametrize(
    ("pieces", "code"),
    [
        pytest.param([sent(0x81, b"x", masked=False)[:2]], PROTOCOL_ERROR, id="no mask"),
        pytest.param([sent(0xC1, b"")], PROTOCOL_ERROR, id="deflated where that was not agreed on"),
        pytest.param([sent(0xA1)], PROTOCOL_ERROR, id="reserved bit 2"),
        pytest.param([sent(0x91)], PROTOCOL_ERROR, id="reserved bit 3"),
        pytest.param([sent(0x83)], PROTOCOL_ERROR, id="reserved opcode"),
        pytest.param([sent(0x8B)], PROTOCOL_ERROR, id="reserved control opcode"),
        pytest.param([sent(0x09)], PROTOCOL_ERROR, id="fragmented ping"),
        pytest.param([sent(0x08)], PROTOCOL_ERROR, id="fragmented close"),
        pytest.param([sent(0x89, b"x" * 126)[:2]], PROTOCOL_ERROR, id="long ping"),
        pytest.param([sent(0x80, b"x")], PROTOCOL_ERROR, id="continuation of nothing"),
        pytest.param([sent(0x01), sent(0x81)], PROTOCOL_ERROR, id="a message within a message"),
        pytest.param([sent(0x81, b"x", wide=2)], PROTOCOL_ERROR, id="length in 16 bits for no reason"),
        pytest.param([sent(0x81, b"x", wide=8)], PROTOCOL_ERROR, id="length in 64 bits for no reason"),
        pytest.param([sent(0x81, length=1 << 63)], PROTOCOL_ERROR, id="length with its highest bit set"),
        pytest.param([sent(0x81, length=1 << 62)], TOO_BIG, id="2^62 bytes announced"),
        pytest.param([sent(0x82, length=MOST + 1)], TOO_BIG, id="one byte too many announced"),
        pytest.param([sent(0x02, b"x" * 600), sent(0x80, b"x" * 600)], TOO_BIG, id="too long in fragments"),
        pytest.param([sent(0x01)] + [sent(0x00)] * 256, TOO_BIG, id="too many fragments"),
        pytest.param([sent(0x81, b"\xff")], INVALID_TEXT, id="not UTF-8"),
        pytest.param([sent(0x81, b"\xed\xa0\x80")], INVALID_TEXT, id="a surrogate"),
        pytest.param([sent(0x81, "ü".encode()[:1])], INVALID_TEXT, id="half a character"),
    ],
)
def test_what_breaks_the_protocol_is_refused(pieces, code):
    with pytest.raises(Violation) as caught:
        read(*pieces)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("first", "payload", "code"),
    [
        (0xC1, b"\xff\xff", PROTOCOL_ERROR),
        (0xC1, deflate(bytes(MOST + 1)), TOO_BIG),
        (0xC1, deflate(b"\xff"), INVALID_TEXT),
        (0xC0, deflate(b"x"), PROTOCOL_ERROR),
        (0xC9, deflate(b"x"), PROTOCOL_ERROR),
    ],
    ids=["not deflated", "inflates to too much", "not UTF-8", "deflated continuation", "deflated ping"],
)
def test_a_deflated_message_that_breaks_the_protocol_is_refused(first, payload, code):
    with pytest.raises(Violation) as caught:
        read(sent(first, payload), deflated=True)
    assert caught.value.code == code


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1014, 3000, 4400, 4999])
def test_a_close_frame_tells_its_code(code):
    assert close_code(code.to_bytes(2) + b"why") == code
    assert close_code(b"") is None


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535])
def test_a_close_code_that_is_none_is_refused(code):
    with pytest.raises(Violation) as caught:
        close_code(code.to_bytes(2))
    assert caught.value.code == PROTOCOL_ERROR


@pytest.mark.parametrize(("payload", "code"), [(b"\x03", PROTOCOL_ERROR), (b"\x03\xe8\xff", INVALID_TEXT)])
def test_a_close_frame_that_is_none_is_refused(payload, code):
    with pytest.raises(Violation) as caught:
        close_code(payload)
    assert caught.value.code == code


WHOLE = st.builds(
    lambda first, payload, masked: sent(first, payload, masked=masked),
    st.integers(0, 255),
    st.binary(max_size=200),
    st.integers(0, 9).map(bool),
)


def outcome(pieces):
    """Return what was read, and the code with which it ended."""
    reader, fragments, messages = FrameReader(most=MOST, deflate=True), Fragments(most=MOST), []
    try:
        for piece in pieces:
            reader.feed(piece)
            while (one := reader.take()) is not None:
                messages.append(fragments.add(one))
    except Violation as error:
        return messages, error.code
    return messages, None


@given(st.one_of(st.binary(max_size=400), st.lists(WHOLE, max_size=5).map(b"".join)), st.integers(1, 50))
def test_whatever_comes_is_read_the_same_in_any_pieces_or_refused(data, size):
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert outcome([data]) == outcome(pieces)
