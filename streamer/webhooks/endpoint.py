"""A webhook as a value, what may be said of it, and how it is shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row

from streamer.errors import InvalidRequest
from streamer.rows import rfc3339
from streamer.signing import signature
from streamer.webhooks.matching import known

URL_MOST = 2000
PATTERNS_MOST = 20
OVERLAP_SECONDS = 24 * 3600
OVERLAP_MOST = 7 * OVERLAP_SECONDS
_CHANNEL_MOST = 128
_PATTERN = re.compile(r"[a-z0-9_.-]{0,63}\*?", re.ASCII)
_MEMBERS = frozenset({"url", "events", "channel", "enabled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where events are posted to. What signs them is shown to nobody: `repr` leaves it out.

    `former` is the secret before, which signs too until `former_until`, in milliseconds since the epoch.
    """

    id: str
    url: str
    events: tuple[str, ...]
    channel: str | None
    enabled: bool
    gone: bool
    created: int
    updated: int
    secret: str = field(repr=False)
    former: str | None = field(default=None, repr=False)
    former_until: int = 0

    def signature(self, body: bytes, *, now: int) -> str:
        """Return what signs a body that is sent now, in milliseconds since the epoch."""
        former = self.former if now < self.former_until else None
        return signature(self.secret, body, seconds=now // 1000, former=former)


def endpoint_of(row: Row[Any]) -> Endpoint:
    """Return the value of a row of the webhook table."""
    return Endpoint(
        id=row.id,
        url=row.url,
        events=tuple(row.events),
        channel=row.channel,
        enabled=row.enabled,
        gone=row.gone,
        created=row.created,
        updated=row.updated,
        secret=row.secret,
        former=row.former,
        former_until=row.former_until,
    )


def show(endpoint: Endpoint) -> dict[str, Any]:
    """Return the webhook as the API shows it; nothing of it is secret but what its URL may hold."""
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "events": list(endpoint.events),
        "channel": endpoint.channel,
        "enabled": endpoint.enabled,
        "gone": endpoint.gone,
        "former_until": rfc3339(endpoint.former_until) if endpoint.former else None,
        "created": rfc3339(endpoint.created),
        "updated": rfc3339(endpoint.updated),
    }


def wish(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is said of a webhook as columns, checked except for the address. Raise InvalidRequest."""
    if unknown := said.keys() - _MEMBERS:
        raise InvalidRequest(f"There is no `{min(unknown)}` of a webhook.")
    values = dict(said)
    url = said.get("url", "")
    if not isinstance(url, str) or len(url) > URL_MOST:
        raise InvalidRequest(f"`url` is an address of at most {URL_MOST} characters.")
    if "events" in said:
        values["events"] = _patterns(said["events"])
    channel = said.get("channel")
    if channel is not None and not (isinstance(channel, str) and 1 <= len(channel) <= _CHANNEL_MOST):
        raise InvalidRequest("`channel` is a channel's name, or how it begins and a star, or null.")
    if not isinstance(said.get("enabled", True), bool):
        raise InvalidRequest("`enabled` is true or false.")
    return values


def overlap(said: Mapping[str, Any]) -> int:
    """Return for how many milliseconds the secret of before is to sign on. Raise InvalidRequest."""
    if unknown := said.keys() - {"overlap_seconds"}:
        raise InvalidRequest(f"There is no `{min(unknown)}` of a secret.")
    seconds = said.get("overlap_seconds", OVERLAP_SECONDS)
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 0 <= seconds <= OVERLAP_MOST:
        raise InvalidRequest(f"`overlap_seconds` is a whole number from 0 to {OVERLAP_MOST}.")
    return seconds * 1000


def _patterns(events: Any) -> list[str]:
    if not isinstance(events, list) or not 1 <= len(events) <= PATTERNS_MOST:
        raise InvalidRequest(f"`events` is a list of 1 to {PATTERNS_MOST} types or patterns of them.")
    for pattern in events:
        if not isinstance(pattern, str) or not _PATTERN.fullmatch(pattern) or not known(pattern):
            raise InvalidRequest(f"No event that is delivered has the type {pattern!r}.")
    return events
