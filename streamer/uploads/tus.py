"""Serve tus 1.0 with all its extensions at /api/v1/uploads (https://tus.io/protocols/resumable-upload)."""

from __future__ import annotations

from aiohttp import web

from streamer.problems import Problem
from streamer.uploads.answers import BODY_TYPE, VERSION, Handler, headers_of, options, problem_for
from streamer.uploads.errors import InvalidUpload, NotWritable, OffsetMismatch, UnsupportedBody, UploadError
from streamer.uploads.metadata import (
    Checksum,
    parse_checksum,
    parse_concat,
    parse_metadata,
    parse_size,
    policy_of,
    title_of,
)
from streamer.uploads.reception import Reception
from streamer.uploads.tails import parse_tail
from streamer.uploads.upload import Upload

OFFSET_MAX = (1 << 63) - 1


class Tus:
    """Handlers of the collection and of one upload."""

    def __init__(self, reception: Reception) -> None:
        """Take the reception that knows what to do."""
        self._reception = reception
        self._methods: dict[str, Handler] = {
            "HEAD": self.head,
            "PATCH": self.patch,
            "DELETE": self.delete,
            "OPTIONS": self.options,
        }

    async def collection(self, request: web.Request) -> web.Response:
        """Answer POST and OPTIONS on the collection."""
        if _method(request) == "OPTIONS":
            return await self.options(request)
        if _method(request) != "POST":
            raise web.HTTPMethodNotAllowed(request.method, ["POST", "OPTIONS"])
        _check_version(request)
        return await self.create(request)

    async def single(self, request: web.Request) -> web.Response:
        """Answer HEAD, PATCH, DELETE and OPTIONS on one upload, also under X-HTTP-Method-Override."""
        method = _method(request)
        handler = self._methods.get(method)
        if handler is None:
            raise web.HTTPMethodNotAllowed(request.method, list(self._methods))
        if method != "OPTIONS":
            _check_version(request)
        return await handler(request)

    async def options(self, request: web.Request) -> web.Response:
        """Tell what the server can do."""
        return options(request, max_size=self._reception.settings.max_size)

    async def create(self, request: web.Request) -> web.Response:
        """Create an upload; take its first bytes where some came along, or join partial uploads."""
        metadata = request.headers.get("Upload-Metadata", "")
        pairs = parse_metadata(metadata)
        title, policy = title_of(pairs), policy_of(pairs)
        concat = request.headers.get("Upload-Concat")
        parts = parse_concat(concat) if concat is not None else None
        if parts is not None:
            upload = await self._reception.join(parts, title=title, metadata=metadata, policy=policy)
            return _created(request, upload)
        length = self._length(request)
        if length is None and request.headers.get("Upload-Defer-Length") != "1":
            raise InvalidUpload("Upload-Length is missing, and no Upload-Defer-Length: 1 in its place.")
        if length is not None and "Upload-Defer-Length" in request.headers:
            raise InvalidUpload("Upload-Length and Upload-Defer-Length exclude each other.")
        body = request.body_exists and request.content_length != 0
        checksum = _check_body(request) if body else None
        tail = parse_tail(pairs, limit=OFFSET_MAX) if concat is not None else None
        if tail is not None:
            upload = await self._reception.begin_tail(
                asset=tail[0], at=tail[1], length=length, metadata=metadata
            )
        else:
            upload = await self._reception.begin(
                title=title,
                length=length,
                metadata=metadata,
                partial=concat is not None,
                policy=policy,
            )
        if not body and length != 0:
            return _created(request, upload)
        try:
            upload = await self._receive(request, upload, 0, checksum=checksum)
        except UploadError as error:
            # The upload exists all the same, with what was kept: say where.
            raise await self._located(request, error, upload) from error
        return _created(request, upload, offset=upload.offset)

    async def head(self, request: web.Request) -> web.Response:
        """Tell the acknowledged offset; whoever wrote before is stopped first."""
        upload = await self._reception.claim(request.match_info["id"])
        response = web.Response(status=200, headers=headers_of(upload))
        response.headers["Cache-Control"] = "no-store"
        response.headers["Upload-Offset"] = str(upload.offset)
        if upload.length is None:
            response.headers["Upload-Defer-Length"] = "1"
        else:
            response.headers["Upload-Length"] = str(upload.length)
        if upload.metadata:
            response.headers["Upload-Metadata"] = upload.metadata
        if upload.partial:
            response.headers["Upload-Concat"] = "partial"
        elif upload.parts:
            folder = request.path.rpartition("/")[0]
            response.headers["Upload-Concat"] = "final;" + " ".join(f"{folder}/{one}" for one in upload.parts)
        return response

    async def patch(self, request: web.Request) -> web.Response:
        """Take bytes at the offset; the answer comes when they are on disk."""
        checksum = _check_body(request)
        sent = request.headers.get("Upload-Offset")
        if sent is None:
            raise InvalidUpload("Upload-Offset is missing.")
        offset = parse_size(sent, name="Upload-Offset", limit=OFFSET_MAX)
        upload = await self._reception.claim(request.match_info["id"])
        if upload.parts:
            raise NotWritable("An upload that is joined from others takes no bytes.")
        if upload.offset != offset:
            raise OffsetMismatch(f"The upload goes on at {upload.offset}.", offset=upload.offset)
        try:
            upload = await self._receive(request, upload, offset, checksum=checksum)
        except UploadError as error:
            raise await self._located(request, error, upload) from error
        response = web.Response(status=204, headers=headers_of(upload))
        response.headers["Upload-Offset"] = str(upload.offset)
        return response

    async def delete(self, request: web.Request) -> web.Response:
        """Terminate an upload: its bytes and its asset are gone."""
        await self._reception.terminate(request.match_info["id"])
        return web.Response(status=204)

    async def _receive(
        self, request: web.Request, upload: Upload, offset: int, *, checksum: Checksum | None
    ) -> Upload:
        return await self._reception.receive(
            upload,
            offset,
            request.content.iter_any(),
            coming=request.content_length,
            length=self._length(request),
            checksum=checksum,
        )

    async def _located(self, request: web.Request, error: UploadError, upload: Upload) -> Problem:
        problem = problem_for(error, where=request.path)
        kept = await self._reception.inbox.state(upload.id)
        problem.headers["Upload-Offset"] = str(kept.offset)
        problem.headers.update(headers_of(kept))
        if request.method == "POST" and "id" not in request.match_info:
            problem.headers["Location"] = _location(request, upload)
        return problem

    def _length(self, request: web.Request) -> int | None:
        sent = request.headers.get("Upload-Length")
        if sent is None:
            return None
        return parse_size(sent, name="Upload-Length", limit=self._reception.settings.max_size)


def _created(request: web.Request, upload: Upload, *, offset: int | None = None) -> web.Response:
    response = web.Response(status=201, headers=headers_of(upload))
    response.headers["Location"] = _location(request, upload)
    if offset is not None:
        response.headers["Upload-Offset"] = str(offset)
    return response


def _location(request: web.Request, upload: Upload) -> str:
    # Relative to the host, so that a server behind a proxy needs to know nothing of its name.
    return f"{request.path.rstrip('/')}/{upload.id}"


def _method(request: web.Request) -> str:
    return request.headers.get("X-HTTP-Method-Override", request.method).upper()


def _check_version(request: web.Request) -> None:
    if request.headers.get("Tus-Resumable") != VERSION:
        raise Problem(
            "tus-version",
            "This tus version is not spoken here",
            412,
            f"Tus-Resumable must be {VERSION}.",
            headers={"Tus-Version": VERSION},
        )


def _check_body(request: web.Request) -> Checksum | None:
    if request.content_type != BODY_TYPE:
        raise UnsupportedBody(f"The body's Content-Type must be {BODY_TYPE}.")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedBody("Bodies are not accepted with a Content-Encoding.")
    sent = request.headers.get("Upload-Checksum")
    return parse_checksum(sent) if sent is not None else None
