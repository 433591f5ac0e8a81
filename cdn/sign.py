"""Playback tokens: JWTs (RFC 7519) that are signed with EdDSA over Ed25519, or with RS256.

Which algorithm a key is for is a property of the key; what a token's header says must be the same, and
chooses nothing (RFC 8725 section 3.1).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from cdn.grants import BadClaims, Grant, TokenRefused, grant_of

LONGEST: Final = 4096
"""Characters of a token: with its claims, and a signature of 4096 bits, it has to fit in a request line."""

SHAPE: Final = r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"

_RSA_BITS = range(2048, 8193)
_HEADER = frozenset({"alg", "kid", "typ"})
_SHAPE = re.compile(SHAPE, re.ASCII)

Public: TypeAlias = Ed25519PublicKey | RSAPublicKey
Private: TypeAlias = Ed25519PrivateKey | RSAPrivateKey


class Algorithm(StrEnum):
    """What a key signs with."""

    EDDSA = "EdDSA"
    RS256 = "RS256"


class BadKey(Exception):
    """What was given is no key that tokens can be verified with. The message says what one is."""


class Malformed(TokenRefused):
    """This is no token."""

    code = "malformed"


class KeyUnknown(TokenRefused):
    """No key of this id is known, or it was revoked."""

    code = "key-unknown"


class SignatureWrong(TokenRefused):
    """The token was not signed with the key that it names."""

    code = "signature-wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A public key, and the one algorithm that it is for."""

    id: str
    algorithm: Algorithm
    public: Public


def looks_like_token(text: str) -> bool:
    """Say whether a text has the form of a signed JWT; other secrets have no dots."""
    return len(text) <= LONGEST and _SHAPE.fullmatch(text) is not None


def make_key() -> tuple[str, str]:
    """Return a new Ed25519 key: its private and its public half, in PEM."""
    private = Ed25519PrivateKey.generate()
    text = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return text.decode(), _pem(private.public_key())


def read_public(pem: str) -> tuple[Algorithm, str]:
    """Return which algorithm a public key in PEM is for, and the key in its usual form. Raise BadKey."""
    public = _loaded(pem)
    return _algorithm(public), _pem(public)


def key_of(identity: str, pem: str) -> Key:
    """Return a key that was read before. Raise BadKey."""
    public = _loaded(pem)
    return Key(id=identity, algorithm=_algorithm(public), public=public)


def sign(grant: Grant, *, kid: str, private: str) -> str:
    """Return a token that grants this, signed with a private key in PEM. Raise BadKey."""
    try:
        key = serialization.load_pem_private_key(private.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadKey("This is no private key in PEM.") from error
    if not isinstance(key, Ed25519PrivateKey | RSAPrivateKey):
        raise BadKey("A private key is Ed25519 or RSA.")
    algorithm = _algorithm(key.public_key())
    return jwt.encode(grant.claims(), key, algorithm=algorithm, headers={"kid": kid})


def key_id(token: str) -> str:
    """Return the id of the key that a token says it was signed with; nothing is verified. Raise Malformed."""
    return _header(token)["kid"]


def verify(token: str, keys: Mapping[str, Key]) -> Grant:
    """Return what a token grants, at any time. Raise Malformed, KeyUnknown, SignatureWrong, BadClaims."""
    header = _header(token)
    key = keys.get(header["kid"])
    if key is None:
        raise KeyUnknown("The token's key is not known here, or was revoked.")
    if header.get("alg") != key.algorithm:
        raise SignatureWrong("The token's algorithm is not that of its key.")
    try:
        payload = jwt.PyJWS().decode_complete(token, key.public, algorithms=[str(key.algorithm)])["payload"]
    except jwt.InvalidSignatureError as error:
        raise SignatureWrong("The token's signature is wrong.") from error
    except jwt.PyJWTError as error:
        raise Malformed("This is no playback token.") from error
    return grant_of(_claims(payload))


def _header(token: str) -> dict[str, str]:
    if not looks_like_token(token):
        raise Malformed("This is no playback token.")
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise Malformed("This is no playback token.") from error
    # A member that is not understood may change what the signature covers, such as `b64` (RFC 7797).
    if not header.keys() <= _HEADER:
        raise Malformed("A token's header has `alg`, `kid` and `typ` only.")
    if not isinstance(header.get("kid"), str):
        raise Malformed("A token names its key as `kid`.")
    return header


def _claims(payload: bytes) -> dict[str, object]:
    try:
        claims = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise Malformed("The token's claims are not JSON.") from error
    if not isinstance(claims, dict):
        raise BadClaims("The token's claims are no JSON object.")
    return claims


def _loaded(pem: str) -> Public:
    try:
        public = serialization.load_pem_public_key(pem.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadKey("A public key is PEM that begins with -----BEGIN PUBLIC KEY-----.") from error
    if isinstance(public, RSAPublicKey) and public.key_size not in _RSA_BITS:
        raise BadKey("An RSA key has 2048 to 8192 bits.")
    if not isinstance(public, Ed25519PublicKey | RSAPublicKey):
        raise BadKey("A key is Ed25519 (EdDSA) or RSA (RS256).")
    return public


def _algorithm(public: Public) -> Algorithm:
    return Algorithm.EDDSA if isinstance(public, Ed25519PublicKey) else Algorithm.RS256


def _pem(public: Public) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return public.public_bytes(serialization.Encoding.PEM, form).decode()
