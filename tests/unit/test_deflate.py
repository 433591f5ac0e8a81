"""What of permessage-deflate is agreed on, and what is made of messages."""

from __future__ import annotations

import zlib

import pytest

from streamer.deflate import Overlong, Undecodable, agreed, deflate, inflate

ANSWER = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        ("permessage-deflate", ANSWER),
        ("permessage-deflate; client_max_window_bits", ANSWER),
        ("permessage-deflate;client_max_window_bits=9", ANSWER),
        ("permessage-deflate; server_no_context_takeover; client_no_context_takeover", ANSWER),
        ("permessage-deflate; server_max_window_bits=15", f"{ANSWER}; server_max_window_bits=12"),
        ('permessage-deflate; server_max_window_bits="12"', f"{ANSWER}; server_max_window_bits=12"),
        ("permessage-deflate; server_max_window_bits=11", None),
        ("permessage-deflate; server_max_window_bits=9, permessage-deflate", ANSWER),
        ("permessage-deflate; server_max_window_bits", None),
        ("permessage-deflate; server_max_window_bits=16", None),
        ("permessage-deflate; client_max_window_bits=012", None),
        ("permessage-deflate; client_max_window_bits=\u00b2", None),
        ("permessage-deflate; server_no_context_takeover=1", None),
        ("permessage-deflate; client_max_window_bits; client_max_window_bits", None),
        ("permessage-deflate; unheard_of", None),
        ("x-webkit-deflate-frame, permessage-deflate", ANSWER),
        ("x-webkit-deflate-frame", None),
        ("", None),
        (";,;=;,", None),
    ],
)
def test_an_offer_is_answered(offer, answer):
    assert agreed([offer]) == answer


def test_offers_may_stand_in_several_headers():
    assert agreed(["x-other", "permessage-deflate"]) == ANSWER
    assert agreed([]) is None


def test_messages_of_one_stream_refer_to_none_before_them():
    texts = [b"the same text, the same text %d" % number for number in range(5)]
    together = zlib.decompressobj(-12)
    for text in texts:
        packed = deflate(text)
        assert inflate(packed, most=100) == text
        assert together.decompress(packed + b"\x00\x00\xff\xff") == text


def test_a_message_may_end_with_a_final_block():
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(b"a final block") + packer.flush(zlib.Z_FINISH)
    assert inflate(packed + b"\x00", most=100) == b"a final block"
    with pytest.raises(Undecodable):
        inflate(packed + b"something more", most=100)


def test_an_empty_message_is_one_zero():
    assert inflate(b"\x00", most=0) == b""


def test_what_is_not_deflated_is_refused():
    with pytest.raises(Undecodable):
        inflate(b"\xff\xff\xff", most=100)


def test_what_inflates_to_too_much_is_refused_before_it_has():
    packed = deflate(bytes(1 << 20))
    assert len(packed) < 10_000
    with pytest.raises(Overlong):
        inflate(packed, most=(1 << 20) - 1)
    assert inflate(packed, most=1 << 20) == bytes(1 << 20)
