"""The control channel as long polls: everybody who waits at one cursor gets the same bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from streamer.access import Policy, Principal
from streamer.errors import FellBehind
from streamer.events import Event
from streamer.listener import Close
from streamer.places import Place
from streamer.problems import Problem
from streamer.rows import Clock, wall_clock
from streamer.subscribing import Refused, Subscribing, Wish, closing, encoded
from streamer.subscription import Subscription

_Key = tuple[tuple[str, ...], str, str]
_EVENTS = 256  # of one channel in one answer; the rest is in the next
_HINTS_SECONDS = 1.0  # how long values without an offset wait for others


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer, encoded; a `public` one is the same for everybody who asks for it within a second."""

    body: bytes
    public: bool


def _answer(cursor: str, messages: Sequence[bytes], *, public: bool) -> Answer:
    body = b'{"cursor":"%s","messages":[%s]}' % (cursor.encode(), b",".join(messages))
    return Answer(body=body, public=public)


def _right(principal: Principal) -> str:
    """Return by which right channels are opened: who has the same one may share an answer."""
    if principal.policy >= Policy.VIEWER:
        return "viewer"
    return "" if principal.playback is None else f"playback {principal.playback.grant.subject}"


class Polling:
    """The polls that are held."""

    def __init__(
        self,
        subscribing: Subscribing,
        *,
        wait_seconds: float = 25,
        drain_seconds: float = 5,
        most: int = 10_000,
        clock: Clock = wall_clock,
    ) -> None:
        """Take what opens channels, how long a poll is held, and how many are at one time.

        When the server stops, clients are to come back within `drain_seconds`.
        """
        self._drain_seconds = drain_seconds
        self._subscribing = subscribing
        self._wait_seconds = wait_seconds
        self._most = most
        self._clock = clock
        self._rounds: dict[_Key, _Round] = {}
        self._stopping = asyncio.Event()
        self.waiting = 0

    def close(self) -> None:
        """Answer every poll: come back later."""
        self._stopping.set()
        for round_ in self._rounds.values():
            round_.news.set()

    async def answer(self, wish: Wish) -> Answer:
        """Return what was missed since the cursor, or what happens next, which may be nothing for a while."""
        if self.waiting >= self._most:
            raise Problem("too-many-polls", "Too many polls are held", 503, headers={"Retry-After": "1"})
        key = (wish.channels, wish.cursor.text(), _right(wish.principal))
        round_ = self._rounds.get(key)
        if round_ is None:
            round_ = self._rounds[key] = _Round(wish)
            round_.task = asyncio.create_task(self._hold(round_), name="poll")
            round_.task.add_done_callback(lambda _: self._forget(key, round_))
        self.waiting += 1
        round_.waiters += 1
        try:
            answer = await asyncio.shield(round_.task)
            return self._last(round_) if self._stopping.is_set() else answer
        finally:
            self.waiting -= 1
            round_.waiters -= 1
            if not round_.waiters:
                self._forget(key, round_)
                round_.task.cancel()
                await asyncio.gather(round_.task, return_exceptions=True)

    def _last(self, round_: _Round) -> Answer:
        """Return the answer to one client alone, which is to come back at a time of its own."""
        closed = closing(Close.SERVER_STOPS, "the server stops", within=self._drain_seconds)
        return _answer(round_.cursor, [*round_.messages, encoded(closed)], public=False)

    def _forget(self, key: _Key, round_: _Round) -> None:
        if self._rounds.get(key) is round_:
            del self._rounds[key]

    async def _hold(self, round_: _Round) -> Answer:
        try:
            await round_.open(self._subscribing)
            if not round_.messages:
                await round_.wait(self._wait_seconds, stopping=self._stopping)
            return round_.render(now=self._clock())
        finally:
            round_.release()


class _Round:
    """All polls for the same channels from the same cursor on, until their one answer."""

    task: asyncio.Task[Answer]

    def __init__(self, wish: Wish) -> None:
        self.news = asyncio.Event()
        self.waiters = 0
        self.cursor = wish.cursor.text()
        self.messages: list[bytes] = []
        self._wish = wish
        self._refused = False
        self._public = wish.public
        self._subscriptions: list[Subscription] = []
        self._cursor = wish.cursor
        self._places: dict[str, Place] = {}

    async def open(self, subscribing: Subscribing) -> None:
        """Open the channels; a channel that could not be gone on with has something to tell at once."""
        for channel in self._wish.channels:
            try:
                opened = await subscribing.open(
                    channel,
                    self._wish.principal,
                    place=self._cursor.places.get(channel),
                    hinted=self._cursor.hinted,
                    wake=self.news.set,
                )
            except Refused as refused:
                self._refused = True
                self.messages.append(encoded(refused.message))
                continue
            self._public = self._public and opened.public
            subscription = opened.subscription
            self._subscriptions.append(subscription)
            self._places[channel] = Place(epoch=subscription.epoch, offset=subscription.offset)
            if not subscription.recovered:
                self.messages.append(encoded(opened.message))

    async def wait(self, seconds: float, *, stopping: asyncio.Event) -> None:
        """Wait until there are events, or some hints and nothing else for a moment; or in vain."""
        loop = asyncio.get_running_loop()
        deadline, hinted = loop.time() + seconds, False
        with suppress(TimeoutError):
            while not stopping.is_set() and not any(one.behind for one in self._subscriptions):
                if not hinted and any(one.hinted for one in self._subscriptions):
                    hinted, deadline = True, min(deadline, loop.time() + _HINTS_SECONDS)
                async with asyncio.timeout_at(deadline):
                    await self.news.wait()
                self.news.clear()

    def render(self, *, now: int) -> Answer:
        """Return the answer with everything that there is to tell by now."""
        for subscription in self._subscriptions:
            with suppress(FellBehind):  # the next poll is told so, with a snapshot
                self._note(subscription.take(_EVENTS))
                if not subscription.behind:
                    self._note(subscription.take(_EVENTS))
        # An answer without news names another cursor too: the same one would come out of a cache at once.
        hinted = self._cursor.hinted if self.messages else now
        self.cursor = replace(self._cursor, places=self._places, hinted=hinted).text()
        return _answer(self.cursor, self.messages, public=self._public and not self._refused)

    def release(self) -> None:
        """Give up the subscriptions."""
        for subscription in self._subscriptions:
            subscription.close()

    def _note(self, events: Sequence[Event]) -> None:
        for event in events:
            self.messages.append(event.text)
            if event.offset is None:
                self._cursor = replace(self._cursor, hinted=max(self._cursor.hinted, event.time))
            else:
                self._places[event.channel] = Place(epoch=event.epoch, offset=event.offset)
