"""Tags of FLV: what they are, how they are written, what onMetaData says."""

from __future__ import annotations

import io
from fractions import Fraction
from itertools import pairwise

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.ingest import amf, flv
from streamer.ingest.errors import BadFlv
from streamer.ingest.flv import FlvReader, Kind, Tag, Unwrapping


def tag(kind, payload, time=0):
    return Tag(kind=kind, time=time, payload=payload)


@pytest.mark.parametrize(
    ("one", "configuration", "keyframe", "offset", "body"),
    [
        (tag(Kind.VIDEO, b"\x17\0\0\0\0avcc"), True, False, 0, b"avcc"),
        (tag(Kind.VIDEO, b"\x17\x01\0\0\x50idr"), False, True, 80, b"idr"),
        (tag(Kind.VIDEO, b"\x27\x01\xff\xff\xfdp"), False, False, -3, b"p"),
        (tag(Kind.AUDIO, b"\xaf\0\x11\x90"), True, False, 0, b"\x11\x90"),
        (tag(Kind.AUDIO, b"\xaf\x01unit"), False, False, 0, b"unit"),
        (tag(Kind.SCRIPT, b"\x02\0\x01x"), False, False, 0, b"\x02\0\x01x"),
    ],
    ids=["avcC", "keyframe", "picture shown early", "AudioSpecificConfig", "sound", "script"],
)
def test_a_tag_says_what_it_is(one, configuration, keyframe, offset, body):
    assert (one.configuration, one.keyframe, one.offset, one.body) == (configuration, keyframe, offset, body)


def test_tags_are_written_as_the_format_has_them():
    assert flv.head() == b"FLV\x01\x05\0\0\0\x09\0\0\0\0"
    assert flv.head(video=False)[4] == 4
    written = flv.write(tag(Kind.AUDIO, b"\xaf\x01a", time=0x1_2345_6789))
    assert written == b"\x08\0\0\x03\x45\x67\x89\x23\0\0\0" + b"\xaf\x01a" + b"\0\0\0\x0e"


def test_another_reader_finds_the_times_that_were_written():
    sound = [tag(Kind.AUDIO, b"\xaf\0\x11\x90")]
    sound += [tag(Kind.AUDIO, b"\xaf\x01\x21\x10\x04", time=time) for time in (16_777_210, 16_777_231)]
    with av.open(io.BytesIO(flv.head(video=False) + b"".join(map(flv.write, sound))), format="flv") as file:
        assert [packet.dts for packet in file.demux(audio=0) if packet.size] == [16_777_210, 16_777_231]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (30, Fraction(30)),
        (29.97, Fraction(30000, 1001)),
        (30000 / 1001, Fraction(30000, 1001)),
        (23.98, Fraction(24000, 1001)),
        (24, Fraction(24)),
        (59.94, Fraction(60000, 1001)),
        (12.5, Fraction(25, 2)),
        (0, None),
        (-25, None),
        (1e9, None),
        (float("inf"), None),
        (float("nan"), None),
        ("30", None),
        (True, None),
    ],
)
def test_frame_rates_are_fractions(said, meant):
    told = flv.metadata(tag(Kind.SCRIPT, amf.encode("onMetaData", {"framerate": said})))
    assert told.frame_rate == meant


def test_metadata_tells_size_and_encoder():
    values = {"width": 1280.0, "height": 720.0, "encoder": "obs", "custom": "x"}
    told = flv.metadata(tag(Kind.SCRIPT, amf.encode("onMetaData", values)))
    assert (told.width, told.height, told.encoder, told.values) == (1280, 720, "obs", values)
    assert flv.metadata(tag(Kind.SCRIPT, amf.encode("onMetaData"))).values == {}


def test_other_tags_have_no_metadata():
    assert flv.metadata(tag(Kind.SCRIPT, amf.encode("onCuePoint", {"framerate": 30}))) is None
    assert flv.metadata(tag(Kind.AUDIO, b"\xaf\x01a")) is None


TAGS = st.builds(
    Tag,
    kind=st.sampled_from(Kind),
    time=st.integers(0, 0xFFFFFFFF),
    payload=st.binary(min_size=2, max_size=300),
)


@given(tags=st.lists(TAGS, max_size=8), cuts=st.sets(st.integers(0, 2500)))
def test_tags_are_read_however_the_bytes_are_cut(tags, cuts):
    body = flv.head() + b"".join(map(flv.write, tags))
    edges = [0, *sorted(cut for cut in cuts if cut < len(body)), len(body)]
    reader, found = FlvReader(), []
    for begin, end in pairwise(edges):
        found += reader.feed(body[begin:end])
    assert found == tags
    assert reader.whole
    assert flv.read(body) == tags


@given(tags=st.lists(TAGS, min_size=1, max_size=4), missing=st.integers(1, 400))
def test_a_cut_file_is_none(tags, missing):
    body = flv.head() + b"".join(map(flv.write, tags))
    last = len(flv.write(tags[-1]))
    with pytest.raises(BadFlv):
        flv.read(body[: -min(missing, last - 1)])


@pytest.mark.parametrize(
    "body",
    [
        b"RIFF" + bytes(20),
        b"FLV\x01\x05\0\0\0\x0a" + bytes(20),
        flv.head() + b"\x05" + bytes(20),
        flv.head() + b"\x09\xff\xff\xff" + bytes(20),
    ],
    ids=["another file", "a longer head", "a tag of no kind", "a tag too large"],
)
def test_what_is_not_flv_is_refused(body):
    with pytest.raises(BadFlv):
        FlvReader(tag_max=1000).feed(body)


def test_times_that_wrap_go_on():
    unwrapping = Unwrapping()
    sent = [(1 << 31) - 20, 0, 20, (1 << 31) - 1, 40]
    found = [unwrapping.tag(tag(Kind.AUDIO, b"\xaf\x01a", time=time)).time for time in sent]
    assert found == [(1 << 31) - 20, 1 << 31, (1 << 31) + 20, (1 << 31) - 1, (1 << 31) + 40]
