"""The content coding of manifests."""

from __future__ import annotations

import gzip

_LEVEL = 6


def compressed(body: bytes) -> bytes:
    """Compress; no time of day in it, so that equal text gives equal bytes."""
    return gzip.compress(body, _LEVEL, mtime=0)
