"""Signatures are what their documentation says."""

from __future__ import annotations

import hashlib
import hmac

from streamer.signing import signature


def test_a_signature_covers_the_time_and_the_body():
    digest = hmac.new(b"secret", b'1800000000.{"a":1}', hashlib.sha256).hexdigest()
    assert signature("secret", b'{"a":1}', seconds=1_800_000_000) == f"t=1800000000,v1={digest}"


def test_two_secrets_sign_beside_each_other_the_new_one_first():
    new, old = (signature(one, b"a", seconds=7).removeprefix("t=7,") for one in ("new", "old"))
    assert signature("new", b"a", seconds=7, former="old") == f"t=7,{new},{old}"


def test_another_time_body_or_secret_is_signed_otherwise():
    signed = {
        signature("secret", b"a", seconds=1),
        signature("secret", b"a", seconds=2).replace("t=2", "t=1"),
        signature("secret", b"b", seconds=1),
        signature("other", b"a", seconds=1),
    }
    assert len(signed) == 4
