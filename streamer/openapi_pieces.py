"""Pieces that the OpenAPI document is written with."""

from __future__ import annotations

from typing import Any, Final

Json = dict[str, Any]


def ref(name: str) -> Json:
    """Return a reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def body(schema: Json, *, kind: str = "application/json") -> Json:
    """Return a request body that has to be there."""
    return {"required": True, "content": {kind: {"schema": schema}}}


def answers(status: str, about: str, schema: Json | None = None, *, headers: Json | None = None) -> Json:
    """Return a successful answer, and that everything else is a problem."""
    told: Json = {"description": about}
    if schema is not None:
        told["content"] = {"application/json": {"schema": schema}}
    if headers is not None:
        told["headers"] = headers
    problem = {
        "description": "A problem (RFC 9457).",
        "content": {"application/problem+json": {"schema": ref("Problem")}},
    }
    return {status: told, "4XX": problem, "5XX": problem}


def operation(identity: str, about: str, responses: Json, **more: Any) -> Json:
    """Return one operation."""
    return {"operationId": identity, "summary": about, "responses": responses, **more}


def parameter(name: str, where: str, about: str, schema: Json, *, required: bool = False) -> Json:
    """Return one parameter."""
    return {"name": name, "in": where, "description": about, "schema": schema, "required": required}


TEXT: Final[Json] = {"type": "string"}
POLICY: Final[Json] = {
    "enum": ["public", "signed"],
    "description": "Who may watch: everybody who knows the id, or who has a playback token.",
}
COUNT: Final[Json] = {"type": "integer", "minimum": 0}
TIME: Final[Json] = {"type": "string", "format": "date-time"}


def record(properties: Json, *, about: str = "") -> Json:
    """Return the schema of an object that has all of these members."""
    described = {"description": about} if about else {}
    return {"type": "object", **described, "required": list(properties), "properties": properties}


def or_null(kind: str, **more: Any) -> Json:
    """Return the schema of a value that may be null."""
    return {"type": [kind, "null"], **more}


ONCE: Final[Json] = parameter(
    "Idempotency-Key",
    "header",
    "A request that is sent again with the same key is answered as the first one was.",
    {"type": "string", "minLength": 1, "maxLength": 255},
)
