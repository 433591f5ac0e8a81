"""What the server proves itself with, over https and RTMPS alike."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

from streamer.config import Config
from streamer.errors import ConfigError


async def server_context(config: Config, *, key: str) -> ssl.SSLContext:
    """Return the context of the configured certificate. Raise ConfigError; `key` names what needs it."""
    certificate, secret = config.tls_certificate, config.tls_key
    if certificate is None or secret is None:
        raise ConfigError(f"{key} needs tls_certificate and tls_key.")
    return await asyncio.to_thread(_context, certificate, secret)


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return what a server proves itself with. Raise ConfigError where the files do not fit."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # Without a password of ours OpenSSL would ask the terminal for one.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except ssl.SSLError as error:
        raise ConfigError(
            "tls_certificate and tls_key are not a certificate in PEM and its key without a password:"
            f" {error.reason or error}"
        ) from error
    except OSError as error:
        raise ConfigError(f"tls_certificate or tls_key cannot be read: {error.strerror}") from error
    return context
