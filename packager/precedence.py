"""Who works while somebody waits: of one machine's Runs those that viewers wait for, then as many as fit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from packager.child import Child, Command
from packager.process import Spawner
from packager.spans import Urgency

_NICE = {Urgency.NOW: 0, Urgency.SOON: 2, Urgency.FILL: 12}
"""The niceness of an encoder: what comes next may be waited for in a moment."""


class Turn:
    """One Run's permission to work, which may be taken from it for a while. It starts the Run's encoder."""

    def __init__(self, spawner: Spawner, run: str, urgency: Urgency, *, begins: bool) -> None:
        self.run = run
        self.urgency = urgency
        # Whoever opens an asset waits for its beginning.
        self._nice = _NICE[Urgency.NOW if begins and urgency is Urgency.SOON else urgency]
        self._spawner = spawner
        self._child: Child | None = None
        self.given = asyncio.Event()

    @property
    def ffmpeg(self) -> Path:
        """Return the program that encodes."""
        return self._spawner.ffmpeg

    async def start(self, command: Command) -> Child:
        """Start the encoder, as nice as it is urgent. Raise ChildFailed."""
        limits = replace(command.limits, nice=self._nice)
        self._child = await self._spawner.start(replace(command, limits=limits))
        if self._nice != limits.nice:  # somebody has come to wait meanwhile
            self._child.renice(self._nice)
        if not self.given.is_set():
            self._child.pause()
        return self._child

    def rank(self, urgency: Urgency) -> None:
        """Take it that the Run is so urgent by now. It becomes less nice, never nicer: few may undo that."""
        self.urgency = urgency
        if _NICE[urgency] < self._nice:
            self._nice = _NICE[urgency]
            if self._child is not None:
                self._child.renice(self._nice)

    def give(self) -> None:
        """Let the Run work."""
        self.given.set()
        if self._child is not None:
            self._child.resume()

    def withhold(self) -> None:
        """Stop the Run in its tracks."""
        self.given.clear()
        if self._child is not None:
            self._child.pause()


class Precedence:
    """Gives turns to the Runs of one machine, which has a processor for `slots` of them.

    While nobody waits all may work, and niceness sees to their order. A Run that a viewer waits for always
    may, and takes the slot of another one: what is least urgent stops until it has ended.
    """

    def __init__(self, spawner: Spawner, *, slots: int) -> None:
        self._spawner = spawner
        self._slots = slots
        self._turns: list[Turn] = []

    @asynccontextmanager
    async def turn(self, run: str, urgency: Urgency, *, begins: bool = False) -> AsyncIterator[Turn]:
        """Wait until a Run may begin, and give it turns as long as the context lasts.

        `begins` says that an asset begins with it: then it gives way to nobody.
        """
        turn = Turn(self._spawner, run, urgency, begins=begins)
        self._turns.append(turn)
        try:
            self._share()
            await turn.given.wait()
            yield turn
        finally:
            self._turns.remove(turn)
            self._share()

    def rank(self, run: str, urgency: Urgency) -> None:
        """Take it that a Run is so urgent by now; one that is not here is none of ours."""
        for turn in self._turns:
            if turn.run == run:
                turn.rank(urgency)
        self._share()

    def _share(self) -> None:
        awaited = sum(turn.urgency is Urgency.NOW for turn in self._turns)
        places = max(awaited, self._slots) if awaited else len(self._turns)
        for place, turn in enumerate(sorted(self._turns, key=lambda turn: turn.urgency)):
            if place < places:
                turn.give()
            else:
                turn.withhold()
