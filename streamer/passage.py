"""By which way a request comes to media that is signed, and what that changes in the answer."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from aiohttp import web

from cdn.policy import private, surrogate
from packager import keys, narrowing
from packager.narrowing import Granted

_FIELD = b"Cache-Control: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """How the lines of a head are written, and which renditions a manifest may name where not all of them."""

    cache: Callable[[bytes], bytes]
    granted: Granted | None = None

    def head(self, lines: bytes) -> bytes:
        """Return the lines of a head, with its Cache-Control as this way needs it."""
        start = lines.find(_FIELD)
        if start < 0:
            return lines
        stop = lines.index(b"\r\n", start)
        return lines[:start] + self.cache(lines[start + len(_FIELD) : stop]) + lines[stop:]


passage_key: web.RequestKey[Passage] = web.RequestKey("passage", Passage)


def head_for(request: web.Request, lines: bytes) -> bytes:
    """Return the lines of a head for this request."""
    passage = request.get(passage_key)
    return lines if passage is None else passage.head(lines)


def narrow(request: web.Request) -> bool:
    """Say whether the answer to this request is a manifest with renditions left out."""
    passage = request.get(passage_key)
    return passage is not None and passage.granted is not None


def narrowed(request: web.Request, body: bytes, *, coded: bool) -> bytes:
    """Return the text of a manifest, which is `coded` with gzip or not, as this request may have it."""
    text = (gzip.decompress(body) if coded else body).decode()
    granted = request[passage_key].granted or (lambda _: True)
    make = narrowing.mpd if request.path.endswith(keys.MPD) else narrowing.multivariant
    return make(text, granted).encode()


@lru_cache(maxsize=64)
def viewers(cache: bytes) -> bytes:
    """Return the line of a Cache-Control towards the viewer who has a token."""
    return _FIELD + private(cache.decode()).encode()


@lru_cache(maxsize=64)
def edges(cache: bytes) -> bytes:
    """Return the lines of a Cache-Control towards an edge, which asks before it hands out what it keeps."""
    return _FIELD + cache + b"\r\nSurrogate-Control: " + surrogate(cache.decode()).encode()
