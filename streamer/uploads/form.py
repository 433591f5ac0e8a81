"""Serve the plain POST: a form with a field `file`, or the bytes themselves, straight into the inbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from aiohttp import BodyPartReader, MultipartReader, web

from streamer.uploads.errors import InvalidUpload, TooLarge, UnsupportedBody
from streamer.uploads.intake import Answer, Describe, Once
from streamer.uploads.metadata import clean, policy_named, title_of_name
from streamer.uploads.reception import Reception

CHUNK_BYTES = 256 << 10
FIELD_BYTES = 4096  # a title needs no more
FORM_BYTES = 64 << 10  # what a form may add around its file


class Form:
    """Handlers of POST /api/v1/assets. `once` serves the Idempotency-Key, `describe` makes the answer."""

    def __init__(self, reception: Reception, *, describe: Describe, once: Once) -> None:
        """Take the reception, and who tells of assets and of earlier answers."""
        self._reception = reception
        self._describe = describe
        self._once = once

    async def post(self, request: web.Request) -> web.Response:
        """Receive one file and answer 201 with its asset. A body that breaks off leaves nothing behind."""
        if request.headers.get("Content-Encoding", "identity") != "identity":
            raise UnsupportedBody("Bodies are not accepted with a Content-Encoding.")
        limit = self._reception.settings.max_size
        form = request.content_type == "multipart/form-data"
        if (request.content_length or 0) > limit + (FORM_BYTES if form else 0):
            raise TooLarge(f"An upload may have {limit} bytes at most.")
        if not form and request.content_type.partition("/")[0] not in {"video", "audio"}:
            raise UnsupportedBody(
                "Send multipart/form-data with a field `file`, or a video/* or audio/* body."
            )

        async def work() -> Answer:
            asset = await (self._multipart(request) if form else self._raw(request))
            return 201, await self._describe(asset)

        key = request.headers.get("Idempotency-Key")
        status, document = await self._once(key, "POST /api/v1/assets", work)
        headers = {"Location": f"{request.path.rstrip('/')}/{_id_of(document)}"}
        return web.json_response(document, status=status, headers=headers)

    async def _raw(self, request: web.Request) -> str:
        name = request.query.get("name", "")
        return await self._store(
            request.content.iter_any(),
            title=title_of_name(name),
            length=request.content_length,
            policy=policy_named(request.query.get("policy")),
        )

    async def _multipart(self, request: web.Request) -> str:
        title, policy = "", None
        try:
            reader = await request.multipart()
            while (part := await reader.next()) is not None:
                if not isinstance(part, BodyPartReader):
                    raise InvalidUpload("The form has a form inside.")
                if part.name == "file":
                    _check_part(part)
                    named = title or title_of_name(part.filename or "")
                    chunks = _chunks(part, reader)
                    return await self._store(chunks, title=named, length=None, policy=policy)
                text = await _field(part)
                if part.name == "title":
                    title = clean(text)
                elif part.name == "policy":
                    policy = policy_named(text)
        except ValueError as error:
            raise InvalidUpload("The form cannot be read.") from error
        raise InvalidUpload("The form has no field `file`.")

    async def _store(
        self, chunks: AsyncIterator[bytes], *, title: str, length: int | None, policy: str | None
    ) -> str:
        upload = await self._reception.begin(title=title, length=length, resumable=False, policy=policy)
        try:
            upload = await self._reception.receive(upload, 0, chunks, coming=length)
            if not upload.delivered:
                upload = await self._reception.seal(upload)
        except BaseException:
            await self._reception.forget(upload)
            raise
        return upload.asset


def _check_part(part: BodyPartReader) -> None:
    coding = part.headers.get("Content-Encoding", "identity").lower()
    transfer = part.headers.get("Content-Transfer-Encoding", "binary").lower()
    if coding != "identity" or transfer not in {"binary", "7bit", "8bit"}:
        raise UnsupportedBody("The field `file` is not accepted with an encoding.")


async def _field(part: BodyPartReader) -> str:
    text = bytearray()
    while chunk := await part.read_chunk(FIELD_BYTES):
        text += chunk
        if len(text) > FIELD_BYTES:
            raise InvalidUpload(f"A field before `file` is longer than {FIELD_BYTES} bytes.")
    return text.decode("utf-8", "replace")


async def _chunks(part: BodyPartReader, reader: MultipartReader) -> AsyncIterator[bytes]:
    while chunk := await part.read_chunk(CHUNK_BYTES):
        yield chunk
    # A body that ends without its boundary looks whole; asking for the next part tells (ValueError).
    await reader.next()


def _id_of(document: Any) -> str:
    return str(document.get("id", "")) if isinstance(document, dict) else ""
