"""The operator's part of the OpenAPI document: Runs, queues and workers."""

from __future__ import annotations

from typing import Final

from streamer.openapi_pieces import (
    COUNT,
    TEXT,
    TIME,
    Json,
    answers,
    operation,
    or_null,
    parameter,
    record,
    ref,
)

URGENCY: Final[Json] = {
    "enum": ["now", "soon", "fill"],
    "description": "A viewer waits; a viewer will want it next; the rest.",
}

PATHS: Final[Json] = {
    "/api/v1/runs": {
        "get": operation(
            "listRuns",
            "List Runs: those that are open, the most urgent first, then the last to end.",
            answers("200", "Runs.", ref("Runs")),
            parameters=[
                parameter(
                    "state",
                    "query",
                    "Only Runs in this state; may be given several times.",
                    {"enum": ["queued", "running", "done", "failed"]},
                ),
                parameter("asset", "query", "Only Runs of this asset.", TEXT),
                parameter(
                    "limit",
                    "query",
                    "Runs at most.",
                    {"type": "integer", "minimum": 1, "maximum": 500, "default": 100},
                ),
            ],
        ),
    },
    "/api/v1/queue": {
        "get": operation(
            "showQueue",
            "Tell what waits and runs of each urgency, and what is left of each asset.",
            answers("200", "The queue.", ref("Queue")),
        ),
    },
    "/api/v1/workers": {
        "get": operation(
            "listWorkers", "List what executes Runs.", answers("200", "Workers.", ref("Workers"))
        ),
    },
}

SCHEMAS: Final[Json] = {
    "Runs": record({"now": TIME, "items": {"type": "array", "items": ref("Run")}}),
    "Run": record(
        {
            "id": TEXT,
            "asset": TEXT,
            "title": {**TEXT, "description": "The asset's."},
            "state": {"enum": ["queued", "running", "done", "failed"]},
            "urgency": URGENCY,
            "rungs": {"type": "array", "items": TEXT},
            "first": {**COUNT, "description": "Number of the first segment."},
            "last": {**COUNT, "description": "Number of the last segment, itself included."},
            "worker": or_null("string"),
            "attempts": COUNT,
            "lost": {**COUNT, "description": "How often its worker went away with it."},
            "created": TIME,
            "started": or_null("string", format="date-time"),
            "ended": or_null("string", format="date-time"),
            "failure": or_null("string", description="Why it failed."),
            "code": or_null("string", description="The kind of failure, for programs."),
        },
        about="One encode of consecutive segments of some rungs.",
    ),
    "Queue": record(
        {
            "urgencies": {
                "type": "array",
                "items": record(
                    {
                        "urgency": URGENCY,
                        "queued": COUNT,
                        "running": COUNT,
                        "oldest_seconds": or_null("number", description="How long the oldest has waited."),
                        "assets_waiting": {**COUNT, "description": "Assets here that want a slot."},
                    }
                ),
            },
            "segments_left": COUNT,
            "assets": {
                "type": "array",
                "items": record(
                    {"asset": TEXT, "segments_left": COUNT, "viewers_waiting": COUNT, "running": COUNT}
                ),
            },
        }
    ),
    "Workers": record({"now": TIME, "items": {"type": "array", "items": ref("Worker")}}),
    "Worker": record(
        {
            "name": TEXT,
            "state": {"enum": ["working", "draining", "stopped", "lost"]},
            "slots": COUNT,
            "urgent": {**COUNT, "description": "Slots beyond, for what a viewer waits for."},
            "busy": {**COUNT, "description": "Runs that it executes."},
            "encoder": {**TEXT, "description": "The build of its FFmpeg."},
            "version": TEXT,
            "started": TIME,
            "seen": TIME,
        }
    ),
}
