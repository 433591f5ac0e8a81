"""Name the routes of uploads."""

from __future__ import annotations

from aiohttp import web

from streamer.rows import Clock, wall_clock
from streamer.uploads.answers import guarded
from streamer.uploads.form import Form
from streamer.uploads.inbox import Inbox
from streamer.uploads.intake import Describe, Intake, Once, UploadSettings, at_least_once
from streamer.uploads.reception import Reception
from streamer.uploads.tus import Tus

UPLOADS = "/api/v1/uploads"
ASSETS = "/api/v1/assets"


def routes(
    inbox: Inbox,
    intake: Intake,
    settings: UploadSettings,
    clock: Clock = wall_clock,
    *,
    describe: Describe,
    once: Once = at_least_once,
) -> list[web.RouteDef]:
    """Return the routes of tus and of POST /api/v1/assets.

    `describe` returns an asset's JSON, `once` serves the Idempotency-Key. Whoever composes the server also
    awaits `Reception.recover` at the start and runs `Reception.sweep`.
    """
    reception = Reception(inbox=inbox, intake=intake, settings=settings, clock=clock)
    tus = Tus(reception)
    form = Form(reception, describe=describe, once=once)
    origin = settings.allow_origin
    collection = guarded(tus.collection, allow_origin=origin)
    single = guarded(tus.single, allow_origin=origin)
    return [
        web.post(UPLOADS, collection, name="uploads"),
        web.options(UPLOADS, collection, name="uploads"),
        *(
            web.route(method, UPLOADS + "/{id}", single, name="upload")
            for method in ("HEAD", "PATCH", "DELETE", "POST", "OPTIONS")
        ),
        web.post(ASSETS, guarded(form.post, allow_origin=origin), name="asset-upload"),
    ]
