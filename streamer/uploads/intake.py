"""Declare what uploads need from the rest of the server, and what an operator may set."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


class Intake(Protocol):
    """Turn uploads into assets. Every call may come again after a crash, and then changes nothing."""

    async def begin(self, *, title: str, size: int | None, upload_id: str, policy: str | None = None) -> str:
        """Make the asset of an upload and return its id; for an upload known already, the same id again.

        `size` in bytes is None while it is not known. The title is cleaned, and data only. `policy` is public
        or signed, None for what is usual.
        """

    async def arriving(self, asset_id: str) -> None:
        """Begin to look at the bytes of an upload, which come from now on; called before each body."""

    async def received(self, asset_id: str, offset: int) -> None:
        """Take note that so many bytes can be read from the inbox; called at most twice a second."""

    async def complete(self, asset_id: str, upload_id: str, path: Path) -> None:
        """Take the sealed bytes over: from here on they belong to the asset, whoever deletes it removes them.

        The upload is held meanwhile: of the inbox only what reads may be called.
        """

    async def abandon(self, asset_id: str) -> None:
        """Forget the asset: its upload was terminated or expired. An unknown id is no error."""


Answer = tuple[int, Any]
"""Status and JSON body of an answer that can be given again."""


class Once(Protocol):
    """Carry out a request once for each idempotency key."""

    async def __call__(self, key: str | None, marks: str, work: Callable[[], Awaitable[Answer]], /) -> Answer:
        """Do the work, or return the answer that was kept for the key."""


async def at_least_once(key: str | None, marks: str, work: Callable[[], Awaitable[Answer]], /) -> Answer:  # noqa: ARG001 - the shape of Once
    """Do the work, whatever the key."""
    return await work()


Describe = Callable[[str], Awaitable[Any]]
"""Return the JSON document of an asset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadSettings:
    """Limits of uploads, in bytes and seconds. `unfinished` uploads may exist at one time.

    `allow_origin` is the CORS origin that may use the routes from other sites.
    """

    max_size: int = 64 << 30
    expiry_seconds: int = 7 * 86_400
    sweep_seconds: int = 60
    unfinished: int = 1000
    tell_seconds: float = 0.5
    allow_origin: str = "*"
