"""The seam between what is to be encoded and where: execute a Run, make it more urgent, cancel it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from packager import run
from packager.engine import Slots, Urgency
from packager.facts import Sink
from packager.original import Original
from packager.process import Spawner
from packager.run import Run
from packager.store import Store

URGENT_SLOTS = 1
"""Slots beyond the ordinary ones, for what a viewer waits for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A Run to execute, and what with: `asset` names whose it is where bytes and store are found by name."""

    run: Run
    urgency: Urgency
    asset: str
    original: Original
    store: Store
    sink: Sink


class Farm(Protocol):
    """Executes Runs, here or elsewhere. Facts of a Run go to its job's sink, in their order."""

    def free(self, busy: Sequence[Urgency]) -> Slots:
        """Return how many Runs may be handed over now, beside those that are."""

    async def execute(self, job: Job) -> None:
        """Return when the Run's segments are stored and reported. Raise the PackagingError it ended with.

        Cancelling it ends the Run, and its ffmpeg, before this returns.
        """

    async def promote(self, run: str, urgency: Urgency) -> None:
        """Make a Run that has not begun more urgent; one that has, or is unknown, stays as it is."""


class OwnSlots:
    """The embedded farm: `slots` Runs at a time in this process, and one more for a viewer who waits."""

    def __init__(self, spawner: Spawner, *, slots: int) -> None:
        self._spawner = spawner
        self._slots = slots

    def free(self, busy: Sequence[Urgency]) -> Slots:
        """Return how many Runs may start now."""
        urgent = sum(urgency is Urgency.NOW for urgency in busy)
        fill = len(busy) - urgent
        return Slots(
            urgent=max(0, URGENT_SLOTS - urgent),
            fill=max(0, self._slots - fill - max(0, urgent - URGENT_SLOTS)),
        )

    async def execute(self, job: Job) -> None:
        """Execute the Run at once. Raise PackagingError."""
        await run.execute(
            job.run, original=job.original, store=job.store, spawner=self._spawner, sink=job.sink
        )

    async def promote(self, run: str, urgency: Urgency) -> None:
        """Do nothing: whatever was handed over has begun."""
