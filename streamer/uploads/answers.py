"""Tell uploads over HTTP: the headers of tus 1.0 and CORS, and errors as problems."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Final

from aiohttp import web

from streamer.problems import Entry, Problem, problem_of, response_of, unexpected
from streamer.uploads import errors
from streamer.uploads.metadata import CHECKSUMS
from streamer.uploads.upload import Upload

VERSION: Final = "1.0.0"
EXTENSIONS: Final = (
    "creation",
    "creation-with-upload",
    "creation-defer-length",
    "termination",
    "checksum",
    "expiration",
    "concatenation",
)
BODY_TYPE: Final = "application/offset+octet-stream"
ASSET: Final = "Streamer-Asset"

_SENT = (
    "Authorization, Content-Type, Idempotency-Key, Tus-Resumable, Upload-Checksum, Upload-Concat, "
    "Upload-Defer-Length, Upload-Length, Upload-Metadata, Upload-Offset, X-HTTP-Method-Override, "
    "X-Requested-With, X-Request-ID"
)
_EXPOSED = (
    "Location, Streamer-Asset, Tus-Checksum-Algorithm, Tus-Extension, Tus-Max-Size, Tus-Resumable, "
    "Tus-Version, Upload-Concat, Upload-Defer-Length, Upload-Expires, Upload-Length, Upload-Metadata, "
    "Upload-Offset"
)

# Superseded is 400 and not 409: clients that retry on 409 would take the upload back from each other.
TABLE: Final[dict[type[errors.UploadError], Entry]] = {
    errors.NoSuchUpload: Entry(status=404, slug="no-such-upload", title="No such upload"),
    errors.UploadExpired: Entry(status=410, slug="upload-expired", title="The upload has expired"),
    errors.OffsetMismatch: Entry(status=409, slug="offset-mismatch", title="Another offset is kept"),
    errors.Superseded: Entry(status=400, slug="upload-superseded", title="Taken over by a newer request"),
    errors.UploadBusy: Entry(status=423, slug="upload-busy", title="The upload is still being settled"),
    errors.TooLarge: Entry(status=413, slug="upload-too-large", title="Too many bytes"),
    errors.TooMany: Entry(status=429, slug="too-many-uploads", title="Too many unfinished uploads"),
    errors.NoRoom: Entry(status=507, slug="upload-no-room", title="The disk has no room"),
    errors.StorageAway: Entry(status=503, slug="upload-storage-away", title="The storage of uploads is away"),
    errors.NotDurable: Entry(status=500, slug="upload-not-durable", title="The disk failed"),
    errors.IdleBody: Entry(status=408, slug="upload-idle", title="The body stopped coming"),
    errors.ChecksumMismatch: Entry(status=460, slug="checksum-mismatch", title="Checksum mismatch"),
    errors.InvalidUpload: Entry(status=400, slug="invalid-upload", title="The request is not valid"),
    errors.UnsupportedBody: Entry(status=415, slug="upload-body", title="Body not accepted"),
    errors.NotWritable: Entry(status=403, slug="upload-not-writable", title="Not possible with this upload"),
}

Handler = Callable[[web.Request], Awaitable[web.Response]]


def headers_of(upload: Upload) -> dict[str, str]:
    """Return the headers that go with every answer about an upload."""
    headers: dict[str, str] = {}
    if upload.asset:
        headers[ASSET] = upload.asset
    if not upload.delivered:
        headers["Upload-Expires"] = formatdate(upload.expires // 1000, usegmt=True)
    return headers


def problem_for(error: Exception, *, where: str) -> Problem:
    """Return the problem that tells this error."""
    if isinstance(error, errors.UploadError) and type(error) in TABLE:
        entry = TABLE[type(error)]
        headers = {"Upload-Offset": str(error.offset)} if isinstance(error, errors.OffsetMismatch) else {}
        return Problem(entry.slug, entry.title, entry.status, error.message, headers=headers)
    return problem_of(error) or unexpected(error, where=where)


def guarded(handler: Handler, *, allow_origin: str) -> Handler:
    """Return the handler with CORS and tus headers on every answer, and with errors told as problems."""

    async def answer(request: web.Request) -> web.Response:
        try:
            response = await handler(request)
        except ConnectionError:
            # Nobody is there to read this; raising would put a lost connection into the log as an error.
            response = response_of(Problem("upload-cut-off", "The connection was lost", 400))
        except Exception as error:
            if isinstance(error, web.HTTPException) and error.status < 400:
                raise
            response = response_of(problem_for(error, where=f"{request.method} {request.path}"))
        response.headers.setdefault("Tus-Resumable", VERSION)
        response.headers["Access-Control-Allow-Origin"] = allow_origin
        response.headers["Access-Control-Expose-Headers"] = _EXPOSED
        return response

    return answer


def options(request: web.Request, *, max_size: int) -> web.Response:
    """Answer OPTIONS: what the server can do, for tus clients and for a browser's preflight."""
    response = web.Response(status=204)
    response.headers["Tus-Version"] = VERSION
    response.headers["Tus-Extension"] = ",".join(EXTENSIONS)
    response.headers["Tus-Max-Size"] = str(max_size)
    response.headers["Tus-Checksum-Algorithm"] = ",".join(CHECKSUMS)
    if "Access-Control-Request-Method" in request.headers:
        response.headers["Access-Control-Allow-Methods"] = "POST, HEAD, PATCH, DELETE, OPTIONS"
        response.headers["Access-Control-Allow-Headers"] = _SENT
        response.headers["Access-Control-Max-Age"] = "86400"
    return response
