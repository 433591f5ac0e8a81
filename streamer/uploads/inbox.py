"""Declare the Inbox: sources that grow while they are received."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

from streamer.uploads.arriving import Arriving
from streamer.uploads.metadata import Checksum
from streamer.uploads.upload import Upload


class Inbox(Protocol):
    """Uploads under ids. Every method that names an upload raises NoSuchUpload where there is none.

    Of several servers each has an Inbox; what another one still receives raises UploadElsewhere.

    An acknowledged offset, `Upload.offset`, survives a crash and a power cut. Whoever claims an upload stops
    the writer before it: at most one writes, and what that one wrote is kept and counted in the claim.
    """

    async def create(self, upload: Upload) -> Upload:
        """Begin an upload with offset 0. Raise NoRoom, NotDurable."""

    async def state(self, upload_id: str) -> Upload:
        """Return what is known of the upload, without disturbing who writes to it."""

    async def claim(self, upload_id: str) -> Upload:
        """Stop the present writer, wait until it is settled, and return the upload. Raise UploadBusy."""

    async def map_tail(self, tail: Upload) -> Upload:
        """Begin the upload of the end of the upload `tail.into`: the bytes from `tail.at` on.

        Its writer is stopped. An end that is not whole gives way to the new one. Raise InvalidUpload where
        the numbers do not fit, NotWritable where there is an end or the upload takes no bytes, NoRoom,
        NotDurable, UploadBusy.
        """

    async def tail_of(self, upload: Upload) -> Upload | None:
        """Return the upload of this upload's end, None where it has none."""

    async def drop_tail(self, upload_id: str) -> None:
        """Give the end of an upload up, unless the upload is whole: its bytes do not count. Raise UploadBusy.

        Absence is no error.
        """

    async def meet(self, upload_id: str) -> Upload:
        """Count the end as received where the head has come to it and the end is whole.

        Whoever writes the head calls it after that; until then nothing happens. Raise NoRoom, NotDurable.
        """

    async def original(self, upload_id: str) -> Arriving:
        """Return the upload as a source that can be read while it grows."""

    async def append(
        self,
        upload: Upload,
        offset: int,
        chunks: AsyncIterator[bytes],
        *,
        limit: int,
        length: int | None = None,
        checksum: Checksum | None = None,
        expires: int | None = None,
    ) -> Upload:
        """Append chunks at the offset and return the upload with its new acknowledged offset.

        `upload` is what `claim` or `create` returned. No byte is written at or past `limit`. `length` settles
        a deferred length, `expires` becomes the upload's with the bytes. Whatever stops it, bytes already
        received are kept and synced, but with a checksum: then all or none. Raise OffsetMismatch,
        InvalidUpload, Superseded, TooLarge, NoRoom, NotDurable, IdleBody, ChecksumMismatch, UploadBusy, and
        what the chunks raise.
        """

    async def update(self, upload_id: str, **changes: Any) -> Upload:
        """Change fields of the record, durably. Raise NoRoom, NotDurable."""

    async def hand_over(self, upload_id: str, give: Callable[[Upload, Path], Awaitable[None]]) -> Upload:
        """Give the sealed bytes away, unless that was done, and mark them as delivered.

        Nobody else can claim, change or remove the upload meanwhile, `give` included. A crash between the two
        steps makes `give` be called again. Raise what it raises, NoRoom, NotDurable, UploadBusy.
        """

    async def read(self, upload_id: str, start: int, stop: int) -> bytes:
        """Return received bytes start to stop (excluded), fewer where they have not come yet."""

    async def size(self, upload_id: str) -> int:
        """Return how many bytes are there, its end's too; with a checksum pending, those before it."""

    async def seal(self, upload_id: str) -> Path:
        """Close the upload at its present offset, which becomes its length, and return its file."""

    def path(self, upload_id: str) -> Path:
        """Return the file that holds the bytes; it may not exist."""

    async def discard(self, upload_id: str) -> None:
        """Remove the bytes and keep the record, marked as abandoned."""

    async def remove(self, upload_id: str) -> None:
        """Remove bytes and record. Absence is no error."""

    async def settle(self, now: int) -> tuple[Upload, ...]:
        """Let go of uploads that other servers have taken; return those of theirs that expired before `now`.

        Nobody else may be there to remove these. Call it now and then.
        """

    async def all(self) -> tuple[Upload, ...]:
        """Return every upload that is known, oldest first."""

    async def free(self) -> int:
        """Return the bytes that can be received before the disk's reserve is reached."""
