"""CloudFront: what it is to forget, and URLs and cookies that let viewers in; signed here, without asking."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from cdn.errors import KeyUnreadable, PurgeRefused
from cdn.places import Access
from cdn.purge import CloudFront, Outdated
from cdn.s3 import session_of

_REGION = "us-east-1"
_COOKIE_LETTERS = str.maketrans("+=/", "-_~")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cookie:
    """A cookie as a browser has to get it, to send it with every request below `path`."""

    name: str
    value: str
    domain: str | None
    path: str

    @property
    def header(self) -> str:
        """Return the value of Set-Cookie. It ends with the browser's session, and the policy before."""
        domain = f"; Domain={self.domain}" if self.domain else ""
        return f"{self.name}={self.value}{domain}; Path={self.path}; Secure; HttpOnly; SameSite=None"


class Signer:
    """Signs with the private key whose public one CloudFront knows by `key_pair` (RSA, SHA-1).

    The hash is the one that CloudFront asks for.
    """

    def __init__(self, key_pair: str, pem: bytes) -> None:
        """Take the id of the key pair and the private key. Raise KeyUnreadable."""
        try:
            key = serialization.load_pem_private_key(pem, None)
        except (ValueError, TypeError) as error:
            raise KeyUnreadable("the key for CloudFront is no PEM without a password") from error
        if not isinstance(key, rsa.RSAPrivateKey):
            raise KeyUnreadable("CloudFront's key has to be one of RSA")
        self._key = key
        self._key_pair = key_pair

    def url(self, url: str, *, until: int, resource: str | None = None, address: str | None = None) -> str:
        """Return a URL that lets in until then, in seconds since the epoch.

        With `resource`, which may end with `*`, or `address`, a network, it has a policy of its own.
        """
        signer = CloudFrontSigner(self._key_pair, self._signed)
        policy = policy_of(resource or url, until=until, address=address)
        return str(signer.generate_presigned_url(url, policy=policy))

    def cookies(
        self, resource: str, *, until: int, domain: str | None = None, address: str | None = None
    ) -> tuple[Cookie, ...]:
        """Return the three cookies that let in to all that a resource ending with `*` stands for."""
        policy = policy_of(resource, until=until, address=address).encode()
        values = {
            "CloudFront-Policy": _encoded(policy),
            "CloudFront-Signature": _encoded(self._signed(policy)),
            "CloudFront-Key-Pair-Id": self._key_pair,
        }
        path = "/" + resource.partition("://")[2].partition("/")[2].rstrip("*")
        return tuple(
            Cookie(name=name, value=value, domain=domain, path=path) for name, value in values.items()
        )

    def _signed(self, message: bytes) -> bytes:
        return self._key.sign(message, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303 - see the class


def query_of(cookies: Sequence[Cookie]) -> str:
    """Return what the cookies say as a query, for players that add it to every address that they ask for."""
    return urlencode({cookie.name.removeprefix("CloudFront-"): cookie.value for cookie in cookies}, safe="~")


def policy_of(resource: str, *, until: int, address: str | None = None) -> str:
    """Return a custom policy as it is signed: without white space."""
    condition: dict[str, Any] = {"DateLessThan": {"AWS:EpochTime": until}}
    if address is not None:
        condition["IpAddress"] = {"AWS:SourceIp": address}
    said = {"Statement": [{"Resource": resource, "Condition": condition}]}
    return json.dumps(said, separators=(",", ":"))


async def invalidate(access: Access, purge: CloudFront, outdated: Outdated, *, reference: str) -> None:
    """Have a distribution forget; the same `reference` again asks for nothing more. Raise PurgeRefused."""
    await asyncio.to_thread(_invalidated, access, purge, purge.items(outdated), reference)


def _invalidated(access: Access, purge: CloudFront, items: list[str], reference: str) -> None:
    tuned = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "max_attempts": 3})
    paths: Any = {"Quantity": len(items), "Items": items}
    try:
        client = session_of(access).client(
            "cloudfront", endpoint_url=purge.endpoint, region_name=_REGION, config=tuned
        )
        with closing(client):
            client.create_invalidation(
                DistributionId=purge.distribution,
                InvalidationBatch={"Paths": paths, "CallerReference": reference},
            )
    except (BotoCoreError, ClientError, ValueError) as error:
        raise PurgeRefused(f"CloudFront does not invalidate: {error}") from error


def _encoded(body: bytes) -> str:
    """Return base64 with the letters that CloudFront takes in place of those that URLs and cookies do not."""
    return base64.b64encode(body).decode().translate(_COOKIE_LETTERS)
