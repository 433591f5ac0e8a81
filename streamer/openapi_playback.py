"""The part of the OpenAPI document that is about protected playback."""

from __future__ import annotations

from typing import Final

from cdn.grants import MOST
from cdn.sign import Algorithm
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

_KEY: Final[Json] = parameter("id", "path", "The key's id, `kid` of its tokens.", TEXT, required=True)


def _list(about: str) -> Json:
    return {"type": "array", "minItems": 1, "maxItems": MOST, "items": TEXT, "description": about}


_TOKEN: Final[Json] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "expires_seconds": {
            "type": "integer",
            "minimum": 1,
            "default": 3600,
            "description": "How long it holds; the longest is `playback_token_max_seconds`.",
        },
        "not_before": {"type": "integer", "description": "From when on, in seconds since 1970."},
        "origins": _list("Hosts whose pages may play, `*.` for those below one."),
        "addresses": _list("Addresses or networks of viewers."),
        "rungs": _list("Names of rungs of pictures, such as 720p; without it all of them."),
        "max_height": {"type": "integer", "minimum": 1, "description": "The largest rung, such as 720."},
    },
}


def _made(name: str, what: str) -> Json:
    return operation(
        name,
        f"Sign a playback token for {what}. Viewers get one of an hour at most, from now on.",
        answers("201", "The token, and where it plays.", ref("PlaybackToken")),
        requestBody={**body(_TOKEN), "required": False},
    )


PATHS: Final[Json] = {
    "/api/v1/playback-keys": {
        "get": operation(
            "listPlaybackKeys",
            "List the keys that playback tokens are verified with, oldest first.",
            answers("200", "Keys.", record({"items": {"type": "array", "items": ref("PlaybackKey")}})),
        ),
        "post": operation(
            "createPlaybackKey",
            "Keep a public key, or make a pair, whose private half is in this answer and in no other.",
            answers(
                "201",
                "The key.",
                {"allOf": [ref("PlaybackKey"), record({"private_key": or_null("string")})]},
            ),
            parameters=[ONCE],
            requestBody={
                **body(
                    {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {
                            "name": TEXT,
                            "public_key": {"type": "string", "description": "Ed25519 or RSA, in PEM."},
                        },
                    }
                ),
                "required": False,
            },
        ),
    },
    "/api/v1/playback-keys/{id}": {
        "parameters": [_KEY],
        "delete": operation(
            "revokePlaybackKey",
            "Revoke a key: its tokens open nothing from now on.",
            answers("204", "It is gone."),
        ),
    },
    "/api/v1/assets/{asset}/playback-tokens": {
        "parameters": [parameter("asset", "path", "The asset's id.", TEXT, required=True)],
        "post": _made("signAssetToken", "an asset"),
    },
    "/api/v1/live/{stream}/playback-tokens": {
        "parameters": [parameter("stream", "path", "The stream's id.", TEXT, required=True)],
        "post": _made("signStreamToken", "a stream: for what it has on air, or had last"),
    },
}

SCHEMAS: Final[Json] = {
    "PlaybackKey": record(
        {
            "id": TEXT,
            "name": TEXT,
            "algorithm": {"enum": [str(one) for one in Algorithm]},
            "public_key": {"type": "string", "description": "PEM."},
            "server": {"type": "boolean", "description": "The server signs with it."},
            "created": TIME,
        }
    ),
    "PlaybackToken": record(
        {
            "token": TEXT,
            "expires": TIME,
            "playback": record({"hls": TEXT, "dash": TEXT}),
            "page": TEXT,
        }
    ),
}
