"""The live streams' part of the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

from streamer.config import DVR_MOST, PART_LEAST, PART_MOST, RECONNECT_MOST
from streamer.live.streams import Takeover
from streamer.live.wish import DVR_LEAST
from streamer.openapi_markers import PATHS as MARKER_PATHS
from streamer.openapi_markers import SCHEMAS as MARKER_SCHEMAS
from streamer.openapi_markers import WISH as MARKER_WISH
from streamer.openapi_pieces import (
    ONCE,
    POLICY,
    TEXT,
    TIME,
    Json,
    answers,
    body,
    operation,
    or_null,
    parameter,
    record,
    ref,
)
from streamer.rows import StreamState

_STREAM: Final[Json] = parameter(
    "stream",
    "path",
    "The stream's id.",
    {"type": "string", "pattern": "^[a-z0-9]{12}$"},
    required=True,
)
_ASSET: Final[Json] = parameter("asset", "path", "The broadcast's id.", TEXT, required=True)
_STATE: Final[Json] = {"enum": [str(state) for state in StreamState]}
_SETTINGS: Final[Json] = {
    "part_seconds": {
        "type": "number",
        "minimum": float(PART_LEAST),
        "maximum": float(PART_MOST),
        "description": "Length of a part: shorter ones mean less delay and more requests.",
    },
    "dvr_seconds": or_null(
        "integer",
        minimum=DVR_LEAST,
        maximum=DVR_MOST,
        description="How far viewers may go back; null is the whole broadcast.",
    ),
    "reconnect_seconds": {
        "type": "integer",
        "minimum": 0,
        "maximum": RECONNECT_MOST,
        "description": "How long the publisher may stay away before the broadcast ends.",
    },
    "passthrough": {
        "type": "boolean",
        "description": "Send the publisher's pictures as they are as the top rung, where they can be."
        " A publisher that leaves then leaves a gap, without the slate.",
    },
    "takeover": {
        "enum": [str(one) for one in Takeover],
        "description": "Who is on air when a second one comes with the key: the newest, or by `priority`.",
    },
    "destination": or_null(
        "string", description="Name of the destination that broadcasts go to while they are on air."
    ),
    "policy": POLICY,
}
_TIMES: Final[Json] = {
    name: {"type": "number", "minimum": 0, "description": "Seconds from the beginning of the broadcast."}
    for name in ("start", "end")
}
_TITLE: Final[Json] = {"type": "string", "minLength": 1, "maxLength": 500}
_CLIP: Final[Json] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["start", "end"],
    "properties": {**_TIMES, "title": {**_TITLE, "description": "That of the broadcast, if left out."}},
}
_PICTURES: Final = ("image/png", "image/jpeg")
_WISH: Final[Json] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"title": _TITLE, **_SETTINGS},
}


def _answered(about: str, schema: str = "Stream", *, status: str = "200") -> Any:
    return answers(status, about, ref(schema))


PATHS: Final[Json] = {
    **MARKER_PATHS,
    "/api/v1/live": {
        "get": operation(
            "listStreams",
            "List live streams, newest first.",
            _answered("A page of streams.", "Streams"),
            parameters=[
                parameter("cursor", "query", "`next` of the page before.", TEXT),
                parameter(
                    "limit",
                    "query",
                    "Streams on a page.",
                    {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
                ),
            ],
        ),
        "post": operation(
            "createStream",
            "Make a live stream. Its key is in this answer and in no other.",
            _answered("The new stream and its key.", "StreamWithKey", status="201"),
            parameters=[ONCE],
            requestBody={**body(_WISH), "required": False},
        ),
    },
    "/api/v1/live/{stream}": {
        "parameters": [_STREAM],
        "get": operation("showStream", "Show a stream.", _answered("The stream."), security=[]),
        "patch": operation(
            "changeStream",
            "Change the title or settings, for the broadcasts to come.",
            _answered("The stream."),
            requestBody=body({**_WISH, "minProperties": 1}),
        ),
        "delete": operation(
            "deleteStream",
            "Delete a stream; its recordings stay.",
            answers("204", "It is gone for everybody."),
            parameters=[
                parameter(
                    "force",
                    "query",
                    "End what is on air first, and not answer with 409.",
                    {"type": "boolean", "default": False},
                )
            ],
        ),
    },
    "/api/v1/live/{stream}/key": {
        "parameters": [_STREAM],
        "post": operation(
            "rotateKey",
            "Give the stream another key; the old one opens nothing from now on.",
            _answered("The stream and its key.", "StreamWithKey"),
        ),
    },
    "/api/v1/live/{stream}/slate": {
        "parameters": [_STREAM],
        "put": operation(
            "putSlate",
            "Take a picture as what is shown while nobody publishes.",
            answers("204", "It is shown from the next broadcast on."),
            requestBody={
                "required": True,
                "content": {name: {"schema": {"type": "string", "format": "binary"}} for name in _PICTURES},
            },
        ),
        "delete": operation(
            "deleteSlate", "Show the built-in picture again.", answers("204", "It is, from the next one on.")
        ),
    },
    "/api/v1/assets/{asset}/clips": {
        "parameters": [_ASSET],
        "post": operation(
            "createClip",
            "Cut a clip out of a broadcast that is on air, or of its recording, in whole segments.",
            answers("201", "The new asset, and where it came to begin and end.", ref("Clip")),
            parameters=[ONCE],
            requestBody=body(_CLIP),
        ),
    },
    "/api/v1/live/{stream}/test": {
        "parameters": [_STREAM],
        "post": operation(
            "showTestCard",
            "Publish a test card to the stream, from inside the server.",
            answers("202", "It is let in.", record({"id": TEXT})),
        ),
    },
    "/api/v1/live/{stream}/markers": {
        "parameters": [_STREAM],
        "post": operation(
            "markBroadcast",
            "Tell something at a moment of what is on air: now, unless another one is named.",
            answers("201", "The marker is durable.", ref("MarkerOfAsset")),
            parameters=[ONCE],
            requestBody={**body(MARKER_WISH), "required": False},
        ),
    },
    "/api/v1/live/{stream}/end": {
        "parameters": [_STREAM],
        "post": operation(
            "endBroadcast",
            "End what is on air.",
            _answered("The stream; its `asset` is the recording."),
            parameters=[ONCE],
        ),
    },
}

_SHOWN: Final[Json] = {
    "id": TEXT,
    "title": TEXT,
    "state": _STATE,
    "created": TIME,
    "asset": or_null("string", description="Id of the broadcast on air, or of the last one."),
    **_SETTINGS,
    "playback": record({"hls": TEXT, "dash": TEXT}, about="What is on air, or the last recording."),
    "page": {**TEXT, "description": "The page to watch it on."},
    "ingest": {
        "type": "object",
        "additionalProperties": TEXT,
        "description": "By protocol, the address that publishers send to, without the key.",
    },
}

SCHEMAS: Final[Json] = {
    **MARKER_SCHEMAS,
    "Stream": record(_SHOWN),
    "StreamWithKey": record(
        {
            **_SHOWN,
            "key": or_null(
                "string",
                description="What publishers prove themselves with; null in a repeated answer.",
            ),
        }
    ),
    "Streams": record({"items": {"type": "array", "items": ref("Stream")}, "next": or_null("string")}),
    "Clip": {
        "allOf": [
            ref("Asset"),
            {"type": "object", "required": ["start", "end"], "properties": _TIMES},
        ]
    },
    "Live": record({"stream": TEXT, "state": _STATE}),
}
