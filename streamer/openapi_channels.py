"""The channels' part of the OpenAPI document."""

from __future__ import annotations

from typing import Final

from streamer.openapi_pieces import (
    COUNT,
    ONCE,
    TEXT,
    TIME,
    Json,
    answers,
    body,
    operation,
    parameter,
    record,
    ref,
)
from streamer.subscribing import CHANNELS_MAX
from streamer.vocabulary.kind import CUSTOM
from streamer.vocabulary.words import KINDS

_CHANNEL: Final[Json] = parameter(
    "channel", "path", "`assets`, `asset:{id}` or `stream:{id}`.", TEXT, required=True
)
_CHANNELS: Final[Json] = parameter(
    "channel",
    "query",
    "A channel; may be given several times.",
    {"type": "array", "items": TEXT, "minItems": 1, "maxItems": CHANNELS_MAX},
    required=True,
)
_CURSOR: Final[Json] = parameter("cursor", "query", "Where to go on; a snapshot comes first without.", TEXT)
_TYPES: Final = ", ".join(
    f"`{kind.type}`" for kind in KINDS if kind.about.open and not kind.type.startswith(CUSTOM)
)
_MEDIA_TIME: Final[Json] = {
    "type": "number",
    "minimum": 0,
    "description": "Seconds on the timeline of the picture; a player waits until it gets there.",
}
_SAID: Final[Json] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["type"],
    "properties": {
        "type": {
            "type": "string",
            "maxLength": 64,
            "description": f"{_TYPES}, or one that begins with `{CUSTOM}`.",
        },
        "data": {"description": "What the type says; any JSON of at most 16 KiB for one's own types."},
        "media_time": _MEDIA_TIME,
    },
}


def _told(more: Json) -> Json:
    client = {"type": "string", "description": "Random, and the same for as long as a page is open."}
    return record({"channel": TEXT, "client": client, **more})


PATHS: Final[Json] = {
    "/api/v1/channels/{channel}/events": {
        "parameters": [_CHANNEL],
        "post": operation(
            "publishEvent",
            "Publish an event; it is kept when the answer comes.",
            answers("201", "The event as every listener gets it.", ref("Event")),
            parameters=[ONCE],
            requestBody=body(_SAID),
        ),
    },
    "/control/sse": {
        "get": operation(
            "streamEvents",
            "Follow channels as server-sent events.",
            {
                "200": {
                    "description": "Events until either side ends it.",
                    "content": {"text/event-stream": {}},
                }
            },
            parameters=[_CHANNELS, _CURSOR, parameter("Last-Event-ID", "header", "As `cursor`.", TEXT)],
        ),
    },
    "/control/presence": {
        "post": operation(
            "tellPresence",
            "Tell that somebody watches; again every 15 seconds, or it is forgotten after 30.",
            answers("204", "Counted."),
            requestBody=body(_told({})),
        ),
    },
    "/control/beacon": {
        "post": operation(
            "tellPlayback",
            "Tell how playback goes, in keys of CMCD (CTA-5004-B).",
            answers("204", "Added up."),
            requestBody=body(_told({"cmcd": {"type": "object", "maxProperties": 64}})),
        ),
    },
    "/control/poll": {
        "get": operation(
            "pollEvents",
            "Follow channels by long polls.",
            answers(
                "200",
                "What was missed or has happened, which may be nothing, and the cursor to go on from.",
                record({"cursor": TEXT, "messages": {"type": "array", "items": {"type": "object"}}}),
            ),
            parameters=[_CHANNELS, _CURSOR],
        ),
    },
}

SCHEMAS: Final[Json] = {
    "Event": {
        "type": "object",
        "required": ["channel", "epoch", "type", "time", "data"],
        "properties": {
            "channel": TEXT,
            "epoch": {"type": "string", "description": "Another one: the log before is lost."},
            "offset": {**COUNT, "description": "Counts up by one; left out where only the latest counts."},
            "type": TEXT,
            "time": TIME,
            "media_time": _MEDIA_TIME,
            "data": {},
        },
    },
}
