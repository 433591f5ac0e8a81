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
    or_null,
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

_ENTRANCE: Final[Json] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["destination"],
    "properties": {
        "destination": {"type": "string", "description": "Name of one with a table `cloudfront`."},
        "expires_seconds": {"type": "integer", "minimum": 1, "default": 3600},
        "address": or_null("string", description="The only IPv4 address or network to let in."),
    },
}

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
    "/api/v1/assets/{asset}/playback-cookies": {
        "parameters": [parameter("asset", "path", "The asset's id.", TEXT, required=True)],
        "post": operation(
            "signAssetCookies",
            "Sign cookies with which CloudFront lets a viewer in to one asset.",
            answers("201", "The cookies, and where it plays with them.", ref("PlaybackCookies")),
            requestBody=body(_ENTRANCE),
        ),
    },
}

SCHEMAS: Final[Json] = {
    "PlaybackCookies": record(
        {
            "destination": TEXT,
            "expires": TIME,
            "playback": record({"hls": TEXT, "dash": TEXT}),
            "cookies": {
                "type": "array",
                "items": record(
                    {
                        "name": TEXT,
                        "value": TEXT,
                        "domain": or_null("string"),
                        "path": TEXT,
                        "set_cookie": {"type": "string", "description": "Value of a header Set-Cookie."},
                    }
                ),
            },
            "query": {"type": "string", "description": "The same, to be added to every address."},
        }
    ),
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
