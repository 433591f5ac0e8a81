"""Every way packaging fails: one class per cause, with the evidence kept."""

from __future__ import annotations


class PackagingError(Exception):
    """Base of all that the packager raises on purpose; the message is fit for who sent the file."""

    code = "packaging-failed"

    def __init__(self, message: str, *, evidence: str = "") -> None:
        """Keep the message, and as evidence the last log lines or the offending value."""
        super().__init__(message)
        self.message = message
        self.evidence = evidence


class Refused(PackagingError):
    """The input is not accepted; trying again with the same bytes will not help."""

    code = "refused"


class NothingDecodable(Refused):
    """No video, no audio: nothing in the file can be decoded."""

    code = "nothing-decodable"


class Encrypted(Refused):
    """The media is encrypted (ISO/IEC 23001-7 sinf, or side data of a demuxer)."""

    code = "encrypted"


class FormatNotAllowed(Refused):
    """The container is not on the allow-list, among them playlists, concat scripts and pictures."""

    code = "format-not-allowed"


class CodecNotAllowed(Refused):
    """No track has a codec on the allow-list."""

    code = "codec-not-allowed"


class OverLimit(Refused):
    """A stated limit is passed: pixels, streams, gap, duration, size."""

    code = "over-limit"


class ChildFailed(PackagingError):
    """A child process failed: evidence holds the last lines of its stderr."""

    code = "child-failed"

    def __init__(self, message: str, *, evidence: str = "", status: int | None = None) -> None:
        """Keep the exit status too: negative is the number of the signal that ended it."""
        super().__init__(message, evidence=evidence)
        self.status = status


class ChildTimeout(ChildFailed):
    """A child used up its wall or CPU time."""

    code = "child-timeout"


class BadBoxes(PackagingError):
    """Bytes are not the ISO-BMFF boxes they should be."""

    code = "bad-boxes"


class SegmentMismatch(PackagingError):
    """An encoded segment is not what the plan says: frame count, times or init differ."""

    code = "segment-mismatch"


class Unpassable(PackagingError):
    """A publisher's pictures cannot be shown as they are, or no longer can; the message says why."""

    code = "unpassable"


class KeyMissing(PackagingError):
    """No object under this key in the store."""

    code = "key-missing"


class StoreFull(PackagingError):
    """The store has no room for the object; nothing of it was kept."""

    code = "store-full"


class StoreFailed(PackagingError):
    """The store could not be read, or would not confirm a write; nothing unconfirmed can be seen."""

    code = "store-failed"


class StoreAway(StoreFailed):
    """The store is elsewhere and cannot be reached; later the same call may succeed."""

    code = "store-away"


class StoreRefused(StoreFailed):
    """The store is elsewhere and does not accept us: its keys, its bucket or its rules are to blame."""

    code = "store-refused"


class BadKey(PackagingError, ValueError):
    """A store key is not a relative path of plain parts."""

    code = "bad-key"


class BadCaptions(Refused):
    """A captions file is neither WebVTT nor SubRip."""

    code = "bad-captions"
