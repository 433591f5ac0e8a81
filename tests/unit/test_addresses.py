"""Where publishers are told to send to."""

from __future__ import annotations

import pytest

from streamer.live.addresses import Addresses


@pytest.mark.parametrize(
    ("host", "port", "address"),
    [
        ("localhost:8080", 1936, "rtmp://localhost:1936/live"),
        ("video.example.org", 1935, "rtmp://video.example.org/live"),
        ("[::1]:8080", 1936, "rtmp://[::1]:1936/live"),
        ("", 1936, "rtmp://localhost:1936/live"),
    ],
)
def test_publishers_send_to_the_host_that_was_asked(host, port, address):
    assert Addresses(rtmp=lambda: port).of(host) == {"rtmp": address}


def test_the_public_host_goes_first():
    addresses = Addresses(public_url="https://tv.example.org", rtmp=lambda: 1935)
    assert addresses.of("10.0.0.1:8080") == {"rtmp": "rtmp://tv.example.org/live"}


def test_each_open_door_is_named():
    addresses = Addresses(rtmp=lambda: 1935, rtmps=lambda: 1936)
    assert addresses.of("localhost") == {
        "rtmp": "rtmp://localhost/live",
        "rtmps": "rtmps://localhost:1936/live",
    }
    assert Addresses(rtmp=lambda: None, rtmps=lambda: 443).of("localhost") == {
        "rtmps": "rtmps://localhost/live"
    }


def test_a_door_that_is_closed_is_not_named():
    assert Addresses(rtmp=lambda: None).of("localhost") == {}


def test_webrtc_goes_where_http_does():
    assert Addresses(rtmp=lambda: None, whip=True).of("10.0.0.1:8080") == {
        "whip": "http://10.0.0.1:8080/whip"
    }
    addresses = Addresses(public_url="https://tv.example.org/", rtmp=lambda: None, whip=True)
    assert addresses.of("10.0.0.1:8080") == {"whip": "https://tv.example.org/whip"}
