"""The seam between what is to be encoded and where: execute a Run, make it more urgent, cancel it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from packager import run
from packager.engine import Slots, Urgency
from packager.facts import Sink
from packager.original import Original
from packager.precedence import Precedence
from packager.process import Spawner
from packager.run import Run
from packager.store import Store

NOW_SLOTS = 2
"""Places kept for what a viewer waits for: pictures and sound of one seek at once, on two cores or more."""

SOON_SLOTS = 2
"""Places kept for what a viewer will want next, such as an asset's beginning in pictures and sound."""

_LEFT = 4
"""Runs beyond its places that a farm keeps, each an encoder in memory: viewers wait for them no longer."""


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
        """Make a Run more urgent that waits; take it that one which has begun is more or less urgent by now.

        One that is unknown stays as it is.
        """


class OwnSlots:
    """The embedded farm: `slots` background Runs at a time in this process, and a few for viewers beside."""

    def __init__(self, spawner: Spawner, *, slots: int) -> None:
        self._precedence = Precedence(spawner, slots=slots)
        self._slots = slots

    def free(self, busy: Sequence[Urgency]) -> Slots:
        """Return how many Runs may start now."""
        now, soon, fill = (sum(one is urgency for one in busy) for urgency in Urgency)
        soon += max(0, now - NOW_SLOTS)
        fill += max(0, soon - SOON_SLOTS)
        left = max(0, fill - self._slots)
        return Slots(
            now=max(0, NOW_SLOTS - now),
            soon=max(0, SOON_SLOTS - soon),
            fill=max(0, self._slots - fill),
            over=max(0, left - _LEFT),
        )

    async def execute(self, job: Job) -> None:
        """Execute the Run at once, or as soon as no viewer waits for others. Raise PackagingError."""
        async with self._precedence.turn(job.run.id, job.urgency, begins=job.run.begins) as turn:
            await run.execute(job.run, original=job.original, store=job.store, spawner=turn, sink=job.sink)

    async def promote(self, run: str, urgency: Urgency) -> None:
        """Have a Run go before others, or give way to them."""
        self._precedence.rank(run, urgency)
