"""Live streams as frozen values, and how they are stored and shown as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any

from sqlalchemy import Row, Select, select

from packager import keys
from streamer import schema
from streamer.rows import PlaybackPolicy, StreamState, rfc3339, seconds


class Takeover(StrEnum):
    """Who is on air when a second publisher comes with the key.

    The newest one, or the one with the highest priority that it names, and the newest among equals.
    """

    NEWEST = "newest"
    PRIORITY = "priority"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an owner may set; a broadcast keeps what it has begun with.

    `part_seconds` is the length of a part, `dvr_seconds` how far viewers may go back, None for all of the
    broadcast, `reconnect_seconds` how long a publisher may stay away. With `passthrough` the publisher's
    pictures are the top rung as they are, where they can be. A `destination` is the name of one that
    broadcasts are published to while they are on air. `policy` is that of the stream's address at once, and
    of each broadcast from its beginning on.
    """

    part_seconds: Fraction = Fraction(333, 1000)
    dvr_seconds: int | None = 7200
    reconnect_seconds: int = 60
    passthrough: bool = False
    takeover: Takeover = Takeover.NEWEST
    destination: str | None = None
    policy: PlaybackPolicy = PlaybackPolicy.PUBLIC


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A lasting address. `asset` is the broadcast on air or the last one; times are ms since the epoch."""

    id: str
    title: str
    state: StreamState
    created: int
    updated: int
    settings: Settings
    asset: str | None

    @property
    def on_air(self) -> bool:
        """Say whether a broadcast has begun that has not ended."""
        return self.state not in {StreamState.IDLE, StreamState.ENDED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of streams, newest first; `next` is the cursor of the following page."""

    items: tuple[Stream, ...]
    next: str | None


def stored(settings: Settings) -> dict[str, Any]:
    """Return the settings as they stand in a row."""
    return {
        "part_seconds": str(settings.part_seconds),
        "dvr_seconds": settings.dvr_seconds,
        "reconnect_seconds": settings.reconnect_seconds,
        "passthrough": settings.passthrough,
        "takeover": str(settings.takeover),
        "destination": settings.destination,
        "policy": str(settings.policy),
    }


def show(stream: Stream) -> dict[str, Any]:
    """Return the stream as the API shows it; nothing of it is secret."""
    root = f"/v/{stream.id}/"
    return {
        "id": stream.id,
        "title": stream.title,
        "state": str(stream.state),
        "created": rfc3339(stream.created),
        "asset": stream.asset,
        **stored(stream.settings),
        "part_seconds": seconds(stream.settings.part_seconds),
        "playback": {"hls": root + keys.MULTIVARIANT, "dash": root + keys.MPD},
        "page": f"/watch/{stream.id}",
    }


def asked() -> Select[Any]:
    """Return the select of streams that were not deleted, each with its broadcast unless that was."""
    table, asset = schema.stream, schema.asset
    shown = (asset.c.id == table.c.asset) & asset.c.deleted_at.is_(None)
    return (
        select(table, asset.c.id.label("shown"))
        .join(asset, shown, isouter=True)
        .where(table.c.deleted.is_(None))
    )


def stream_row(row: Row[Any]) -> Stream:
    """Return the value of a row of `asked`."""
    state = StreamState(row.state)
    if state is StreamState.ENDED and row.shown is None:  # its recording was deleted
        state = StreamState.IDLE
    return Stream(
        id=row.id,
        title=row.title,
        state=state,
        created=row.created,
        updated=row.updated,
        settings=_settings(row.settings),
        asset=row.shown,
    )


def _settings(row: Mapping[str, Any]) -> Settings:
    return Settings(
        part_seconds=Fraction(row["part_seconds"]),
        dvr_seconds=row["dvr_seconds"],
        reconnect_seconds=row["reconnect_seconds"],
        passthrough=row.get("passthrough", False),
        takeover=Takeover(row["takeover"]),
        destination=row.get("destination"),
        policy=PlaybackPolicy(row.get("policy", PlaybackPolicy.PUBLIC)),
    )
