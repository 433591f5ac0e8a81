"""How requests to other people's programs are signed: their body together with the time."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

SIGNATURE: Final = "Streamer-Signature"
"""The header: `t=SECONDS,v1=HEX`, an HMAC-SHA256 over `SECONDS.BODY`."""


def signature(secret: str, body: bytes, *, seconds: int) -> str:
    """Return the header's value for a body that is sent at a time, in seconds since the epoch."""
    signed = hmac.new(secret.encode(), b"%d.%s" % (seconds, body), hashlib.sha256)
    return f"t={seconds},v1={signed.hexdigest()}"
