"""The catalog's rows as frozen values, and how an asset is shown as JSON."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from fractions import Fraction
from typing import Any

from packager import keys
from packager.engine import Urgency as Urgency  # noqa: PLC0414 - part of a RunRow, so offered with it

Clock = Callable[[], int]
"""Wall clock: milliseconds since the epoch."""

_ALPHABET = "abcdefghjkmnpqrstvwxyz0123456789"


def wall_clock() -> int:
    """Return milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def new_id() -> str:
    """Return a random id of 12 characters, 60 bits, safe in a URL, a path and a key."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(12))


class State(StrEnum):
    """Where an asset stands."""

    UPLOADING = "uploading"
    PROBING = "probing"
    PLAYABLE = "playable"
    COMPLETE = "complete"
    FAILED = "failed"


class Fill(StrEnum):
    """What of an asset is made: all of it, or only what viewers ask for, within a quota."""

    FULL = "full"
    WATCHED = "watched"


class PlaybackPolicy(StrEnum):
    """Who may watch: whoever knows the id, or whoever has a playback token."""

    PUBLIC = "public"
    SIGNED = "signed"


class StreamState(StrEnum):
    """Where a live stream stands: on a `slate` it waits for its publisher."""

    IDLE = "idle"
    CONNECTING = "connecting"
    LIVE = "live"
    SLATE = "slate"
    RECONNECTING = "reconnecting"
    ENDED = "ended"


class RunState(StrEnum):
    """Where a Run stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Role(StrEnum):
    """What a caller may do: watch what is private, or everything."""

    VIEWER = "viewer"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Which step failed, why, and the last lines of the log."""

    step: str
    message: str
    log: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """A rendition of the plan as listed: `segments` in all, `done` of them stored.

    Where it is `copied` it is the source's own track, and nothing of it has to be made.
    """

    name: str
    kind: str
    width: int = 0
    height: int = 0
    segments: int
    done: int = 0
    copied: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """Captions that were uploaded; `key` is the store key of the WebVTT file."""

    language: str
    label: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One frozen plan of an asset. `plan` is opaque JSON; `retired_at` is set once another took its place."""

    asset: str
    name: str
    plan: Mapping[str, Any]
    rungs: tuple[Rung, ...]
    poster: str | None
    storyboard: str | None
    created: int
    retired_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What makes an asset a broadcast: its stream, and where that stands as far as this broadcast goes."""

    stream: str
    state: StreamState


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """What a viewer asks for. Times are milliseconds since the epoch, `duration` seconds.

    `seekable` is how many seconds from the start on are there while the source is on its way.
    """

    id: str
    title: str
    state: State
    created: int
    updated: int
    size: int | None
    received: int
    duration: Fraction | None
    upload_id: str | None
    generation: str | None
    source: Mapping[str, Any] | None
    warnings: tuple[str, ...]
    failure: Failure | None
    seekable: Fraction | None = None
    poster: str | None = None
    storyboard: str | None = None
    rungs: tuple[Rung, ...] = ()
    captions: tuple[Caption, ...] = ()
    fill: Fill = Fill.FULL
    policy: PlaybackPolicy = PlaybackPolicy.PUBLIC
    live: Live | None = None

    @property
    def arriving(self) -> bool:
        """Say whether bytes of the source are still missing; a broadcast has no source."""
        return self.live is None and (self.size is None or self.received < self.size)

    @property
    def on_air(self) -> bool:
        """Say whether this is a broadcast that has not ended."""
        return self.live is not None and self.state in {State.PROBING, State.PLAYABLE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of assets, newest first; `next` is the cursor of the following page."""

    items: tuple[Asset, ...]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """A Run to be queued: segments first to last, both included, of these renditions."""

    id: str
    asset: str
    generation: str
    first: int
    last: int
    rungs: tuple[str, ...]
    urgency: Urgency
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """A Run as the ledger holds it."""

    id: str
    asset: str
    generation: str
    body: Mapping[str, Any]
    first: int
    last: int
    rungs: tuple[str, ...]
    state: RunState
    urgency: Urgency
    attempts: int
    worker: str | None
    created: int
    started: int | None
    ended: int | None
    failure: str | None


Coverage = dict[str, list[list[int]]]
"""Rendition → ranges [first, last] of stored segments, both included, ascending."""


def rfc3339(milliseconds: int) -> str:
    """Return a time as RFC 3339 in UTC with milliseconds."""
    whole, rest = divmod(milliseconds, 1000)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"


def seconds(time: Fraction | None) -> int | float | None:
    """Return a media time as a JSON number of seconds, rounded to microseconds."""
    if time is None:
        return None
    return int(time) if time.denominator == 1 else float(round(time, 6))


def show(asset: Asset, *, log: bool = True) -> dict[str, Any]:
    """Return the asset as the API shows it; without `log` the failure's log lines stay inside."""
    root = f"/v/{asset.id}/"
    watchable = asset.state in {State.PLAYABLE, State.COMPLETE}
    return {
        "id": asset.id,
        "title": asset.title,
        "state": str(asset.state),
        "fill": str(asset.fill),
        "policy": str(asset.policy),
        "created": rfc3339(asset.created),
        "duration": seconds(asset.duration),
        "seekable": seconds(_seekable(asset)) if watchable else None,
        "size": asset.size,
        "received": asset.received,
        "playback": {"hls": root + keys.MULTIVARIANT, "dash": root + keys.MPD} if watchable else None,
        "poster": root + asset.poster if watchable and asset.poster else None,
        "storyboard": root + asset.storyboard if watchable and asset.storyboard else None,
        "rungs": [_rung(rung) for rung in asset.rungs],
        "captions": [
            {"language": caption.language, "label": caption.label, "url": root + caption.key}
            for caption in asset.captions
        ],
        "warnings": list(asset.warnings),
        "uncopied": list((asset.source or {}).get("uncopied", [])),
        "failure": failure_json(asset.failure, log=log),
        "live": None if asset.live is None else {"stream": asset.live.stream, "state": str(asset.live.state)},
    }


def _seekable(asset: Asset) -> Fraction | None:
    return asset.seekable or Fraction(0) if asset.arriving else asset.duration


def failure_json(failure: Failure | None, *, log: bool = True) -> dict[str, Any] | None:
    """Return a failure as JSON, None where there is none."""
    if failure is None:
        return None
    return {"step": failure.step, "message": failure.message, "log": list(failure.log) if log else []}


def _rung(rung: Rung) -> dict[str, Any]:
    return {
        "name": rung.name,
        "kind": rung.kind,
        "width": rung.width,
        "height": rung.height,
        "segments": rung.segments,
        "done": rung.done,
        "copied": rung.copied,
    }
