"""Where assets are published to, and how that is reached; without any keys."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cdn.errors import BadDestination

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a bucket is reached; what is not given is taken from AWS_* variables and the profile."""

    endpoint: str | None = None
    region: str | None = None
    profile: str | None = None
    role: str | None = None
    path_style: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A bucket and a prefix in it, which is empty or ends with a slash."""

    bucket: str
    prefix: str

    def under(self, name: str) -> Place:
        """Return the place of that name in this one."""
        return Place(bucket=self.bucket, prefix=f"{self.prefix}{name}/")

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


def place(url: str) -> Place:
    """Return the place that `s3://bucket/prefix` names. Raise BadDestination."""
    scheme, _, rest = url.partition("://")
    bucket, _, prefix = rest.partition("/")
    prefix = prefix.strip("/")
    parts = prefix.split("/") if prefix else []
    if scheme != "s3" or _BUCKET.fullmatch(bucket) is None:
        raise BadDestination(f"{url!r} is not s3://bucket/prefix")
    if any(part in {"", ".", ".."} or not part.isprintable() for part in parts):
        raise BadDestination(f"{url!r} has an empty or dotted part")
    return Place(bucket=bucket, prefix=f"{prefix}/" if prefix else "")
