"""Follow a source that says nothing of its end while it arrives: MKV, WebM, fragmented MP4, MPEG-TS.

How one is driven, from its first bytes to its last:

    followed(head)                  # by the first bytes; None asks for more, "": wait until it is whole
    async with Following(spawner, original, into=tables_file, size=declared) as following:
        while (seen := await following.more()) is not None:
            source, index = seen.source, seen.index
            if plan is None:        # settled: None while there is no segment that cannot change any more
                plan = growing.settled(ladder.plan(source, index, …), source, index, ended=seen.ended)
            else:                   # grown: None where the keyframe grid breaks: begin again with `settled`
                plan = growing.grown(plan, source, index, ended=seen.ended)   # allow_keyframe_grid=False
            packaging.grow(plan, index, seen.tables)

The last answer has `ended`; after it comes None. Unfollowable means: wait until it is whole, then probe it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from packager.errors import PackagingError
from packager.index import Index
from packager.model import Source
from packager.original import Original
from packager.process import Spawner
from packager.tables import Tables


class Unfollowable(PackagingError):
    """What this source is can be told only once it is whole; nothing is wrong with it yet."""

    code = "unfollowable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A source as far as it has arrived: `index` and `tables` cover just that, as do the ends of its tracks.

    `ended` says that this is all of it.
    """

    source: Source
    index: Index | None
    tables: Tables
    ended: bool


def followed(head: bytes) -> str | None:
    """Return FFmpeg's name of the container by a source's first bytes, "" where it has to be whole.

    None asks for more bytes: the moov of an MP4 says whether it is fragmented.
    """
    raise NotImplementedError


class Following:
    """One source being followed by a sandboxed child. Use as an async context manager.

    `into` is the file that has the source's tables in the end; `size` is how many bytes there will be, where
    that is known.
    """

    def __init__(
        self, spawner: Spawner, original: Original, *, into: Path | None = None, size: int | None = None
    ) -> None:
        self._spawner = spawner
        self._original = original
        self._into = into
        self._size = size

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    async def more(self) -> Followed | None:
        """Wait for more of the source and return all that is known of it; None after its end.

        Raise Refused with the cause, Unfollowable, and ChildFailed only where no child could be run at all.
        """
        raise NotImplementedError
