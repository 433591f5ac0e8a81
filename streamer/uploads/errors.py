"""Every way an upload is refused or fails: one class per cause, no HTTP in it."""

from __future__ import annotations

from streamer.errors import ServerError


class UploadError(ServerError):
    """Base of what uploads raise on purpose."""


class NoSuchUpload(UploadError):
    """No upload has this id, or it was removed."""


class UploadElsewhere(NoSuchUpload):
    """Another server receives this upload and is not done."""


class UploadExpired(UploadError):
    """The upload was left unfinished for too long; its bytes are gone."""


class OffsetMismatch(UploadError):
    """The offset sent is not the one that is kept; `offset` is the kept one, in bytes."""

    def __init__(self, message: str, *, offset: int) -> None:
        """Keep the offset at which the upload goes on."""
        super().__init__(message)
        self.offset = offset


class Superseded(UploadError):
    """A newer request has taken the upload over; what this one had written is kept."""


class UploadBusy(UploadError):
    """The earlier writer has not come to rest in time."""


class TooLarge(UploadError):
    """More bytes than the upload's length, or than any upload may have."""


class TooMany(UploadError):
    """Too many unfinished uploads."""


class NoRoom(UploadError):
    """The disk is full or its reserve is reached; what was acknowledged is intact."""


class NotDurable(UploadError):
    """The disk failed to keep bytes; none since the last acknowledged offset count."""


class StorageAway(NotDurable):
    """The storage that is to keep the bytes cannot be reached; later the same request may succeed."""


class IdleBody(UploadError):
    """The sender went silent in the middle of a body; what it had sent is kept."""


class ChecksumMismatch(UploadError):
    """The bytes do not have the checksum sent with them; none of them is kept."""


class InvalidUpload(UploadError):
    """A header or field of the request is missing, malformed or contradicts what is known."""


class UnsupportedBody(UploadError):
    """The media type or the coding of the body is not accepted."""


class NotWritable(UploadError):
    """The upload takes no bytes or cannot be removed: it is joined from others, or belongs to an asset."""
