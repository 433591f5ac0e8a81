"""Log lines without playback tokens."""

from __future__ import annotations

import logging

from streamer.masking import Masking, masked
from tests.tokens import ed25519, signed

TOKEN = signed(ed25519()[0])


def test_a_token_is_starred_in_a_path_and_anywhere_else():
    assert (
        masked(f"the reader of /p/{TOKEN}/a/main.m3u8 has gone")
        == "the reader of /p/***/a/main.m3u8 has gone"
    )
    assert masked("GET /p/anything/a/main.m3u8?x") == "GET /p/***/a/main.m3u8?x"
    assert masked(f"Bearer {TOKEN}, {TOKEN[:-20]}") == "Bearer ***, ***"
    assert masked("a /player/x.js and /v/a/p/b") == "a /player/x.js and /v/a/p/***"


def test_arguments_and_tracebacks_are_starred():
    error = ValueError(f"/p/{TOKEN}/a")
    record = logging.LogRecord("a", 20, "f", 1, "at %s", (f"/p/{TOKEN}/b",), (ValueError, error, None))
    line = Masking("%(message)s").format(record)
    assert "ValueError" in line
    assert TOKEN not in line
