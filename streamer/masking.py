"""Log lines without playback tokens, wherever in a message or a traceback one stands."""

from __future__ import annotations

import logging
import re

_PATH = re.compile(r"/p/[^/\s?#\"']+")
_TOKEN = re.compile(r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")


def masked(text: str) -> str:
    """Return a text with stars in place of tokens."""
    return _TOKEN.sub("***", _PATH.sub("/p/***", text))


class Masking(logging.Formatter):
    """A formatter whose lines hold no token."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record, with the traceback that belongs to it."""
        return masked(super().format(record))
