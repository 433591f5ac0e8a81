"""Messages in chunks of any form, in any pieces, and the bounds that hold whatever is sent."""

from __future__ import annotations

import contextlib
import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.ingest import chunks
from streamer.ingest.chunks import ChunkReader, Message
from streamer.ingest.errors import BadChunks, IngestError, TooLarge
from tests.encoder import basic, chunked

VIDEO = chunks.VIDEO
WRAP = 1 << 32


def read(stream, *, message_max=1 << 20, sizes=()):
    reader, found, at = ChunkReader(message_max=message_max), [], 0
    for size in [*sizes, len(stream)]:
        found += reader.feed(stream[at : at + size])
        at += size
    return found


messages = st.builds(
    Message,
    type=st.sampled_from([8, 9, 18, 20]),
    body=st.binary(max_size=700),
    time=st.integers(0, WRAP - 1),
    stream=st.integers(0, WRAP - 1),
)
times = st.sampled_from([0, 20, 0xFFFFFE, 0xFFFFFF, 0x1000000, WRAP - 1]) | st.integers(0, WRAP - 1)


@given(messages, st.integers(2, 63))
def test_what_is_written_is_read_back(message, stream):
    assert read(chunks.write(message, chunk_stream=stream, size=chunks.CHUNK_SIZE)) == [message]


@given(st.data())
def test_every_form_of_head_is_understood_in_any_pieces(data):
    """Streams of chunks as a careful sender would make them, each head in a form drawn from those allowed."""
    sent, wire, last, size = [], b"", {}, 128
    for _ in range(data.draw(st.integers(1, 8))):
        if data.draw(st.booleans()):
            new = data.draw(st.sampled_from([1, 64, 4096]))
            announcement = Message(type=chunks.SET_CHUNK_SIZE, body=struct.pack(">I", new))
            wire += chunked(announcement, stream=2, size=size)
            size = new
        stream = data.draw(st.sampled_from([3, 63, 64, 319, 320, 65_599]))
        before = last.get(stream)
        form = data.draw(st.integers(0, 3 if before else 0))
        body = data.draw(st.binary(max_size=300))
        step = data.draw(times)
        message = Message(type=VIDEO, body=body, time=step, stream=1)
        if form and before:
            earlier, earlier_step = before
            if form >= 2:
                message = Message(type=VIDEO, body=body[: len(earlier.body)].ljust(len(earlier.body)))
            step = earlier_step if form == 3 else step
            message = Message(type=VIDEO, body=message.body, time=(earlier.time + step) % WRAP, stream=1)
        wire += chunked(message, form=form, stream=stream, step=step, size=size)
        last[stream] = message, step
        sent.append(message)
    assert read(wire, sizes=data.draw(st.lists(st.integers(1, 50), max_size=60))) == sent


def test_messages_of_several_chunk_streams_interleave():
    picture, sound = bytes(300), bytes([7]) * 130
    head = chunked(Message(type=VIDEO, body=picture), stream=6)
    other = chunked(Message(type=8, body=sound), stream=4)
    cut, gap = 12 + 128, 12 + 128
    wire = head[:cut] + other[:gap] + head[cut : cut + 129] + other[gap:] + head[cut + 129 :]
    assert [message.body for message in read(wire)] == [sound, picture]


@given(
    st.lists(st.binary(min_size=1, max_size=900), min_size=2, max_size=4),
    st.sampled_from([7, 128]),
    st.data(),
)
def test_long_messages_interleave_in_any_order_and_pieces(bodies, size, data):
    reader = ChunkReader(message_max=1 << 20)
    reader.feed(chunked(Message(type=chunks.SET_CHUNK_SIZE, body=struct.pack(">I", size)), stream=2))
    waiting, wire, done = [], b"", []
    for number, body in enumerate(bodies):
        whole = chunked(Message(type=VIDEO, body=body), stream=3 + number, size=size)
        cuts = [12 + size + (size + 1) * n for n in range(len(whole) // (size + 1))]
        waiting.append([whole[a:b] for a, b in pairwise([0, *cuts, len(whole)]) if whole[a:b]])
    while left := [number for number, pieces in enumerate(waiting) if pieces]:
        number = data.draw(st.sampled_from(left))
        for _ in range(data.draw(st.integers(1, 6))):
            wire += waiting[number].pop(0)
            if not waiting[number]:
                done.append(bodies[number])
                break
    found, at = [], 0
    for piece in [*data.draw(st.lists(st.integers(1, 400), max_size=12)), len(wire)]:
        found += reader.feed(wire[at : at + piece])
        at += piece
    assert [message.body for message in found] == done


def test_extended_times_may_be_left_out_inside_a_message():
    time, body = 0x1234567, bytes(range(200)) * 2
    wire = basic(0, 3) + b"\xff\xff\xff" + (400).to_bytes(3, "big") + bytes([VIDEO]) + bytes(4)
    wire += struct.pack(">I", time)
    wire += basic(3, 3).join(body[at : at + 128] for at in range(0, 400, 128))
    assert read(wire) == [Message(type=VIDEO, body=body, time=time)]


def test_a_chunk_stream_may_begin_with_a_delta():
    message = Message(type=chunks.USER_CONTROL, body=b"\0\x06abcd")
    assert read(chunked(message, form=1, stream=2)) == [message]


def test_an_aborted_message_is_forgotten():
    begun = chunked(Message(type=VIDEO, body=bytes(300)), stream=6)[: 12 + 128]
    abort = chunked(Message(type=chunks.ABORT, body=struct.pack(">I", 6)), stream=2)
    whole = Message(type=VIDEO, body=b"new")
    assert read(begun + abort + chunked(whole, stream=6)) == [whole]


@pytest.mark.parametrize(
    "wire",
    [
        basic(3, 3),
        basic(2, 3) + bytes(3),
        chunked(Message(type=VIDEO, body=bytes(300)))[: 12 + 128] + chunked(Message(type=VIDEO, body=b"x")),
        chunked(Message(type=chunks.SET_CHUNK_SIZE, body=bytes(4)), stream=2),
        chunked(Message(type=chunks.SET_CHUNK_SIZE, body=b"\x80\0\0\0"), stream=2),
        chunked(Message(type=chunks.SET_CHUNK_SIZE, body=b"\0"), stream=2),
        b"".join(chunked(Message(type=VIDEO, body=b"x"), stream=3 + number) for number in range(65)),
    ],
    ids=["refers", "refers to a length", "inside", "no size", "negative size", "short", "many streams"],
)
def test_what_is_no_chunk_stream(wire):
    with pytest.raises(BadChunks):
        read(wire)


def test_a_message_too_large_is_refused_by_its_head():
    with pytest.raises(TooLarge):
        read(chunked(Message(type=VIDEO, body=bytes(1001)))[:12], message_max=1000)


def test_unfinished_messages_are_bounded_all_together():
    begun = [chunked(Message(type=VIDEO, body=bytes(500)), stream=3 + n)[: 12 + 128] for n in range(8)]
    assert read(b"".join(begun[:7]), message_max=1000) == []
    with pytest.raises(TooLarge):
        read(b"".join(begun), message_max=1000)


@given(st.binary(max_size=600), st.lists(st.integers(1, 40), max_size=20))
def test_any_bytes_are_messages_or_a_named_error(noise, sizes):
    with contextlib.suppress(IngestError):
        read(noise, sizes=sizes)
