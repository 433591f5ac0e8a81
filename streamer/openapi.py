"""The API as an OpenAPI 3.1 document."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from streamer.session import answer

Json = dict[str, Any]
PATH: Final = "/api/openapi.json"


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _body(schema: Json, *, kind: str = "application/json") -> Json:
    return {"required": True, "content": {kind: {"schema": schema}}}


def _answers(status: str, about: str, schema: Json | None = None, *, headers: Json | None = None) -> Json:
    told: Json = {"description": about}
    if schema is not None:
        told["content"] = {"application/json": {"schema": schema}}
    if headers is not None:
        told["headers"] = headers
    problem = {
        "description": "A problem (RFC 9457).",
        "content": {"application/problem+json": {"schema": _ref("Problem")}},
    }
    return {status: told, "4XX": problem, "5XX": problem}


def _operation(identity: str, about: str, responses: Json, **more: Any) -> Json:
    return {"operationId": identity, "summary": about, "responses": responses, **more}


def _parameter(name: str, where: str, about: str, schema: Json, *, required: bool = False) -> Json:
    return {"name": name, "in": where, "description": about, "schema": schema, "required": required}


_TEXT: Final[Json] = {"type": "string"}
_COUNT: Final[Json] = {"type": "integer", "minimum": 0}
_ASSET = _parameter(
    "asset",
    "path",
    "The asset's id.",
    {"type": "string", "pattern": "^[a-z0-9]{12}$"},
    required=True,
)
_LANGUAGE = _parameter("language", "path", "A BCP 47 tag, such as pt-BR.", _TEXT, required=True)
_UPLOAD = _parameter("id", "path", "The upload's id.", _TEXT, required=True)
_ONCE = _parameter(
    "Idempotency-Key",
    "header",
    "A request that is sent again with the same key is answered as the first one was.",
    {"type": "string", "minLength": 1, "maxLength": 255},
)
_TUS = _parameter(
    "Tus-Resumable", "header", "Version of the tus protocol.", {"const": "1.0.0"}, required=True
)
_OFFSET = _parameter("Upload-Offset", "header", "Where the bytes go.", _COUNT, required=True)
_OPEN: Final[Json] = {"security": []}  # anybody may call it

_ASSETS: Final[Json] = {
    "/api/v1/assets": {
        "get": _operation(
            "listAssets",
            "List assets, newest first.",
            _answers("200", "A page of assets.", _ref("Page")),
            parameters=[
                _parameter("cursor", "query", "`next` of the page before.", _TEXT),
                _parameter(
                    "limit",
                    "query",
                    "Assets on a page.",
                    {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
                ),
                _parameter("q", "query", "Part of the title, in any case.", _TEXT),
            ],
        ),
        "post": _operation(
            "uploadAsset",
            "Upload a file in one request; for large ones prefer /api/v1/uploads.",
            _answers("201", "The new asset.", _ref("Asset")),
            parameters=[_ONCE],
            requestBody=_body(
                {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "contentMediaType": "application/octet-stream"}
                    },
                },
                kind="multipart/form-data",
            ),
        ),
    },
    "/api/v1/assets/{asset}": {
        "parameters": [_ASSET],
        "get": _operation(
            "showAsset", "Show an asset.", _answers("200", "The asset.", _ref("Asset")), **_OPEN
        ),
        "patch": _operation(
            "changeAsset",
            "Change the title, or what of it is made.",
            _answers("200", "The asset.", _ref("Asset")),
            requestBody=_body(
                {
                    "type": "object",
                    "minProperties": 1,
                    "properties": {
                        "title": {"type": "string", "minLength": 1, "maxLength": 500},
                        "fill": {"enum": ["full", "watched"]},
                    },
                }
            ),
        ),
        "delete": _operation(
            "deleteAsset", "Delete an asset and its media.", _answers("204", "It is gone for everybody.")
        ),
    },
    "/api/v1/assets/{asset}/retry": {
        "parameters": [_ASSET],
        "post": _operation(
            "retryAsset",
            "Try again what has failed.",
            _answers("202", "It will be tried.", _ref("Asset")),
            parameters=[_ONCE],
        ),
    },
    "/api/v1/assets/{asset}/reencode": {
        "parameters": [_ASSET],
        "post": _operation(
            "reencodeAsset",
            "Encode anew, beside what is being watched.",
            _answers("202", "It will be encoded.", _ref("Asset")),
            parameters=[_ONCE],
        ),
    },
    "/api/v1/assets/{asset}/captions/{language}": {
        "parameters": [_ASSET, _LANGUAGE],
        "put": _operation(
            "putCaptions",
            "Add captions, in place of those in the same language.",
            _answers("200", "The asset.", _ref("Asset")),
            parameters=[_parameter("label", "query", "What the menu shows; the tag if left out.", _TEXT)],
            requestBody={
                "required": True,
                "content": {"text/vtt": {"schema": _TEXT}, "application/x-subrip": {"schema": _TEXT}},
            },
        ),
        "delete": _operation(
            "deleteCaptions",
            "Remove the captions in a language.",
            _answers("200", "The asset.", _ref("Asset")),
        ),
    },
}

_UPLOADS: Final[Json] = {
    "/api/v1/uploads": {
        "options": _operation(
            "describeUploads", "Say which tus extensions there are.", _answers("204", "In headers.")
        ),
        "post": _operation(
            "createUpload",
            "Begin a resumable upload (tus 1.0); its asset exists from now on.",
            _answers(
                "201",
                "The upload; `Location` is its address.",
                headers={
                    "Location": {"schema": _TEXT},
                    "Streamer-Asset": {"description": "Id of the asset.", "schema": _TEXT},
                },
            ),
            parameters=[_TUS],
        ),
    },
    "/api/v1/uploads/{id}": {
        "parameters": [_UPLOAD],
        "options": _operation(
            "describeUpload", "Say which tus extensions there are.", _answers("204", "In headers.")
        ),
        "head": _operation(
            "showUpload",
            "Tell how many bytes are kept.",
            _answers("200", "`Upload-Offset`."),
            parameters=[_TUS],
        ),
        "patch": _operation(
            "appendUpload",
            "Append bytes; what is acknowledged is on disk.",
            _answers("204", "`Upload-Offset`."),
            parameters=[_TUS, _OFFSET],
            requestBody=_body(_TEXT, kind="application/offset+octet-stream"),
        ),
        "post": _operation(
            "overrideUpload",
            "PATCH or DELETE, named in X-HTTP-Method-Override, where something between allows POST alone.",
            _answers("204", "As for the method named."),
            parameters=[_TUS, _parameter("X-HTTP-Method-Override", "header", "The method meant.", _TEXT)],
        ),
        "delete": _operation(
            "endUpload", "Give the upload up.", _answers("204", "It is gone."), parameters=[_TUS]
        ),
    },
}

_OTHERS: Final[Json] = {
    "/api/v1/session": {
        "get": _operation(
            "showSession", "Tell the caller's role.", _answers("200", "The role.", _ref("Session")), **_OPEN
        ),
        "post": _operation(
            "openSession",
            "Exchange a token for a cookie that scripts cannot read.",
            _answers("201", "The role; the cookie is set.", _ref("Session")),
            requestBody=_body({"type": "object", "required": ["token"], "properties": {"token": _TEXT}}),
            **_OPEN,
        ),
        "delete": _operation("closeSession", "Sign out.", _answers("204", "The cookie is gone."), **_OPEN),
    },
    PATH: {
        "get": _operation(
            "describeApi", "This document.", _answers("200", "OpenAPI 3.1.", {"type": "object"}), **_OPEN
        )
    },
}


def _record(properties: Json, *, about: str = "") -> Json:
    described = {"description": about} if about else {}
    return {"type": "object", **described, "required": list(properties), "properties": properties}


def _or_null(kind: str, **more: Any) -> Json:
    return {"type": [kind, "null"], **more}


_SCHEMAS: Final[Json] = {
    "Asset": _record(
        {
            "id": _TEXT,
            "title": _TEXT,
            "state": {"enum": ["uploading", "probing", "playable", "complete", "failed"]},
            "fill": {"enum": ["full", "watched"], "description": "What of it is made."},
            "created": {"type": "string", "format": "date-time"},
            "duration": _or_null("number", description="Seconds; null while unknown."),
            "seekable": _or_null(
                "number",
                description="Seconds from the start that can be played now: less than `duration` while bytes "
                "of the file are missing; null until it can be watched.",
            ),
            "size": _or_null("integer", description="Bytes; null while unknown."),
            "received": {
                **_COUNT,
                "description": "Bytes that are kept; while `size` is null or more, the upload still runs.",
            },
            "playback": {
                "anyOf": [_record({"hls": _TEXT, "dash": _TEXT}), {"type": "null"}],
                "description": "Null until it can be watched.",
            },
            "poster": _or_null("string"),
            "storyboard": _or_null("string"),
            "rungs": {"type": "array", "items": _ref("Rung")},
            "captions": {
                "type": "array",
                "items": _record({"language": _TEXT, "label": _TEXT, "url": _TEXT}),
            },
            "warnings": {"type": "array", "items": _TEXT},
            "failure": {"anyOf": [_ref("Failure"), {"type": "null"}]},
        }
    ),
    "Rung": _record(
        {"name": _TEXT, "kind": _TEXT, "width": _COUNT, "height": _COUNT, "segments": _COUNT, "done": _COUNT}
    ),
    "Failure": _record(
        {"step": _TEXT, "message": _TEXT, "log": {"type": "array", "items": _TEXT}},
        about="Which step failed and why; log lines are shown to who has signed in.",
    ),
    "Page": _record({"items": {"type": "array", "items": _ref("Asset")}, "next": _or_null("string")}),
    "Session": _record({"role": {"enum": ["public", "viewer", "admin"]}}),
    "Problem": _record({"type": _TEXT, "title": _TEXT, "status": {"type": "integer"}})
    | {"additionalProperties": True},
}


def document(version: str) -> Json:
    """Return the document for this version of the server."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "streamer", "version": version, "summary": "Upload, watch and manage video."},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"session": []}],
        "paths": {**_ASSETS, **_UPLOADS, **_OTHERS},
        "components": {
            "schemas": _SCHEMAS,
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
