"""The markers' part of the OpenAPI document."""

from __future__ import annotations

from typing import Final

from packager.marker import Splice
from streamer.marker_wish import KIND, LATEST, SCTE35_MOST
from streamer.openapi_pieces import (
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

_ASSET: Final[Json] = parameter("asset", "path", "The asset's id.", TEXT, required=True)
_MARKER: Final[Json] = parameter("marker", "path", "The marker's id.", TEXT, required=True)
_SECONDS: Final[Json] = {"type": "number", "minimum": 0, "maximum": LATEST}
_SCTE35: Final = f"A splice_info_section of at most {SCTE35_MOST} bytes in hexadecimal."
_DATA: Final = "Small JSON of any kind; `title` and `text` are what the player shows."

WISH: Final[Json] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "kind": {"type": "string", "pattern": f"^{KIND}$", "default": "marker"},
        "time": {**_SECONDS, "description": "Seconds from the first picture."},
        "date": {**TIME, "description": "The moment by the dates of the playlists, in place of `time`."},
        "duration": {**_SECONDS, "description": "How long it lasts."},
        "data": {"type": "object", "description": _DATA},
        "scte35": {**TEXT, "description": _SCTE35},
        "splice": {"enum": [str(one) for one in Splice], "description": "What `scte35` is."},
    },
}
"""What is sent to make a marker."""

PATHS: Final[Json] = {
    "/api/v1/assets/{asset}/markers": {
        "parameters": [_ASSET],
        "get": operation(
            "listMarkers",
            "List the markers of an asset in the order of their moments.",
            answers("200", "All of them.", record({"items": {"type": "array", "items": ref("Marker")}})),
            security=[],
        ),
        "post": operation(
            "markAsset",
            "Tell something at a moment of an asset.",
            answers("201", "The marker is durable.", ref("MarkerOfAsset")),
            parameters=[ONCE],
            requestBody=body(WISH),
        ),
    },
    "/api/v1/assets/{asset}/markers/{marker}": {
        "parameters": [_ASSET, _MARKER],
        "delete": operation(
            "deleteMarker",
            "Forget a marker; segments that tell of it stay as they are.",
            answers("204", "Playlists do not name it any more."),
        ),
    },
}

_SHOWN: Final[Json] = {
    "id": TEXT,
    "kind": TEXT,
    "date": {**TIME, "description": "The moment by the dates of the playlists."},
    "time": {**_SECONDS, "description": "Seconds from the first picture."},
    "duration": or_null("number"),
    "data": or_null("object"),
    "scte35": or_null("string"),
    "splice": {"enum": [*(str(one) for one in Splice), None]},
    "inband": {"type": "boolean", "description": "Segments tell of it, and not only manifests."},
    "created": TIME,
}

SCHEMAS: Final[Json] = {
    "Marker": record(_SHOWN),
    "MarkerOfAsset": record({"asset": TEXT, **_SHOWN}),
}
