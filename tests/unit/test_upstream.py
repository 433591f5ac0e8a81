"""What is made of another server's answer."""

from __future__ import annotations

import pytest

from streamer.relay.upstream import Fetched


def fetched(rule: str = "public, max-age=3", **fields: str) -> Fetched:
    return Fetched(
        status=200,
        fields={"ETag": '"abc"', "Cache-Control": rule, "Content-Type": "video/mp4", **fields},
        body=b"body",
        size=4,
    )


@pytest.mark.parametrize(
    ("rule", "seconds"),
    [
        ("public, max-age=31536000, immutable", 31_536_000),
        ("max-age=1", 1),
        ("no-store", 0),
        ("private, no-store, max-age=5", 0),
        ("public, s-max-age=9", 0),
        ("", 0),
    ],
)
def test_it_is_kept_for_as_long_as_its_rule_allows(rule, seconds):
    assert fetched(rule).seconds == seconds


def test_an_empty_answer_stays_one():
    empty = Fetched(status=204, fields={"Cache-Control": "public, max-age=1"}, body=b"", size=0)
    assert empty.lines == b"HTTP/1.1 204 No Content\r\nCache-Control: public, max-age=1\r\n"


def test_an_entry_has_the_fields_as_they_came_and_an_age_from_a_second_on():
    entry = fetched().entry()
    assert entry.etag == "abc"
    assert entry.whole == (
        b'HTTP/1.1 200 OK\r\nContent-Length: 4\r\nETag: "abc"\r\nCache-Control: public, max-age=3\r\n'
        b"Content-Type: video/mp4\r\n"
    )
    assert b"Content-Type" not in entry.common
    assert b"Age: 2\r\n" in fetched().entry(age=2).common
