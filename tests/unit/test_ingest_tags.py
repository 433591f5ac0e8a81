"""Messages become tags: times that never wrap, plain media, script data without its wrapping."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.ingest import amf, chunks, flv
from streamer.ingest.chunks import Message
from streamer.ingest.errors import BadAmf, BadTag, CodecRefused, IngestError
from streamer.ingest.flv import Kind, Tag
from streamer.ingest.tags import TagReader
from tests.encoder import PICTURE, SOUND

WRAP = 1 << 32


def video(body, time=0):
    return Message(type=chunks.VIDEO, body=body, time=time)


def audio(body, time=0):
    return Message(type=chunks.AUDIO, body=body, time=time)


def payloads(message):
    return [tag.payload for tag in TagReader().read(message)]


def times(*messages):
    reader = TagReader()
    return [tag.time for message in messages for tag in reader.read(message)]


@pytest.mark.parametrize("wrap", [1 << 32, 1 << 31], ids=["32 bits", "31 bits"])
def test_times_go_on_behind_the_wrap(wrap):
    sent = [wrap - 40, wrap - 20, 0, wrap - 1, 20]
    assert times(*(video(PICTURE, time) for time in sent)) == [*sent[:2], wrap, wrap - 1, wrap + 20]


@given(st.integers(0, WRAP - 1), st.lists(st.integers(-5000, 1 << 29), max_size=30))
def test_times_keep_their_distances(first, steps):
    real = [first]
    for step in steps:
        real.append(max(first, real[-1] + step))
    assert times(*(audio(SOUND, time % WRAP) for time in real)) == real


def test_only_what_is_seen_or_heard_leads_the_times():
    late = 3_000_000_000
    script = Message(type=chunks.DATA, body=amf.encode("@setDataFrame", "onMetaData", {}))
    configuration = video(b"\x17\0\0\0\0avcc")
    sent = [script, configuration, video(PICTURE, late), script, video(PICTURE, late + 40), configuration]
    assert times(*sent)[2::2] == [late, late + 40]


def test_script_data_loses_its_wrapping():
    metadata = amf.encode("onMetaData", {"framerate": 25})
    for message in (
        Message(type=chunks.DATA, body=amf.encode("@setDataFrame") + metadata),
        Message(type=chunks.DATA, body=metadata),
        Message(type=chunks.DATA_AMF3, body=b"\0" + amf.encode("@setDataFrame") + metadata),
    ):
        assert payloads(message) == [metadata]
    assert payloads(Message(type=chunks.DATA, body=amf.encode("@clearDataFrame", "onMetaData"))) == []
    with pytest.raises(BadAmf):
        payloads(Message(type=chunks.DATA, body=b"\x02\0\x09onMeta"))


@pytest.mark.parametrize(
    ("message", "plain"),
    [
        (video(PICTURE), PICTURE),
        (video(b"\x90avc1avcc"), b"\x17\0\0\0\0avcc"),
        (video(b"\x91avc1\0\0\x28idr"), b"\x17\x01\0\0\x28idr"),
        (video(b"\xa3avc1p"), b"\x27\x01\0\0\0p"),
        (audio(SOUND), SOUND),
        (audio(b"\x90mp4a\x11\x90"), b"\xaf\0\x11\x90"),
        (audio(b"\x91mp4aunit"), b"\xaf\x01unit"),
    ],
    ids=["plain", "avcC", "with offset", "without offset", "plain sound", "configuration", "sound"],
)
def test_both_forms_of_heads_become_the_plain_one(message, plain):
    assert payloads(message) == [plain]


@pytest.mark.parametrize(
    "message",
    [
        video(b""),
        video(b"\x17\x02\0\0\0"),
        video(b"\x57\0"),
        video(b"\x92avc1"),
        video(b"\x94avc1colour"),
        video(b"\xd1avc1\0"),
        audio(b""),
        audio(b"\xaf\x01"),
        audio(b"\x92mp4a"),
        Message(type=chunks.ACKNOWLEDGEMENT, body=bytes(4)),
    ],
    ids=str,
)
def test_what_is_neither_seen_nor_heard_is_left_out(message):
    assert payloads(message) == []


@pytest.mark.parametrize(
    ("message", "named"),
    [
        (video(b"\x91hvc1\0\0\0x"), "H.265"),
        (video(b"\x1c\x01\0\0\0x"), "H.265"),
        (video(b"\x91av01x"), "AV1"),
        (video(b"\x12x"), "H.263"),
        (video(b"\x91????x"), "unknown"),
        (video(b"\x96\0avc1x"), "several tracks"),
        (video(b"\x97\0"), "finer than a millisecond"),
        (audio(b"\x2fx"), "MP3"),
        (audio(b"\x90Opusx"), "Opus"),
        (audio(b"\x95\0mp4ax"), "several tracks"),
    ],
)
def test_other_codecs_are_refused_by_name(message, named):
    with pytest.raises(CodecRefused, match=named):
        TagReader().read(message)


@pytest.mark.parametrize(
    "message", [video(b"\x17\x01"), video(b"\x91av"), video(b"\x91avc1\0"), audio(b"\xaf")]
)
def test_media_shorter_than_its_head_is_named(message):
    with pytest.raises(BadTag):
        TagReader().read(message)


def test_an_aggregate_holds_tags_at_times_of_their_own():
    parts = [Tag(kind=Kind.VIDEO, time=100, payload=PICTURE), Tag(kind=Kind.AUDIO, time=121, payload=SOUND)]
    whole = Message(type=chunks.AGGREGATE, body=b"".join(map(flv.write, parts)), time=5000)
    assert [(tag.kind, tag.time, tag.payload) for tag in TagReader().read(whole)] == [
        (Kind.VIDEO, 5000, PICTURE),
        (Kind.AUDIO, 5021, SOUND),
    ]
    with pytest.raises(BadTag):
        TagReader().read(Message(type=chunks.AGGREGATE, body=whole.body[:-9]))


@given(st.sampled_from([8, 9, 15, 18, 22]), st.binary(max_size=80))
def test_any_body_gives_whole_tags_or_a_named_error(kind, body):
    with contextlib.suppress(IngestError):
        for tag in TagReader().read(Message(type=kind, body=body)):
            assert tag.body
            assert isinstance(tag.configuration, bool)
            assert isinstance(tag.keyframe, bool)
            assert -(1 << 23) <= tag.offset < 1 << 23
            flv.metadata(tag)
