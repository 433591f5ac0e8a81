"""A channel's log in memory, and the readers' places in it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

from streamer.errors import FellBehind
from streamer.events import Event
from streamer.retention import Retention


class Log:
    """The newest events of a channel in memory, shared by everybody who listens."""

    def __init__(self, name: str, retention: Retention) -> None:
        """Begin empty; `load` brings what is stored."""
        self._retention = retention
        self.name = name
        self.epoch = ""
        self.last = 0
        self.events: deque[Event] = deque(maxlen=retention.events)
        self.listeners: dict[Subscription, None] = {}  # in the order of memory: that is faster for thousands
        self.loaded = False
        self.loading = asyncio.Lock()
        self.pending = 0  # callers between asking for the log and listening to it
        self.reads = 0  # times that the database was asked for what is missing here

    @property
    def first(self) -> int:
        """The offset of the oldest event that is kept; one above the last where none is."""
        return self.last - len(self.events) + 1

    def append(self, events: list[Event]) -> None:
        """Add events that have been committed, and tell the listeners."""
        for event in events:
            if event.offset is None or (self.loaded and event.offset <= self.last):
                continue
            self.events.append(event)
            self.last = event.offset
        self.wake()

    def skip(self, events: list[Event]) -> None:
        """Go on with events that do not follow on the last one; whoever has not read so far fell behind."""
        self.events.clear()
        self.last = (events[0].offset or 1) - 1
        self.append(events)

    def load(self, epoch: str, last: int, stored: list[Event]) -> None:
        """Join what is stored with what was committed while it was being read."""
        known = {event.offset: event for event in (*stored, *self.events)}
        self.epoch = epoch
        self.last = max(last, self.last)
        ordered = (known[offset] for offset in sorted(known, key=lambda at: at or 0))
        self.events = deque(ordered, maxlen=self._retention.events)
        self.loaded = True

    def age(self, now: int) -> None:
        """Let go of events that are too old; `now` is in milliseconds since the epoch."""
        oldest = self._retention.oldest(now)
        while self.events and self.events[0].time < oldest:
            self.events.popleft()

    def wake(self) -> None:
        """Tell every listener that there is something to take."""
        for listener in tuple(self.listeners):
            listener.wake()


class Subscription:
    """One reader's place in a channel: an async iterator of events, in order, without gap or duplicate.

    It holds no events of its own, only an offset into the shared log and the hints it has not seen, so a slow
    reader costs nothing; one that falls out of the log gets FellBehind and has to subscribe anew.
    """

    __slots__ = (
        "_called",
        "_closed",
        "_hints",
        "_log",
        "_news",
        "channel",
        "epoch",
        "offset",
        "recovered",
    )

    def __init__(self, log: Log, *, offset: int, recovered: bool, wake: Callable[[], None] | None) -> None:
        """Start behind `offset`. `wake`, if given, is called whenever `take` may have something."""
        self.channel = log.name
        self.epoch = log.epoch
        self.offset = offset
        self.recovered = recovered
        self._log = log
        self._hints: dict[tuple[str, str], Event] | None = None
        self._news: asyncio.Event | None = None  # made for who iterates: thousands do not
        self._called = wake
        self._closed = False
        log.listeners[self] = None

    @property
    def behind(self) -> bool:
        """Say whether numbered events wait to be taken."""
        return self.offset < self._log.last

    @property
    def hinted(self) -> bool:
        """Say whether hints wait to be taken, once no numbered events do."""
        return bool(self._hints)

    def take(self, limit: int = 64) -> list[Event]:
        """Return what is new, oldest first and hints last, without waiting. Raise FellBehind."""
        log = self._log
        if self.offset + 1 == log.last and log.events:  # nearly always, and then for thousands at once
            self.offset = log.last
            return [log.events[-1]]
        if self.offset < log.last:
            start = self.offset + 1 - log.first
            if start < 0:
                raise FellBehind(f"Event {self.offset + 1} of {self.channel} is no longer kept.")
            taken = [log.events[at] for at in range(start, min(start + limit, len(log.events)))]
            self.offset += len(taken)
            return taken
        hints, self._hints = self._hints, None
        return [] if hints is None else list(hints.values())

    @property
    def more(self) -> bool:
        """Say whether there is something to take."""
        return self._hints is not None or self.offset < self._log.last

    def wake(self) -> None:
        """Tell the reader that there is something to take."""
        if self._news is not None:
            self._news.set()
        if self._called is not None:
            self._called()

    def hint(self, key: tuple[str, str], event: Event) -> None:
        """Leave a hint, in place of an older one of the same key."""
        if self._hints is None:
            self._hints = {}
        self._hints[key] = event
        self.wake()

    def close(self) -> None:
        """Stop listening. The iterator ends."""
        self._closed = True
        self._log.listeners.pop(self, None)
        if self._news is not None:
            self._news.set()

    async def __aiter__(self) -> AsyncIterator[Event]:
        news = self._news = self._news or asyncio.Event()
        while not self._closed:
            news.clear()
            taken = self.take()
            for event in taken:
                yield event
            if not taken:
                await news.wait()
