"""The part of the OpenAPI document that is about webhooks."""

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
from streamer.webhooks.endpoint import OVERLAP_MOST, OVERLAP_SECONDS

_ID: Final[Json] = parameter("id", "path", "The webhook's id.", TEXT, required=True)
_FLAG: Final[Json] = {"type": "boolean"}
_WISH: Final[Json] = {
    "url": {"type": "string", "description": "An http or https address that events are posted to."},
    "events": {
        "type": "array",
        "minItems": 1,
        "maxItems": 20,
        "items": TEXT,
        "description": "Types of events, or how they begin and a star.",
    },
    "channel": or_null("string", description="A channel, or how it begins and a star; null for any."),
    "enabled": {"type": "boolean", "default": True},
}
_TOLD: Final[Json] = {"allOf": [ref("Webhook"), record({"secret": or_null("string")})]}
_STATE: Final[Json] = {"enum": ["pending", "parked"]}


def _wish(*required: str) -> Json:
    named = {"required": list(required)} if required else {}
    return body({"type": "object", "additionalProperties": False, **named, "properties": _WISH})


PATHS: Final[Json] = {
    "/api/v1/webhooks": {
        "get": operation(
            "listWebhooks",
            "List webhooks, oldest first.",
            answers("200", "Webhooks.", record({"items": {"type": "array", "items": ref("Webhook")}})),
        ),
        "post": operation(
            "createWebhook",
            "Have events posted to an address from now on. The answer has the secret, once.",
            answers("201", "The webhook.", _TOLD),
            parameters=[ONCE],
            requestBody=_wish("url", "events"),
        ),
    },
    "/api/v1/webhooks/{id}": {
        "parameters": [_ID],
        "get": operation("showWebhook", "Show a webhook.", answers("200", "It.", ref("Webhook"))),
        "patch": operation(
            "changeWebhook",
            "Change a webhook. What waits for one that is disabled is parked.",
            answers("200", "The webhook.", ref("Webhook")),
            requestBody=_wish(),
        ),
        "delete": operation(
            "deleteWebhook", "Delete a webhook and its deliveries.", answers("204", "It is gone.")
        ),
    },
    "/api/v1/webhooks/{id}/secret": {
        "parameters": [_ID],
        "post": operation(
            "renewWebhookSecret",
            "Give a webhook another secret, told once. The one before signs too for a while.",
            answers("200", "The webhook.", _TOLD),
            parameters=[ONCE],
            requestBody={
                "required": False,
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "additionalProperties": False,
                            "properties": {
                                "overlap_seconds": {
                                    "type": "integer",
                                    "minimum": 0,
                                    "maximum": OVERLAP_MOST,
                                    "default": OVERLAP_SECONDS,
                                }
                            },
                        }
                    }
                },
            },
        ),
    },
    "/api/v1/webhooks/{id}/deliveries": {
        "parameters": [_ID],
        "get": operation(
            "listDeliveries",
            "List deliveries that wait or are parked, oldest first.",
            answers(
                "200",
                "A page of deliveries.",
                record({"items": {"type": "array", "items": ref("Delivery")}, "next": or_null("string")}),
            ),
            parameters=[
                parameter("state", "query", "Which ones.", {**_STATE, "default": "parked"}),
                parameter("cursor", "query", "`next` of the page before.", TEXT),
                parameter(
                    "limit",
                    "query",
                    "Deliveries on a page.",
                    {"type": "integer", "minimum": 1, "maximum": 500, "default": 100},
                ),
            ],
        ),
    },
    "/api/v1/webhooks/{id}/replay": {
        "parameters": [_ID],
        "post": operation(
            "replayDeliveries",
            "Queue parked deliveries again: those named, or all.",
            answers("202", "How many.", record({"replayed": COUNT})),
            requestBody={
                "required": False,
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "additionalProperties": False,
                            "properties": {"deliveries": {"type": "array", "maxItems": 1000, "items": TEXT}},
                        }
                    }
                },
            },
        ),
    },
}

SCHEMAS: Final[Json] = {
    "Webhook": record(
        {
            "id": TEXT,
            "url": TEXT,
            "events": {"type": "array", "items": TEXT},
            "channel": or_null("string"),
            "enabled": _FLAG,
            "gone": {**_FLAG, "description": "It was disabled because its receiver answered 410."},
            "former_until": or_null(
                "string", format="date-time", description="How long the secret of before signs too."
            ),
            "created": TIME,
            "updated": TIME,
        }
    ),
    "Delivery": record(
        {
            "id": {**TEXT, "description": "As in `Streamer-Delivery`."},
            "channel": TEXT,
            "epoch": TEXT,
            "offset": COUNT,
            "type": TEXT,
            "state": _STATE,
            "attempts": COUNT,
            "failing_since": or_null("string", format="date-time"),
            "failure": or_null("string", description="Why it failed the last time."),
            "created": TIME,
        }
    ),
}
