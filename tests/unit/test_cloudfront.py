"""URLs and cookies for CloudFront, held to the public half of the key and to the documented form."""

from __future__ import annotations

import base64
import json
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from cdn.cloudfront import Signer, query_of
from cdn.errors import KeyUnreadable
from streamer.destinations import Destination
from streamer.entrances import Entrances, wish_of
from streamer.errors import CannotSign, InvalidRequest, NoSuchDestination

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
UNTIL = 1_800_000_000
ALL = "https://media.example.org/vod/k3v9/*"


def pem(key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def read(value: str) -> bytes:
    """Return what a value stands for: base64 with letters of CloudFront's own."""
    return base64.b64decode(value.replace("-", "+").replace("_", "=").replace("~", "/"), validate=True)


def verified(policy: bytes, signature: bytes) -> dict:
    KEY.public_key().verify(signature, policy, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303
    return json.loads(policy)


@pytest.fixture
def signer():
    return Signer("K2JCJM", pem(KEY))


def test_three_cookies_let_in_to_all_of_an_asset(signer):
    cookies = {one.name: one for one in signer.cookies(ALL, until=UNTIL, domain=".example.org")}
    assert list(cookies) == ["CloudFront-Policy", "CloudFront-Signature", "CloudFront-Key-Pair-Id"]
    policy = read(cookies["CloudFront-Policy"].value)
    assert verified(policy, read(cookies["CloudFront-Signature"].value)) == {
        "Statement": [{"Resource": ALL, "Condition": {"DateLessThan": {"AWS:EpochTime": UNTIL}}}]
    }
    assert b" " not in policy
    assert cookies["CloudFront-Key-Pair-Id"].value == "K2JCJM"
    assert cookies["CloudFront-Policy"].header.endswith(
        "; Domain=.example.org; Path=/vod/k3v9/; Secure; HttpOnly; SameSite=None"
    )
    for one in cookies.values():
        assert not set(one.value) & set('+/=;," ')
    with pytest.raises(InvalidSignature):
        verified(policy.replace(b"k3v9", b"k3v8"), read(cookies["CloudFront-Signature"].value))


def test_the_query_says_what_the_cookies_say(signer):
    cookies = signer.cookies(ALL, until=UNTIL)
    said = parse_qs(query_of(cookies))
    assert {f"CloudFront-{name}": value for name, (value,) in said.items()} == {
        one.name: one.value for one in cookies
    }


@pytest.mark.parametrize("resource", [None, ALL])
def test_a_url_is_signed_for_itself_or_for_more_and_for_a_network(signer, resource):
    url = "https://media.example.org/vod/k3v9/main.m3u8"
    signed = signer.url(url, until=UNTIL, resource=resource, address="203.0.113.0/24")
    assert signed.startswith(f"{url}?")
    said = {name: value for name, (value,) in parse_qs(urlsplit(signed).query).items()}
    assert said["Key-Pair-Id"] == "K2JCJM"
    (statement,) = verified(read(said["Policy"]), read(said["Signature"]))["Statement"]
    assert statement["Resource"] == (resource or url)
    assert statement["Condition"]["IpAddress"] == {"AWS:SourceIp": "203.0.113.0/24"}


def test_a_key_of_another_kind_is_none():
    for wrong in (b"nothing", pem(ec.generate_private_key(ec.SECP256R1()))):
        with pytest.raises(KeyUnreadable):
            Signer("K2JCJM", wrong)


def destination(file) -> Destination:
    entrance = {"url": "https://media.example.org/vod/", "key_pair": "K2JCJM", "key_file": str(file)}
    return Destination.model_validate({"url": "s3://films/vod", "cloudfront": entrance})


async def test_a_viewer_is_let_in_to_an_asset_at_a_destination(tmp_path):
    file = tmp_path / "key.pem"
    file.write_bytes(pem(KEY))
    entrances = Entrances({"cdn": destination(file)}, longest=7200, clock=lambda: 1_700_000_000_000)
    shown = await entrances.admit(
        "k3v9", wish_of({"destination": "cdn", "address": "203.0.113.7"}, longest=7200)
    )
    assert shown["playback"]["hls"] == "https://media.example.org/vod/k3v9/main.m3u8"
    assert shown["expires"] == "2023-11-14T23:13:20.000Z"
    policy, signature, _ = (one["value"] for one in shown["cookies"])
    (statement,) = verified(read(policy), read(signature))["Statement"]
    assert statement == {
        "Resource": ALL,
        "Condition": {
            "DateLessThan": {"AWS:EpochTime": 1_700_003_600},
            "IpAddress": {"AWS:SourceIp": "203.0.113.7/32"},
        },
    }
    with pytest.raises(NoSuchDestination):
        await entrances.admit("k3v9", wish_of({"destination": "other"}, longest=7200))
    file.unlink()
    with pytest.raises(CannotSign):
        await entrances.admit("k3v9", wish_of({"destination": "cdn"}, longest=7200))


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"destination": "cdn", "expires_seconds": 0},
        {"destination": "cdn", "expires_seconds": 7201},
        {"destination": "cdn", "expires_seconds": True},
        {"destination": "cdn", "address": "203.0.113.7/24"},
        {"destination": "cdn", "address": "anywhere"},
        {"destination": "cdn", "key": "main.m3u8"},
    ],
)
def test_what_cannot_be_wished_for_is_refused(wrong):
    with pytest.raises(InvalidRequest):
        wish_of(wrong, longest=7200)
