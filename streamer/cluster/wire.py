"""Hints between workers and farms: "look at this Run". What is lost of them is found by polling."""

from __future__ import annotations

from collections.abc import Callable

from packager.engine import Urgency
from packager.facts import RunProgress
from streamer.bus import Bus

_CHANGED = "run"  # topics of the bus, with the Run's id as key
_PROGRESS = "run-progress"
_RANKED = "run-urgency"

Heard = Callable[[str, RunProgress | None], None]
"""Takes the id of a Run that has changed, and how far it is where only that has."""


class Wire:
    """Tells of Runs to all processes of the cluster, this one included."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._heard: Heard | None = None
        self._ranked: Callable[[str, Urgency], None] = lambda _run, _urgency: None
        bus.hear(_CHANGED, lambda run, _: self._hear(run, None))
        bus.hear(_PROGRESS, lambda run, counts: self._hear(run, _progress(run, counts)))

    def listen(self, heard: Heard, *, regained: Callable[[], None]) -> None:
        """Hand over what is told from now on; `regained` is called when some of it may have been missed."""
        self._heard = heard
        self._bus.regained(regained)

    def obey(self, ranked: Callable[[str, Urgency], None]) -> None:
        """Hand over how urgent Runs are that have begun, as that changes."""
        self._ranked = ranked
        self._bus.hear(_RANKED, lambda run, urgency: ranked(run, Urgency(urgency)))

    def ranked(self, run: str, urgency: Urgency) -> None:
        """Tell how urgent a Run is by now that has begun."""
        self._bus.tell(_RANKED, run, int(urgency))
        self._ranked(run, urgency)

    def changed(self, run: str) -> None:
        """Tell that a Run's row or its segments have changed."""
        self._bus.tell(_CHANGED, run)
        self._hear(run, None)

    def progress(self, fact: RunProgress) -> None:
        """Tell how far a Run is."""
        self._bus.tell(_PROGRESS, fact.run, [fact.frames, fact.total, fact.rate])
        self._hear(fact.run, fact)

    def _hear(self, run: str, progress: RunProgress | None) -> None:
        if self._heard is not None:
            self._heard(run, progress)


def _progress(run: str, counts: list[int]) -> RunProgress:
    frames, total, rate = counts
    return RunProgress(run=run, frames=frames, total=total, rate=rate)
