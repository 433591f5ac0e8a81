"""What a CDN is asked so that it forgets what was published before: requests as values, by tag.

Each of these is a table `[destinations.NAME.purge]`. Who sends the requests is no matter of theirs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeAlias
from urllib.parse import quote

from pydantic import Field, SecretStr, StringConstraints

_URL = StringConstraints(pattern=r"^https?://[^/?#@\s]+(/[^?#\s]*)?$")
_NAME = StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")
_STRICT: dict[str, Any] = {"extra": "forbid", "hide_input_in_errors": True}

SECRET = "Streamer-Edge"  # noqa: S105 - the header's name
"""The header in which an edge of our own is told the secret that it knows us by."""

_TAGS_AT_ONCE = 30
"""Tags in one request; the least that any of them takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be sent; any status below 300 is success."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outdated:
    """What is to be forgotten: all that has one of the tags, which `paths` in the bucket are, too."""

    tags: tuple[str, ...]
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fastly:
    """Fastly, by surrogate keys. A `soft` purge keeps what is outdated for while the bucket is away."""

    __pydantic_config__: ClassVar[Any] = _STRICT

    service: Annotated[str, _NAME]
    token: SecretStr
    kind: Literal["fastly"] = "fastly"
    soft: bool = True
    api: Annotated[str, _URL] = "https://api.fastly.com"

    def requests(self, outdated: Outdated) -> list[Request]:
        """Return what is to be sent."""
        headers = {"Fastly-Key": self.token.get_secret_value(), **_JSON}
        headers |= {"Fastly-Soft-Purge": "1"} if self.soft else {}
        url = f"{self.api.rstrip('/')}/service/{quote(self.service)}/purge"
        return [
            Request(method="POST", url=url, headers=headers, body=_json({"surrogate_keys": tags}))
            for tags in _some(outdated.tags)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloudflare:
    """Cloudflare, by cache tags."""

    __pydantic_config__: ClassVar[Any] = _STRICT

    zone: Annotated[str, _NAME]
    token: SecretStr
    kind: Literal["cloudflare"] = "cloudflare"
    api: Annotated[str, _URL] = "https://api.cloudflare.com/client/v4"

    def requests(self, outdated: Outdated) -> list[Request]:
        """Return what is to be sent."""
        headers = {"Authorization": f"Bearer {self.token.get_secret_value()}", **_JSON}
        url = f"{self.api.rstrip('/')}/zones/{quote(self.zone)}/purge_cache"
        return [
            Request(method="POST", url=url, headers=headers, body=_json({"tags": tags}))
            for tags in _some(outdated.tags)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Varnish:
    """Varnish servers of one's own, each asked by itself: PURGE with Cache-Tag bans what has that tag."""

    __pydantic_config__: ClassVar[Any] = _STRICT

    urls: Annotated[tuple[Annotated[str, _URL], ...], Field(min_length=1, max_length=64)]
    secret: SecretStr | None = None
    kind: Literal["varnish"] = "varnish"

    def requests(self, outdated: Outdated) -> list[Request]:
        """Return what is to be sent."""
        secret = {} if self.secret is None else {SECRET: self.secret.get_secret_value()}
        return [
            Request(method="PURGE", url=url, headers={"Cache-Tag": tag, **secret})
            for url in self.urls
            for tag in outdated.tags
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudFront:
    """CloudFront, by tags where the distribution's CacheTagConfig names a header, or by `path`.

    `origin_path` is what the distribution puts before each path, and so is no part of it. `endpoint` is
    where its API is, by itself Amazon.
    """

    __pydantic_config__: ClassVar[Any] = _STRICT

    distribution: Annotated[str, _NAME]
    kind: Literal["cloudfront"] = "cloudfront"
    by: Literal["tag", "path"] = "tag"
    origin_path: str = ""
    endpoint: Annotated[str, _URL] | None = None

    def items(self, outdated: Outdated) -> list[str]:
        """Return what is to be invalidated, as the API takes it."""
        if self.by == "tag":
            return [f"#{tag}" for tag in outdated.tags]
        strip = self.origin_path.strip("/")
        bare = (path.removeprefix(f"{strip}/") if strip else path for path in outdated.paths)
        return [quote(f"/{path}", safe="/*~") for path in bare]


Purge: TypeAlias = Annotated[Fastly | Cloudflare | Varnish | CloudFront, Field(discriminator="kind")]

_JSON = {"Content-Type": "application/json"}


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _some(tags: Sequence[str]) -> Iterable[list[str]]:
    for start in range(0, len(tags), _TAGS_AT_ONCE):
        yield list(tags[start : start + _TAGS_AT_ONCE])
