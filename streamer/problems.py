"""Errors become HTTP problem responses (RFC 9457): one table, one middleware."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from packager import errors as packaging
from streamer import errors
from streamer.ingest import errors as ingest

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Problem(Exception):
    """A problem to answer with: `slug` names the type, `extras` are further members, `headers` go along."""

    def __init__(
        self,
        slug: str,
        title: str,
        status: int,
        detail: str = "",
        *,
        extras: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Keep the members; the status is an HTTP status from 400 on."""
        super().__init__(detail or title)
        self.slug = slug
        self.title = title
        self.status = status
        self.detail = detail
        self.extras = dict(extras or {})
        self.headers = dict(headers or {})

    def members(self) -> dict[str, Any]:
        """Return the members of the problem document."""
        shown: dict[str, Any] = {
            "type": f"urn:streamer:problem:{self.slug}",
            "title": self.title,
            "status": self.status,
        }
        if self.detail:
            shown["detail"] = self.detail
        return {**self.extras, **shown}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of the table: how an exception class is told over HTTP."""

    status: int
    slug: str
    title: str


TABLE: dict[type[Exception], Entry] = {
    packaging.NothingDecodable: Entry(
        status=422, slug="nothing-decodable", title="Nothing in it can be played"
    ),
    packaging.Encrypted: Entry(status=422, slug="encrypted", title="The media is encrypted"),
    packaging.FormatNotAllowed: Entry(status=415, slug="format-not-allowed", title="Container not accepted"),
    packaging.CodecNotAllowed: Entry(status=415, slug="codec-not-allowed", title="Codec not accepted"),
    packaging.OverLimit: Entry(status=422, slug="over-limit", title="Over a stated limit"),
    packaging.BadCaptions: Entry(status=422, slug="bad-captions", title="Neither WebVTT nor SubRip"),
    packaging.Refused: Entry(status=422, slug="refused", title="Not accepted"),
    packaging.KeyMissing: Entry(status=404, slug="key-missing", title="Not found"),
    packaging.StoreAway: Entry(status=503, slug="store-away", title="The media store cannot be reached"),
    packaging.StoreRefused: Entry(
        status=503, slug="store-refused", title="The media store refuses this server"
    ),
    packaging.StoreFull: Entry(status=507, slug="store-full", title="The media store is full"),
    errors.NoSuchAsset: Entry(status=404, slug="no-such-asset", title="No such asset"),
    errors.NoSuchStream: Entry(status=404, slug="no-such-stream", title="No such stream"),
    errors.NoSuchChannel: Entry(status=404, slug="no-such-channel", title="No such channel"),
    errors.NoSuchRun: Entry(status=404, slug="no-such-run", title="No such Run"),
    errors.NoSuchToken: Entry(status=404, slug="no-such-token", title="No such token"),
    errors.NoSuchCaption: Entry(status=404, slug="no-such-caption", title="No such captions"),
    errors.NoSuchPlaybackKey: Entry(status=404, slug="no-such-playback-key", title="No such playback key"),
    errors.TooManyPlaybackKeys: Entry(
        status=409, slug="too-many-playback-keys", title="There are too many playback keys"
    ),
    errors.NoSuchWebhook: Entry(status=404, slug="no-such-webhook", title="No such webhook"),
    errors.TooManyWebhooks: Entry(status=409, slug="too-many-webhooks", title="There are too many webhooks"),
    errors.CannotSign: Entry(status=500, slug="cannot-sign", title="Cannot sign"),
    errors.NoSuchDestination: Entry(status=404, slug="no-such-destination", title="No such destination"),
    errors.NoSuchMarker: Entry(status=404, slug="no-such-marker", title="No such marker"),
    errors.TooManyMarkers: Entry(status=409, slug="too-many-markers", title="The asset has too many markers"),
    errors.WrongState: Entry(status=409, slug="wrong-state", title="Not possible in this state"),
    errors.TooManyBroadcasts: Entry(
        status=503, slug="too-many-broadcasts", title="Too many broadcasts are on air"
    ),
    ingest.KeyUnknown: Entry(status=401, slug="key-unknown", title="The stream key is not known"),
    ingest.KeyBusy: Entry(status=409, slug="key-busy", title="The stream cannot be published to now"),
    ingest.Crowded: Entry(status=503, slug="too-many-publishers", title="There are too many publishers"),
    ingest.BadOffer: Entry(status=400, slug="bad-offer", title="The session description does not do"),
    ingest.NoSuchSession: Entry(status=404, slug="no-such-session", title="No such session"),
    ingest.WebrtcMissing: Entry(status=501, slug="webrtc-missing", title="WebRTC is not installed"),
    errors.InvalidCursor: Entry(status=400, slug="invalid-cursor", title="Unknown cursor"),
    errors.InvalidRequest: Entry(status=400, slug="invalid-request", title="The request is not valid"),
    errors.CatalogFull: Entry(status=507, slug="catalog-full", title="The catalog's disk is full"),
    errors.CatalogUnwritable: Entry(
        status=503, slug="catalog-unwritable", title="The catalog's disk cannot be written"
    ),
    errors.CatalogAway: Entry(
        status=503, slug="catalog-away", title="The catalog's database cannot be reached"
    ),
    errors.Unauthenticated: Entry(status=401, slug="unauthenticated", title="A token is needed"),
    errors.Forbidden: Entry(status=403, slug="forbidden", title="Not allowed"),
    errors.IdempotencyMismatch: Entry(
        status=422, slug="idempotency-mismatch", title="Idempotency key used for another request"
    ),
}

# Slugs of aiohttp's own refusals; the rest is told as "http-<status>".
_HTTP_SLUGS = {
    400: "bad-request",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    411: "length-required",
    413: "too-large",
    415: "media-type-not-accepted",
}


def problem_of(error: Exception) -> Problem | None:
    """Return the problem that tells this error, None where the error is not one that is told."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, web.HTTPException):
        kept = {name: value for name, value in error.headers.items() if name == "Allow"}
        slug = _HTTP_SLUGS.get(error.status, f"http-{error.status}")
        return Problem(slug, error.reason, error.status, headers=kept)
    for kind in type(error).__mro__:
        entry = TABLE.get(kind)
        if entry is not None:
            headers = {"WWW-Authenticate": 'Bearer realm="streamer"'} if entry.status == 401 else {}
            return Problem(entry.slug, entry.title, entry.status, str(error), headers=headers)
    return None


def response_of(problem: Problem) -> web.Response:
    """Return the response for a problem; it is never stored by a cache."""
    response = web.Response(
        status=problem.status,
        body=json.dumps(problem.members()).encode(),
        content_type=MEDIA_TYPE,
        headers=problem.headers,
    )
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def unexpected(error: Exception, *, where: str) -> Problem:
    """Log an unforeseen error under a fresh reference, and return the problem that shows only that."""
    reference = secrets.token_hex(6)
    log.error("unexpected error %s at %s", reference, where, exc_info=error)
    return Problem(
        "unexpected",
        "Something went wrong in the server",
        500,
        "The cause is in the server's log under this reference.",
        extras={"reference": reference},
    )


@web.middleware
async def problem_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every error with a problem document; after the first byte has left, let the connection break."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        failed: Exception = error
    except (ConnectionError, TimeoutError):
        raise
    except Exception as error:  # noqa: BLE001 - this is the one place where all of them end
        failed = error
    writer = request.writer
    if writer is not None and writer.output_size > 0:
        raise failed
    problem = problem_of(failed)
    if problem is None:
        problem = unexpected(failed, where=f"{request.method} {request.path}")
    return response_of(problem)
