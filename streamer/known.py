"""What an asset is made from, as far as it is known."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from packager.index import Index
from packager.packaging import Packaging
from packager.plan import Plan
from packager.tables import Tables


class Trail(Protocol):
    """A source that is being followed while it arrives."""

    async def begin(self, *, keyed: bool = True) -> Known | None:
        """Return what it can be made from now, on the frame grid where not `keyed`; None: only once whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What an asset is made from. `arriving` drives the packaging until all bytes are there and looked at.

    `trail` is there where the source is followed, and its plan grows.
    """

    plan: Plan
    index: Index | None
    tables: Tables
    arriving: Callable[[Packaging], Awaitable[object]] | None = None
    trail: Trail | None = None
