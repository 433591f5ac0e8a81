"""STUN and TURN servers: as they are configured, and as publishers are told of them."""

from __future__ import annotations

import pytest

from streamer.ingest.ice import IceServer, servers


def test_servers_are_read_and_told_of():
    stun, turn = servers(
        "stun:stun.example.net, turn:user:my%40Pass%22word@turn.example.net:3478?transport=udp,"
    )
    assert stun == IceServer(uri="stun:stun.example.net")
    assert stun.link == '<stun:stun.example.net>; rel="ice-server"'
    assert turn.uri == "turn:turn.example.net:3478?transport=udp"
    assert (turn.username, turn.credential) == ("user", 'my@Pass"word')
    assert turn.link == (
        '<turn:turn.example.net:3478?transport=udp>; rel="ice-server"; '
        'username="user"; credential="my@Pass\\"word"; credential-type="password"'
    )
    assert "my@" not in repr(turn)
    assert servers("") == ()


@pytest.mark.parametrize(
    "text",
    [
        "turn:turn.example.net",
        "turn:secret@turn.example.net",
        "stun:user:secret@stun.example.net",
        "stun:stun.example.net?transport=udp",
        "turn:user:secret@turn.example.net?transport=quic",
        "turn:user:sec%0d%0aret@turn.example.net",
        "http://secret.example.net",
        "stun:secret>example.net",
    ],
)
def test_what_is_none_is_refused_and_not_repeated(text):
    with pytest.raises(ValueError, match=r"stun|turn|ASCII") as caught:
        servers(text)
    assert "secret" not in str(caught.value)
