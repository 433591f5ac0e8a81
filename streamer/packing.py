"""`streamer package`: a file into a directory, with a progress bar or JSON lines."""

from __future__ import annotations

import asyncio
import json as jsonlib
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from packager.facts import Fact, RunEnded, RunProgress, RunStarted, SegmentStored, Warned
from packager.ladder import Effort
from packager.model import Presentation
from packager.package import package
from packager.packaging import Packaging
from packager.process import Spawner
from packager.store import DiskStore
from streamer.config import load
from streamer.errors import ServerError
from streamer.ffmpeg import find
from streamer.interrupt import interrupt


class NoSuchFile(ServerError):
    """The source of `streamer package` is not a file."""


class _Face(Protocol):
    """What shows how far it is."""

    def planned(self, packaging: Packaging) -> None:
        """Take the frozen plan."""

    def fact(self, fact: Fact) -> None:
        """Take one fact."""

    def ended(self, presentation: Presentation, seconds: float) -> None:
        """Take the end."""


async def pack(
    source: Path, destination: Path, *, json: bool, slots: int | None, preset: str, crf: int
) -> int:
    """Package a file; return the exit status. Ctrl-C stops it, and running it again continues."""
    if not await asyncio.to_thread(source.is_file):
        raise NoSuchFile(f"{source} is not a file")
    store = DiskStore(destination)
    await store.sweep()
    face = _face(json=json)
    config = load()
    began = time.monotonic()
    work = asyncio.current_task()
    with interrupt(work.cancel if work else lambda: None):
        try:
            async with Spawner(find(config.ffmpeg)) as spawner:
                presentation = await package(
                    await asyncio.to_thread(source.resolve),
                    store,
                    spawner=spawner,
                    slots=slots or max(1, (os.cpu_count() or 2) // 2),
                    sink=face.fact,
                    started=int(time.time()),
                    effort=Effort(preset=preset, crf=crf, copy=config.encode_copy),
                    planned=face.planned,
                )
        except asyncio.CancelledError:
            Console(stderr=True).print("stopped; run the same command again to continue")
            return 130
    face.ended(presentation, time.monotonic() - began)
    return 0


def _done(packaging: Packaging) -> dict[str, int]:
    """Return how many segments of each rendition are there; copied ones are told of one by one."""
    return {
        name: 0 if name in packaging.copies else len(packaging.sizes[name]) for name in packaging.segments
    }


def _face(*, json: bool) -> _Face:
    if json:
        return _Lines()
    return _Bar() if sys.stderr.isatty() else _Quiet()


class _Lines:
    """JSON lines for programs, on standard output."""

    def planned(self, packaging: Packaging) -> None:
        """Say what will be made."""
        plan = packaging.plan
        self._say(
            "planned",
            generation=plan.generation,
            duration=float(plan.duration),
            renditions=packaging.segments,
            done=_done(packaging),
            reasons=list(plan.picture.reasons) if plan.picture else [],
            uncopied=list(plan.uncopied),
        )

    def fact(self, fact: Fact) -> None:
        """Say each fact as it is."""
        names = {
            SegmentStored: "segment",
            RunStarted: "run.started",
            RunProgress: "progress",
            RunEnded: "run.ended",
            Warned: "warning",
        }
        self._say(names[type(fact)], **asdict(fact))

    def ended(self, presentation: Presentation, seconds: float) -> None:
        """Say that all is there."""
        self._say("complete", generation=presentation.generation, seconds=round(seconds, 3))

    @staticmethod
    def _say(type_: str, **values: Any) -> None:
        print(jsonlib.dumps({"type": type_, **values}), flush=True)  # noqa: T201 - the command's output


class _Quiet:
    """Nothing but warnings and the end, where nobody watches."""

    def planned(self, packaging: Packaging) -> None:
        """Show nothing."""

    def fact(self, fact: Fact) -> None:
        """Show warnings."""
        if isinstance(fact, Warned):
            Console(stderr=True).print(f"warning: {fact.text}", markup=False)

    def ended(self, presentation: Presentation, seconds: float) -> None:  # noqa: ARG002
        """Say that all is there."""
        Console().print(f"packaged in {seconds:.1f} s: open main.m3u8 or main.mpd", markup=False)


class _Bar(_Quiet):
    """A progress bar over segments, with frames a second and the time left."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task("probing", total=None, rate="")

    def planned(self, packaging: Packaging) -> None:
        """Show how much there is to make."""
        total = sum(packaging.segments.values())
        done = sum(_done(packaging).values())
        self._progress.start()
        self._progress.update(self._task, total=total, completed=done, description="encoding")

    def fact(self, fact: Fact) -> None:
        """Move the bar."""
        if isinstance(fact, SegmentStored):
            self._progress.advance(self._task)
        elif isinstance(fact, RunProgress) and fact.total:
            self._progress.update(self._task, rate=f"{fact.rate} frames/s")
        else:
            super().fact(fact)

    def ended(self, presentation: Presentation, seconds: float) -> None:
        """Close the bar."""
        self._progress.stop()
        super().ended(presentation, seconds)
