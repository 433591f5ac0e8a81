"""The API as an OpenAPI 3.1 document."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from streamer import (
    openapi_channels,
    openapi_live,
    openapi_operations,
    openapi_playback,
    openapi_publish,
    openapi_webhooks,
)
from streamer.openapi_pieces import (
    COUNT,
    ONCE,
    POLICY,
    TEXT,
    Json,
    answers,
    body,
    operation,
    or_null,
    parameter,
    record,
    ref,
)
from streamer.session import answer

PATH: Final = "/api/openapi.json"


_ASSET = parameter(
    "asset",
    "path",
    "The asset's id.",
    {"type": "string", "pattern": "^[a-z0-9]{12}$"},
    required=True,
)
_LANGUAGE = parameter("language", "path", "A BCP 47 tag, such as pt-BR.", TEXT, required=True)
_UPLOAD = parameter("id", "path", "The upload's id.", TEXT, required=True)
_TUS = parameter("Tus-Resumable", "header", "Version of the tus protocol.", {"const": "1.0.0"}, required=True)
_OFFSET = parameter("Upload-Offset", "header", "Where the bytes go.", COUNT, required=True)
_OPEN: Final[Json] = {"security": []}  # anybody may call it

_ASSETS: Final[Json] = {
    "/api/v1/assets": {
        "get": operation(
            "listAssets",
            "List assets, newest first.",
            answers("200", "A page of assets.", ref("Page")),
            parameters=[
                parameter("cursor", "query", "`next` of the page before.", TEXT),
                parameter(
                    "limit",
                    "query",
                    "Assets on a page.",
                    {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
                ),
                parameter("q", "query", "Part of the title, in any case.", TEXT),
            ],
        ),
        "post": operation(
            "uploadAsset",
            "Upload a file in one request; for large ones prefer /api/v1/uploads.",
            answers("201", "The new asset.", ref("Asset")),
            parameters=[ONCE],
            requestBody=body(
                {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "title": TEXT,
                        "policy": POLICY,
                        "file": {"type": "string", "contentMediaType": "application/octet-stream"},
                    },
                },
                kind="multipart/form-data",
            ),
        ),
    },
    "/api/v1/assets/{asset}": {
        "parameters": [_ASSET],
        "get": operation("showAsset", "Show an asset.", answers("200", "The asset.", ref("Asset")), **_OPEN),
        "patch": operation(
            "changeAsset",
            "Change the title, what of it is made, or who may watch it.",
            answers("200", "The asset.", ref("Asset")),
            requestBody=body(
                {
                    "type": "object",
                    "minProperties": 1,
                    "properties": {
                        "title": {"type": "string", "minLength": 1, "maxLength": 500},
                        "fill": {"enum": ["full", "watched"]},
                        "policy": POLICY,
                    },
                }
            ),
        ),
        "delete": operation(
            "deleteAsset", "Delete an asset and its media.", answers("204", "It is gone for everybody.")
        ),
    },
    "/api/v1/assets/{asset}/retry": {
        "parameters": [_ASSET],
        "post": operation(
            "retryAsset",
            "Try again what has failed.",
            answers("202", "It will be tried.", ref("Asset")),
            parameters=[ONCE],
        ),
    },
    "/api/v1/assets/{asset}/reencode": {
        "parameters": [_ASSET],
        "post": operation(
            "reencodeAsset",
            "Encode anew, beside what is being watched.",
            answers("202", "It will be encoded.", ref("Asset")),
            parameters=[ONCE],
        ),
    },
    "/api/v1/assets/{asset}/captions/{language}": {
        "parameters": [_ASSET, _LANGUAGE],
        "put": operation(
            "putCaptions",
            "Add captions, in place of those in the same language.",
            answers("200", "The asset.", ref("Asset")),
            parameters=[parameter("label", "query", "What the menu shows; the tag if left out.", TEXT)],
            requestBody={
                "required": True,
                "content": {"text/vtt": {"schema": TEXT}, "application/x-subrip": {"schema": TEXT}},
            },
        ),
        "delete": operation(
            "deleteCaptions",
            "Remove the captions in a language.",
            answers("200", "The asset.", ref("Asset")),
        ),
    },
}

_UPLOADS: Final[Json] = {
    "/api/v1/uploads": {
        "options": operation(
            "describeUploads", "Say which tus extensions there are.", answers("204", "In headers.")
        ),
        "post": operation(
            "createUpload",
            "Begin a resumable upload (tus 1.0); its asset exists from now on.",
            answers(
                "201",
                "The upload; `Location` is its address.",
                headers={
                    "Location": {"schema": TEXT},
                    "Streamer-Asset": {"description": "Id of the asset.", "schema": TEXT},
                },
            ),
            parameters=[_TUS],
        ),
    },
    "/api/v1/uploads/{id}": {
        "parameters": [_UPLOAD],
        "options": operation(
            "describeUpload", "Say which tus extensions there are.", answers("204", "In headers.")
        ),
        "head": operation(
            "showUpload",
            "Tell how many bytes are kept.",
            answers("200", "`Upload-Offset`."),
            parameters=[_TUS],
        ),
        "patch": operation(
            "appendUpload",
            "Append bytes; what is acknowledged is on disk.",
            answers("204", "`Upload-Offset`."),
            parameters=[_TUS, _OFFSET],
            requestBody=body(TEXT, kind="application/offset+octet-stream"),
        ),
        "post": operation(
            "overrideUpload",
            "PATCH or DELETE, named in X-HTTP-Method-Override, where something between allows POST alone.",
            answers("204", "As for the method named."),
            parameters=[_TUS, parameter("X-HTTP-Method-Override", "header", "The method meant.", TEXT)],
        ),
        "delete": operation(
            "endUpload", "Give the upload up.", answers("204", "It is gone."), parameters=[_TUS]
        ),
    },
}

_OTHERS: Final[Json] = {
    "/api/v1/session": {
        "get": operation(
            "showSession", "Tell the caller's role.", answers("200", "The role.", ref("Session")), **_OPEN
        ),
        "post": operation(
            "openSession",
            "Exchange a token for a cookie that scripts cannot read.",
            answers("201", "The role; the cookie is set.", ref("Session")),
            requestBody=body({"type": "object", "required": ["token"], "properties": {"token": TEXT}}),
            **_OPEN,
        ),
        "delete": operation("closeSession", "Sign out.", answers("204", "The cookie is gone."), **_OPEN),
    },
    PATH: {
        "get": operation(
            "describeApi", "This document.", answers("200", "OpenAPI 3.1.", {"type": "object"}), **_OPEN
        )
    },
}


_SCHEMAS: Final[Json] = {
    "Asset": record(
        {
            "id": TEXT,
            "title": TEXT,
            "state": {"enum": ["uploading", "probing", "playable", "complete", "failed"]},
            "fill": {"enum": ["full", "watched"], "description": "What of it is made."},
            "policy": POLICY,
            "created": {"type": "string", "format": "date-time"},
            "duration": or_null("number", description="Seconds; null while unknown."),
            "seekable": or_null(
                "number",
                description="Seconds from the start that can be played now: less than `duration` while bytes "
                "of the file are missing; null until it can be watched.",
            ),
            "size": or_null("integer", description="Bytes; null while unknown."),
            "received": {
                **COUNT,
                "description": "Bytes that are kept; while `size` is null or more, the upload still runs.",
            },
            "playback": {
                "anyOf": [record({"hls": TEXT, "dash": TEXT}), {"type": "null"}],
                "description": "Null until it can be watched.",
            },
            "poster": or_null("string"),
            "storyboard": or_null("string"),
            "rungs": {"type": "array", "items": ref("Rung")},
            "captions": {
                "type": "array",
                "items": record({"language": TEXT, "label": TEXT, "url": TEXT}),
            },
            "warnings": {"type": "array", "items": TEXT},
            "uncopied": {
                "type": "array",
                "items": TEXT,
                "description": "Why tracks of the source are encoded and not served as they are.",
            },
            "failure": {"anyOf": [ref("Failure"), {"type": "null"}]},
            "live": {
                "anyOf": [ref("Live"), {"type": "null"}],
                "description": "Of a broadcast: its stream, and whether it is on air.",
            },
        }
    ),
    "Rung": record(
        {
            "name": TEXT,
            "kind": TEXT,
            "width": COUNT,
            "height": COUNT,
            "segments": COUNT,
            "done": COUNT,
            "copied": {"type": "boolean", "description": "The source's own track: nothing has to be made."},
        }
    ),
    "Failure": record(
        {"step": TEXT, "message": TEXT, "log": {"type": "array", "items": TEXT}},
        about="Which step failed and why; log lines are shown to who has signed in.",
    ),
    "Page": record({"items": {"type": "array", "items": ref("Asset")}, "next": or_null("string")}),
    "Session": record({"role": {"enum": ["public", "viewer", "admin"]}}),
    "Problem": record({"type": TEXT, "title": TEXT, "status": {"type": "integer"}})
    | {"additionalProperties": True},
}


def document(version: str) -> Json:
    """Return the document for this version of the server."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "streamer", "version": version, "summary": "Upload, watch and manage video."},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"session": []}],
        "paths": {
            **_ASSETS,
            **_UPLOADS,
            **openapi_publish.PATHS,
            **openapi_playback.PATHS,
            **openapi_operations.PATHS,
            **openapi_webhooks.PATHS,
            **openapi_live.PATHS,
            **openapi_channels.PATHS,
            **_OTHERS,
        },
        "components": {
            "schemas": {
                **_SCHEMAS,
                **openapi_publish.SCHEMAS,
                **openapi_playback.SCHEMAS,
                **openapi_operations.SCHEMAS,
                **openapi_webhooks.SCHEMAS,
                **openapi_live.SCHEMAS,
                **openapi_channels.SCHEMAS,
            },
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "streamer_session"},
            },
        },
    }


class OpenApi:
    """Handler of /api/openapi.json."""

    def __init__(self, version: str) -> None:
        """Take the server's version."""
        self._document = document(version)

    def routes(self) -> list[web.RouteDef]:
        """Return the route."""
        return [web.get(PATH, self.show, name="openapi", allow_head=False)]

    async def show(self, _request: web.Request) -> web.Response:
        """Answer with the document."""
        return answer(self._document)


def undocumented(app: web.Application) -> list[str]:
    """Return the routes under /api/ that the document does not have, as `method path`."""
    paths = document("")["paths"]
    missing = []
    for route in app.router.routes():
        path = route.resource.canonical if route.resource else ""
        if path.startswith("/api/") and route.method.lower() not in paths.get(path, {}):
            missing.append(f"{route.method.lower()} {path}")
    return missing
