"""What is known of one upload, and its form on disk."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import Any

IDENTITY = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One upload. `offset` bytes are acknowledged: they survive a crash and a power cut.

    `length` is None while deferred. `metadata` is the Upload-Metadata header as sent. `created` and `expires`
    are milliseconds since the epoch. `partial` uploads wait to be joined and have no asset; `parts` are the
    ids an upload was joined from. `resumable` is false for a plain POST. `delivered` tells that the bytes
    belong to the asset, `abandoned` that they are gone and only the memory of the upload is left.
    `generation` counts the requests that took the upload over: a writer of an older one stops.

    The end of a file can come before its head: an upload whose bytes go `into` another's file, from byte `at`
    on, which that one names as its `tail`. `node` is the server that receives it, of several that share the
    directory.
    """

    id: str
    length: int | None
    created: int
    expires: int
    offset: int = 0
    metadata: str = ""
    asset: str = ""
    partial: bool = False
    parts: tuple[str, ...] = ()
    resumable: bool = True
    delivered: bool = False
    abandoned: bool = False
    generation: int = 0
    into: str = ""
    at: int = 0
    tail: str = ""
    node: str = ""

    @property
    def whole(self) -> bool:
        """Say whether every byte is there."""
        return self.length is not None and self.offset == self.length

    def to_json(self) -> bytes:
        """Return the record as it stands in the sidecar file."""
        return json.dumps(asdict(self), ensure_ascii=False).encode()


def from_json(text: bytes) -> Upload:
    """Return the record of a sidecar file. Raise ValueError where it is none."""
    try:
        members: dict[str, Any] = json.loads(text)
        return Upload(**{**members, "parts": tuple(members.get("parts", ()))})
    except TypeError as error:
        raise ValueError(f"not an upload record: {error}") from error
