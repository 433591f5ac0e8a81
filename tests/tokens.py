"""Playback tokens as applications make them, and as attackers do."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from cdn.sign import make_key

NOW = 1_800_000_000
ASSET = "abcdefghjkmn"


def rsa_key(bits: int = 2048) -> tuple[str, str]:
    """Return an RSA key: private and public, in PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return private.decode(), key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def signed(private: str, *, kid: str | None = "k1", algorithm: str = "EdDSA", **claims: Any) -> str:
    """Return a token; claims that are not given say that it opens ASSET for a minute."""
    said = {"sub": ASSET, "exp": NOW + 60, **claims}
    headers = {} if kid is None else {"kid": kid}
    return jwt.encode({name: it for name, it in said.items() if it is not None}, private, algorithm, headers)


def forged(header: dict[str, Any], claims: Any, signature: bytes = b"") -> str:
    """Return what looks like a token, put together by hand."""
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def ed25519() -> tuple[str, str]:
    """Return an Ed25519 key: private and public, in PEM."""
    return make_key()
