"""Addresses and commands of encoders, and what they are answered."""

from __future__ import annotations

import pytest

from streamer.errors import CatalogAway
from streamer.ingest import amf, chunks, commands, statuses
from streamer.ingest.chunks import ChunkReader, Message
from streamer.ingest.door import Ending
from streamer.ingest.errors import (
    BadAmf,
    BadChunks,
    BadPriority,
    CodecRefused,
    KeyBusy,
    KeyUnknown,
    NoSuchApp,
    NotForPlaying,
    Silent,
)


def key(app, name):
    return commands.key_of(commands.in_app(app, "live"), name)


@pytest.mark.parametrize(
    ("app", "name"),
    [
        ("live", "KEY"),
        ("live/", "KEY"),
        ("/live", "KEY/"),
        ("live", "KEY?user=me"),
        ("live?user=me", "KEY"),
        ("live/KEY", ""),
        ("live/KEY/", ""),
        ("live/KEY?user=me", "?x"),
    ],
)
def test_the_key_is_found_where_encoders_put_it(app, name):
    assert key(app, name) == "KEY"


@pytest.mark.parametrize(
    ("app", "name", "priority"),
    [
        ("live", "KEY", 0),
        ("live", "KEY?priority=5", 5),
        ("live", "KEY/?user=me&priority=9&x", 9),
        ("live?priority=3", "KEY", 3),
        ("live?priority=3", "KEY?priority=4", 4),
        ("live/KEY?priority=7", "", 7),
        ("live", "KEY?xpriority=5&user=priority=5", 0),
    ],
)
def test_a_priority_is_found_beside_the_key(app, name, priority):
    assert commands.priority_of(app, name) == priority
    assert key(app, name) == "KEY"


@pytest.mark.parametrize("value", ["", "10", "-1", "x", "1.0", "²", "٣"])
def test_a_priority_is_one_digit(value):
    with pytest.raises(BadPriority):
        commands.priority_of("live", f"KEY?priority={value}")


@pytest.mark.parametrize(("app", "name"), [("live", ""), ("live", "a/b"), ("live/a", "b"), ("live", "?a")])
def test_an_address_without_one_key(app, name):
    with pytest.raises(KeyUnknown):
        key(app, name)


@pytest.mark.parametrize("app", ["", "other", "living", "other/live"])
def test_an_address_of_another_application(app):
    with pytest.raises(NoSuchApp, match="/live/"):
        key(app, "KEY")


def test_commands_are_read_in_both_types():
    body = amf.encode("connect", 1, {"app": "live"}, "more")
    for message in (
        Message(type=chunks.COMMAND, body=body),
        Message(type=chunks.COMMAND_AMF3, body=b"\0" + body),
    ):
        command = commands.read(message)
        assert (command.name, command.number, command.object) == ("connect", 1, {"app": "live"})
        assert (command.text(1), command.text(0), command.text(9)) == ("more", "", "")
    assert commands.read(Message(type=chunks.VIDEO, body=body)) is None


@pytest.mark.parametrize("values", [[], [1], [None, 1], ["x", "y"]])
def test_a_command_without_name_or_number_is_none(values):
    with pytest.raises(BadAmf):
        commands.read(Message(type=chunks.COMMAND, body=amf.encode(*values)))


def test_a_greeting_announces_chunks_before_they_are_written():
    long = statuses.failed(KeyUnknown("why " * 200))
    assert len(long) > chunks.CHUNK_SIZE
    *limits, message = ChunkReader(message_max=4096).feed(commands.greeting(window=2_500_000) + long)
    assert [limit.type for limit in limits] == [chunks.WINDOW_SIZE, chunks.PEER_BANDWIDTH]
    assert {limit.body[:4] for limit in limits} == {(2_500_000).to_bytes(4, "big")}
    assert amf.decode(message.body)[0] == "onStatus"


def told(written):
    (message,) = ChunkReader(message_max=4096).feed(commands.greeting(window=1) + written)[2:]
    name, number, nothing, information = amf.decode(message.body)
    assert (name, number, nothing, message.stream) == ("onStatus", 0, None, commands.STREAM)
    return information


@pytest.mark.parametrize(
    ("written", "code"),
    [
        (statuses.failed(KeyUnknown("why")), "NetStream.Publish.Unauthorized"),
        (statuses.failed(KeyBusy("why")), "NetStream.Publish.BadName"),
        (statuses.failed(CodecRefused("why")), "NetStream.Publish.Rejected"),
        (statuses.failed(Silent("why")), "NetStream.Publish.Idle"),
        (statuses.failed(CatalogAway("why")), "NetStream.Failed"),
        (statuses.failed(NotForPlaying("why")), "NetStream.Play.Failed"),
    ],
)
def test_failures_carry_their_reason(written, code):
    assert told(written) == {"level": "error", "code": code, "description": "why"}


def test_every_ending_is_told_as_an_error():
    for ending in Ending:
        assert told(statuses.ended(ending))["level"] == "error"
    assert statuses.failed(BadChunks("nobody would understand")) == b""


def test_pings_are_answered_and_nothing_else():
    answer = commands.pong(Message(type=chunks.USER_CONTROL, body=b"\0\x06abcd"))
    assert ChunkReader(message_max=99).feed(answer)[0].body == b"\0\x07abcd"
    for body in (b"", b"\0\x06abc", b"\0\x03abcd0000"):
        assert commands.pong(Message(type=chunks.USER_CONTROL, body=body)) == b""
