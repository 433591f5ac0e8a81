"""Headers of tus are read as written, and nothing else is let through."""

from __future__ import annotations

import hashlib
import unicodedata
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.uploads.errors import InvalidUpload, TooLarge
from streamer.uploads.metadata import (
    TITLE_MAX,
    UNTITLED,
    clean,
    parse_checksum,
    parse_concat,
    parse_metadata,
    parse_size,
    render_metadata,
    title_of,
    title_of_name,
)
from streamer.uploads.upload import Upload, from_json

KEYS = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=","), min_size=1, max_size=20
)
ID = "0123456789abcdef" * 2


@given(st.dictionaries(KEYS, st.binary(max_size=60), max_size=6))
def test_metadata_come_back_as_they_went(pairs):
    assert parse_metadata(render_metadata(pairs)) == pairs


@given(st.text(max_size=80))
def test_any_metadata_header_is_read_or_refused(header):
    try:
        pairs = parse_metadata(header)
    except InvalidUpload:
        return
    assert all(key and " " not in key and "," not in key for key in pairs)


def test_an_empty_metadata_header_is_no_error():
    assert parse_metadata("") == parse_metadata("  ") == {}
    assert parse_metadata("filename YQ==, is_private") == {"filename": b"a", "is_private": b""}


@pytest.mark.parametrize("header", ["a YQ==,a YQ==", ",", "a YQ==,", "a !!", "ä YQ==", "a Y Q=="])
def test_bad_metadata_are_refused(header):
    with pytest.raises(InvalidUpload):
        parse_metadata(header)


@given(st.text(max_size=400))
def test_a_title_is_one_visible_line(name):
    title = title_of_name(name)
    assert title
    assert len(title) <= TITLE_MAX
    assert title == " ".join(title.split())
    assert not any(unicodedata.category(character).startswith("C") for character in title)
    assert clean(title) == title


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("holiday.mp4", "holiday"),
        ("C:\\clips\\a b.MOV", "a b"),
        ("../../etc/passwd", "passwd"),
        ("-i.mp4", "-i"),
        ("a%03d.mp4", "a%03d"),
        ("concat:a|b", "concat:a|b"),
        ("a\r\nb\0c.mkv", "a b c"),
        ("\u202egpj.4pm", "gpj"),
        (".mp4", ".mp4"),
        ("", UNTITLED),
        ("///", UNTITLED),
        ("x" * 300 + ".mp4", "x" * 200),
        ("v1.2 final.mp4", "v1.2 final"),
    ],
)
def test_titles_of_file_names(name, title):
    assert title_of_name(name) == title


def test_a_title_given_goes_before_the_file_name():
    assert title_of({"filename": b"a.mp4", "title": b"My v1.0"}) == "My v1.0"
    assert title_of({"filename": b"a.mp4", "title": b" "}) == "a"
    assert title_of({"name": b"\xff.mp4"}) == "\N{REPLACEMENT CHARACTER}"
    assert title_of({}) == UNTITLED


@given(st.integers(min_value=0, max_value=1 << 70))
def test_sizes(number):
    limit = (1 << 63) - 1
    if number > limit:
        with pytest.raises(TooLarge):
            parse_size(str(number), name="Upload-Length", limit=limit)
    else:
        assert parse_size(str(number), name="Upload-Length", limit=limit) == number


@pytest.mark.parametrize("header", ["", "-1", "+5", " 5", "5 ", "1e3", "0x10", "٣", "1_000", "5.0"])
def test_what_is_no_size(header):
    with pytest.raises(InvalidUpload):
        parse_size(header, name="Upload-Length", limit=10_000)


def test_a_size_of_five_thousand_digits_is_only_too_large():
    with pytest.raises(TooLarge):
        parse_size("9" * 5000, name="Upload-Length", limit=10)
    assert parse_size("0" * 5000 + "7", name="Upload-Length", limit=10) == 7


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_checksums(algorithm):
    digest = hashlib.new(algorithm, b"x").digest()
    found = parse_checksum(f"{algorithm} {b64encode(digest).decode()}")
    assert (found.algorithm, found.digest) == (algorithm, digest)


@pytest.mark.parametrize("header", ["", "sha1", "md5 YQ==", "sha1 YQ==", "sha1 ??", "SHA1 YQ=="])
def test_bad_checksums(header):
    with pytest.raises(InvalidUpload):
        parse_checksum(header)


def test_concatenation():
    assert parse_concat("partial") is None
    assert parse_concat(f"final;/api/v1/uploads/{ID} http://h/x/{ID}/") == (ID, ID)
    for header in ("", "final", "final;", "final;/a", f"other;/{ID}", "final;/../../x", f"final;/{ID}.json"):
        with pytest.raises(InvalidUpload):
            parse_concat(header)


def test_a_record_comes_back_as_it_was_written():
    upload = Upload(id=ID, length=None, created=1, expires=2, parts=(ID,), metadata="a YQ==")
    assert from_json(upload.to_json()) == upload
    for text in (b"", b"{}", b"[]", b'{"id": 1, "more": 2}'):
        with pytest.raises(ValueError):
            from_json(text)
