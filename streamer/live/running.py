"""A broadcast that is being made here, with all that belongs to it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from packager.life import Aired
from streamer.live.broadcast import Broadcast
from streamer.live.cues import Cues
from streamer.live.onair import OnAir
from streamer.live.push import Push
from streamer.live.recorder import Recorder
from streamer.rows import StreamState


@dataclass(slots=True)
class Standing:
    """Where a broadcast stands, for whoever writes it down."""

    state: StreamState = StreamState.CONNECTING
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, state: StreamState) -> None:
        """Take where it stands now."""
        self.state = state
        self.moved.set()

    def shows(self) -> bool:
        """Say whether viewers see its publisher's pictures."""
        return self.state is StreamState.LIVE


@dataclass(slots=True, kw_only=True)
class Running:
    """A broadcast being made; `earlier` are its lives from before this server.

    It is `kept_open` where it goes on at an `heir`, or at whoever takes it up; then it is `left`. It is
    `lost` where another server has it already.
    """

    stream: str
    earlier: Sequence[Aired]
    broadcast: Broadcast
    air: OnAir
    push: Push
    cues: Cues
    recorder: Recorder
    standing: Standing
    kept_open: bool = False
    heir: str | None = None
    left: bool = False
    lost: bool = False
    task: asyncio.Task[None] | None = None

    @property
    def can_go_on(self) -> bool:
        """Say whether there is something to go on from, and a publisher may come back."""
        there = self.broadcast.aired and self.broadcast.settings.reconnect_seconds
        return bool(there) and not self.recorder.broken
