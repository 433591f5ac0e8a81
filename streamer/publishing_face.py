"""What `streamer publish` shows: a progress bar on a terminal, JSON lines for programs, or only the end."""

from __future__ import annotations

import json as jsonlib
import sys
from typing import Any, Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from cdn.places import Place
from cdn.publish import Fact, Listing, Published
from packager import keys

_MILLION = 1_000_000


class Face(Protocol):
    """What shows how far it is."""

    def making(self, done: int, total: int) -> None:
        """Take how many segments of an asset there are before it can be published."""

    def fact(self, fact: Fact) -> None:
        """Take one fact."""

    def deleted(self, gone: int, total: int) -> None:
        """Take how many objects are deleted."""

    def published(self, done: Published, where: Place, seconds: float) -> None:
        """Take the end of publishing."""

    def withdrawn(self, gone: int, where: Place) -> None:
        """Take the end of withdrawing."""

    def close(self) -> None:
        """Stop showing, whatever came of it."""


def face(*, json: bool) -> Face:
    """Return what fits who looks."""
    if json:
        return _Lines()
    return _Bar() if sys.stderr.isatty() else _Quiet()


class _Lines:
    """JSON lines for programs, on standard output."""

    def making(self, done: int, total: int) -> None:
        """Say how much is made."""
        self._say("making", done=done, segments=total)

    def fact(self, fact: Fact) -> None:
        """Say each fact as it is."""
        if isinstance(fact, Listing):
            self._say("listing", objects=fact.objects, bytes=fact.bytes)
        else:
            self._say("object", key=fact.key, bytes=fact.bytes, uploaded=fact.uploaded)

    def deleted(self, gone: int, total: int) -> None:
        """Say how much is deleted."""
        self._say("deleted", objects=gone, total=total)

    def published(self, done: Published, where: Place, seconds: float) -> None:
        """Say that all is there."""
        self._say(
            "published",
            place=str(where),
            objects=done.objects,
            bytes=done.bytes,
            uploaded=done.uploaded,
            uploaded_bytes=done.uploaded_bytes,
            seconds=round(seconds, 3),
        )

    def withdrawn(self, gone: int, where: Place) -> None:
        """Say that nothing of it is left."""
        self._say("unpublished", place=str(where), objects=gone)

    def close(self) -> None:
        """Leave nothing behind."""

    @staticmethod
    def _say(type_: str, **values: Any) -> None:
        print(jsonlib.dumps({"type": type_, **values}), flush=True)  # noqa: T201 - the command's output


class _Quiet:
    """Nothing but the end, where nobody watches."""

    def making(self, done: int, total: int) -> None:
        """Show nothing."""

    def fact(self, fact: Fact) -> None:
        """Show nothing."""

    def deleted(self, gone: int, total: int) -> None:
        """Show nothing."""

    def published(self, done: Published, where: Place, seconds: float) -> None:
        """Say where it is."""
        Console().print(
            f"published {done.objects} objects, {done.bytes / _MILLION:.1f} MB, in {seconds:.1f} s,"
            f" {done.uploaded} of them uploaded\n{where}/{keys.MULTIVARIANT}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )

    def withdrawn(self, gone: int, where: Place) -> None:
        """Say that nothing of it is left."""
        Console().print(f"{gone} objects deleted from {where}", markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Leave nothing behind."""


class _Bar(_Quiet):
    """A progress bar: over segments while they are made, then over bytes."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def making(self, done: int, total: int) -> None:
        """Show how many segments there are."""
        self._shown("making", total, TextColumn("{task.completed:.0f}/{task.total:.0f} segments"))
        self._move(completed=done, total=total)

    def fact(self, fact: Fact) -> None:
        """Show how many bytes are in the bucket."""
        if isinstance(fact, Listing):
            self.close()
            self._shown("publishing", fact.bytes, DownloadColumn(), TransferSpeedColumn())
        elif self._progress is not None and self._task is not None:
            self._progress.advance(self._task, fact.bytes)

    def deleted(self, gone: int, total: int) -> None:
        """Show how many objects are gone."""
        self._shown("deleting", total, TextColumn("{task.completed:.0f}/{task.total:.0f} objects"))
        self._move(completed=gone, total=total)

    def published(self, done: Published, where: Place, seconds: float) -> None:
        """Say where it is, below the bar."""
        self.close()
        super().published(done, where, seconds)

    def withdrawn(self, gone: int, where: Place) -> None:
        """Say that nothing of it is left, below the bar."""
        self.close()
        super().withdrawn(gone, where)

    def close(self) -> None:
        """Take the bar away."""
        if self._progress is not None:
            self._progress.stop()
        self._progress = self._task = None

    def _shown(self, what: str, total: int, *columns: Any) -> None:
        if self._progress is None:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                *columns,
                TimeRemainingColumn(),
                console=self._console,
            )
            self._task = self._progress.add_task(what, total=total)
            self._progress.start()

    def _move(self, *, completed: int, total: int) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=completed, total=total)
