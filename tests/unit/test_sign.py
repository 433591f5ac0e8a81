"""Playback tokens: the keys that sign them, and everything that is not signed by one."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448

from cdn.grants import BadClaims, Grant
from cdn.sign import (
    LONGEST,
    Algorithm,
    BadKey,
    KeyUnknown,
    Malformed,
    SignatureWrong,
    key_of,
    looks_like_token,
    read_public,
    sign,
    verify,
)
from tests.tokens import ASSET, NOW, ed25519, forged, rsa_key, signed

PRIVATE, PUBLIC = ed25519()
RSA_PRIVATE, RSA_PUBLIC = rsa_key()
KEYS = {"k1": key_of("k1", PUBLIC), "r1": key_of("r1", RSA_PUBLIC)}
CLAIMS = {"sub": ASSET, "exp": NOW + 60}


def _pem(private) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return private.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


@pytest.mark.parametrize(
    ("private", "kid", "algorithm"), [(PRIVATE, "k1", "EdDSA"), (RSA_PRIVATE, "r1", "RS256")]
)
def test_a_token_of_either_algorithm_grants_what_it_says(private, kid, algorithm):
    token = signed(private, kid=kid, algorithm=algorithm, nbf=NOW, rungs=["360p"])
    assert verify(token, KEYS) == Grant(subject=ASSET, expires=NOW + 60, not_before=NOW, rungs=("360p",))


def test_what_is_signed_here_is_verified_here():
    grant = Grant(subject=ASSET, expires=NOW, origins=("a.example",), max_height=480)
    for private, kid in ((PRIVATE, "k1"), (RSA_PRIVATE, "r1")):
        assert verify(sign(grant, kid=kid, private=private), KEYS) == grant


def test_a_public_key_says_which_algorithm_it_is_for():
    assert read_public(PUBLIC) == (Algorithm.EDDSA, PUBLIC)
    assert read_public(RSA_PUBLIC)[0] is Algorithm.RS256


@pytest.mark.parametrize(
    "pem",
    [
        "",
        "ssh-ed25519 AAAA",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        PRIVATE,
        _pem(ec.generate_private_key(ec.SECP256R1())),
        _pem(ed448.Ed448PrivateKey.generate()),
        rsa_key(1024)[1],
    ],
)
def test_what_is_no_key_of_these_two_is_refused(pem):
    with pytest.raises(BadKey):
        read_public(pem)


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "RS256", "ES256", "", "eddsa"])
def test_the_header_does_not_choose_the_algorithm(algorithm):
    with pytest.raises(SignatureWrong):
        verify(forged({"alg": algorithm, "kid": "k1"}, CLAIMS, b"x" * 64), KEYS)


@pytest.mark.parametrize("public", [PUBLIC, RSA_PUBLIC])
@pytest.mark.parametrize("kid", ["k1", "r1"])
def test_a_public_key_is_no_secret_to_sign_with(public, kid):
    unsigned = forged({"alg": "HS256", "kid": kid}, CLAIMS).rpartition(".")[0]
    mac = hmac.digest(public.encode(), unsigned.encode(), hashlib.sha256)
    with pytest.raises(SignatureWrong):
        verify(forged({"alg": "HS256", "kid": kid}, CLAIMS, mac), KEYS)


def test_without_a_signature_nothing_is_opened():
    for token in (
        forged({"alg": "none", "kid": "k1"}, CLAIMS),
        forged({"alg": "EdDSA", "kid": "k1"}, CLAIMS),
    ):
        with pytest.raises(Malformed):
            verify(token, KEYS)


def test_a_token_of_another_key_is_refused():
    other, _ = ed25519()
    with pytest.raises(SignatureWrong):
        verify(signed(other), KEYS)
    with pytest.raises(SignatureWrong):
        verify(signed(PRIVATE, kid="r1"), KEYS)
    with pytest.raises(KeyUnknown):
        verify(signed(PRIVATE, kid="k9"), KEYS)
    with pytest.raises(Malformed):
        verify(signed(PRIVATE, kid=None), KEYS)


def test_a_changed_token_is_refused():
    head, _, signature = signed(PRIVATE).split(".")
    _, claims, _ = forged({}, {**CLAIMS, "exp": NOW + 10**6}).split(".")
    with pytest.raises(SignatureWrong):
        verify(f"{head}.{claims}.{signature}", KEYS)
    flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
    with pytest.raises(SignatureWrong):
        verify(f"{head}.{signed(PRIVATE).split('.')[1]}.{flipped}", KEYS)


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "EdDSA", "kid": "k1", "b64": False, "crit": ["b64"]},
        {"alg": "EdDSA", "kid": "k1", "jwk": {}},
        {"alg": "EdDSA", "kid": "k1", "jku": "https://evil.example/keys"},
        {"alg": "EdDSA", "kid": "k1", "x5u": "https://evil.example/keys"},
        {"alg": "EdDSA", "kid": 1},
        {"alg": "EdDSA", "kid": ["k1"]},
        {"alg": "EdDSA"},
    ],
)
def test_a_header_that_says_more_or_less_is_refused(header):
    with pytest.raises(Malformed):
        verify(forged(header, CLAIMS, b"x" * 64), KEYS)


@pytest.mark.parametrize(
    "token",
    [
        *("", ".", "..", "a.b", "a.b.c.d", "a.b.c", "…", "\ud800.a.b", "a b.c.d", "str_" + "x" * 43),
        signed(PRIVATE) + ".",
        signed(PRIVATE) + "\n",
        signed(PRIVATE) + "=",
        "[" * 3000 + ".a.b",
        forged({"alg": "EdDSA", "kid": "k1"}, CLAIMS, b"x" * LONGEST),
        forged({"alg": "EdDSA", "kid": "k1", "typ": "[" * 9}, CLAIMS),
    ],
)
def test_what_is_no_token_is_refused(token):
    with pytest.raises(Malformed):
        verify(token, KEYS)


@pytest.mark.parametrize("claims", [[], 1, "text", None])
def test_claims_that_are_no_object_are_refused(claims):
    unsigned = forged({"alg": "EdDSA", "kid": "k1"}, claims).rpartition(".")[0]
    key = serialization.load_pem_private_key(PRIVATE.encode(), password=None)
    with pytest.raises(BadClaims):
        verify(forged({"alg": "EdDSA", "kid": "k1"}, claims, key.sign(unsigned.encode())), KEYS)


def test_other_secrets_do_not_look_like_tokens():
    assert looks_like_token(signed(PRIVATE))
    assert not looks_like_token("str_" + "x" * 43)
    assert not looks_like_token("live_" + "x" * 32)
