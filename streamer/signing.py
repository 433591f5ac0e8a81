"""How requests to other people's programs are signed: their body together with the time."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

SIGNATURE: Final = "Streamer-Signature"
"""The header: `t=SECONDS,v1=HEX`, an HMAC-SHA256 over `SECONDS.BODY`; with two secrets `v1=` comes twice."""


def signature(secret: str, body: bytes, *, seconds: int, former: str | None = None) -> str:
    """Return the header's value for a body that is sent at a time, in seconds since the epoch.

    `former` signs too: the secret whose place the other one takes.
    """
    message = b"%d.%s" % (seconds, body)
    secrets = (secret,) if former is None else (secret, former)
    signed = [hmac.new(one.encode(), message, hashlib.sha256).hexdigest() for one in secrets]
    return ",".join([f"t={seconds}", *(f"v1={one}" for one in signed)])
