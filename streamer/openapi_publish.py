"""The part of the OpenAPI document that is about publishing to buckets."""

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
from streamer.placements import Stand

_WISH: Final[Json] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["destination"],
    "properties": {
        "destination": {"type": "string", "description": "Name of a configured destination."},
        "complete": {
            "type": "boolean",
            "default": False,
            "description": "Have all made of an asset of which only what is watched is.",
        },
        "live": {
            "type": "boolean",
            "default": False,
            "description": "Publish a broadcast while it is on air; then its recording, as all others.",
        },
    },
}

_LIST: Final[Json] = record({"items": {"type": "array", "items": ref("Placement")}})

PATHS: Final[Json] = {
    "/api/v1/assets/{asset}/publish": {
        "parameters": [parameter("asset", "path", "The asset's id.", TEXT, required=True)],
        "get": operation(
            "listPlacements",
            "List where an asset is or was published.",
            answers("200", "Placements.", record({"items": {"type": "array", "items": ref("Placement")}})),
        ),
        "post": operation(
            "publishAsset",
            "Mirror an asset into a bucket, once it is complete; what is there is not uploaded again.",
            answers("202", "It is under way.", ref("Placement")),
            parameters=[ONCE],
            requestBody=body(_WISH),
        ),
        "delete": operation(
            "unpublishAsset",
            "Delete an asset from a bucket, manifests first.",
            answers("202", "It is under way.", ref("Placement")),
            parameters=[parameter("destination", "query", "Its name.", TEXT, required=True)],
        ),
    },
}

SCHEMAS: Final[Json] = {
    "Placement": record(
        {
            "asset": TEXT,
            "destination": TEXT,
            "state": {"enum": [str(state) for state in Stand]},
            "objects": COUNT,
            "bytes": COUNT,
            "uploaded": {**COUNT, "description": "Objects that were not there before the last time."},
            "failure": {"anyOf": [record({"code": TEXT, "message": TEXT}), {"type": "null"}]},
            "created": TIME,
            "updated": TIME,
        }
    ),
}
