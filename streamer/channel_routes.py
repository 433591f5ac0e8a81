"""REST of channels: an application publishes events of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from streamer.channel import Channels
from streamer.database import Transaction
from streamer.errors import InvalidRequest
from streamer.problems import Problem
from streamer.replays import Answer, Replays, fingerprint
from streamer.session import answer, json_body
from streamer.vocabulary.kind import Carrier, Kind, Resource
from streamer.vocabulary.members import members
from streamer.vocabulary.words import KINDS, kind_of

DATA_MAX = 16 << 10
"""Bytes of an event's data: every listener gets it, and a channel keeps its events."""

_TYPE = re.compile(r"[a-z0-9_]+(\.[a-z0-9_-]+)+|[a-z]+", re.ASCII)
_TYPE_MAX = 64
_LATEST = 10**9  # seconds
_OPEN = {kind: TypeAdapter(kind) for kind in KINDS if kind.about.open}
_CARRIERS = {carrier.partition(":")[0]: carrier for carrier in Carrier}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What an application wants to publish, checked."""

    type: str
    data: Any
    media_time: Fraction | None


class Publications:
    """Handlers of /api/v1/channels."""

    def __init__(self, channels: Channels, replays: Replays) -> None:
        """Take the channels, and what answers repeated requests."""
        self._channels = channels
        self._replays = replays

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [web.post("/api/v1/channels/{channel}/events", self.publish, name="channel-events")]

    async def publish(self, request: web.Request) -> web.Response:
        """Append an event, and answer with it once it is kept."""
        channel, wish = request.match_info["channel"], await json_body(request)
        said = _said(channel, wish)

        async def work(transaction: Transaction) -> Answer:
            event = await self._channels.stage_event(
                transaction, channel, said.type, said.data, media_time=said.media_time
            )
            return 201, json.loads(event.text)

        marks = fingerprint(request.method, request.path, json.dumps(wish, sort_keys=True))
        status, told = await self._replays.once_within(request.headers.get("Idempotency-Key"), marks, work)
        return answer(told, status=status)


def _said(channel: str, wish: Mapping[str, Any]) -> Said:
    if unknown := wish.keys() - {"type", "data", "media_time"}:
        raise InvalidRequest(f"There is no `{min(unknown)}` of an event.")
    type_, data = wish.get("type"), wish.get("data")
    if not isinstance(type_, str) or len(type_) > _TYPE_MAX or not _TYPE.fullmatch(type_):
        raise InvalidRequest("`type` names the event: words of a-z, 0-9, _ and -, with dots between them.")
    kind = kind_of(type_)
    if kind is None or not kind.about.open:
        raise InvalidRequest(f"{type_!r} is not published by applications; their own begin with `custom.`.")
    carrier = _CARRIERS.get(channel.partition(":")[0])
    if carrier is not None and carrier not in kind.about.carriers:
        raise InvalidRequest(f"{type_!r} does not belong on this channel.")
    text = _text(data)
    if kind.about.resource is not Resource.ANYTHING:
        data = _fields(kind, data, text)
    return Said(type=type_, data=data, media_time=_media_time(wish))


def _text(data: Any) -> bytes:
    """Return the data as it is sent on. Raise InvalidRequest, and Problem where it is too large."""
    try:
        text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    except ValueError as error:  # a number beyond all bounds, or half a character
        raise InvalidRequest("`data` cannot be sent on as JSON.") from error
    if len(text) > DATA_MAX:
        raise Problem("too-large", "Too large", 413, f"`data` has {DATA_MAX} bytes at most.")
    return text


def _fields(kind: type[Kind], data: Any, text: bytes) -> dict[str, Any]:
    """Return the data with the members of the type. Raise InvalidRequest where it has others."""
    if not isinstance(data, dict):
        raise InvalidRequest("`data` is an object with the members of this type.")
    if unknown := data.keys() - {member.name for member in members(kind)}:
        raise InvalidRequest(f"There is no `{min(unknown)}` of {kind.type!r}.")
    try:
        made: Kind = _OPEN[kind].validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InvalidRequest(f"`data.{name}`: {first['msg']}.") from error
    return made.json()


def _media_time(wish: Mapping[str, Any]) -> Fraction | None:
    value = wish.get("media_time")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LATEST:
        raise InvalidRequest("`media_time` is a number of seconds.")
    return Fraction(str(value))  # what its digits say
