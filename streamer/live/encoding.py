"""One encoder's life within a broadcast: tags in, whoever sends them; parts out, to viewers and the store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from packager import encoder
from packager.cutter import Sample
from packager.errors import PackagingError, Unpassable
from packager.inits import codecs
from packager.ladder import Effort
from packager.life import PARTS_HELD, Aired, Life
from packager.live_ladder import Offer
from packager.parts import Part
from packager.passed import Passed
from packager.process import Spawner
from streamer.ingest.flv import Kind, Tag
from streamer.live.cues import Cues
from streamer.live.feed import Feed
from streamer.live.opening import picture_of
from streamer.live.push import Push
from streamer.live.recorder import Recorder, Reel
from streamer.live.slate import slate
from streamer.live.splice import Splice
from streamer.rows import Clock, StreamState

_TICK_SECONDS = 0.02
"""How often it is looked whether something has to fill in for the publisher: twice a frame at 25 a second."""

_LATE_MS = 2_000
_LATE_SECONDS = 4.0
_log = logging.getLogger(__name__)


class Overloaded(PackagingError):
    """The machine does not encode as fast as the publisher sends."""

    code = "overloaded"


class Air(Protocol):
    """What is on air, for whoever delivers it."""

    def begin(self, life: Life, inits: Mapping[str, bytes], codecs: Mapping[str, str]) -> None:
        """Take it that a life begins behind what there is."""

    def take(self, part: Part) -> None:
        """Take a part of the present life."""

    def over_life(self) -> object:
        """Take it that the present life has come to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What broadcasts are made with: `pixels` a second may be encoded, `picture` makes the slate's PNG."""

    spawner: Spawner
    effort: Effort
    pixels: int
    wall: Clock
    picture: Callable[[], Awaitable[bytes]] | None = None


class Encoding:
    """Encodes one life. `run` does, until `end` has been called and all is encoded.

    `stand` is told whenever what viewers see changes its source.
    """

    def __init__(
        self,
        life: Life,
        offer: Offer,
        *,
        means: Means,
        air: Air,
        push: Push,
        recorder: Recorder,
        stand: Callable[[StreamState], None],
        cues: Cues,
    ) -> None:
        self.reel = Reel(life)
        self._life = life
        self._offer = offer
        self._means = means
        self._air = air
        self._push = push
        self._recorder = recorder
        self._stand = stand
        self._cues = cues
        self._stood: StreamState | None = None
        self._feed = Feed(audio=life.audio is not None)
        self._passed = Passed(life) if life.passthrough else None
        self._broken: Unpassable | None = None
        # As long as players stay behind the edge: a lost packet, or a browser's late piece, is no end.
        patience = round(PARTS_HELD * life.part_seconds * 1000)
        if self._passed:
            patience = round(life.segment_seconds * 1000)  # nothing fills in: it would end the life
        self._splice = Splice(rate=life.rate, patience=patience, sound=life.audio is not None)
        self._present = True
        self._inits: dict[str, bytes] = {}
        # Of a rendition, while the init of another is awaited.
        self._early: list[Part] = []
        self._early_samples: list[tuple[str, Sample]] = []
        self._encoded = 0

    @property
    def begun(self) -> bool:
        """Say whether all renditions have begun, and the life is on the air."""
        return len(self._inits) == len(self._life.names)

    @property
    def passthrough(self) -> bool:
        """Say whether the publisher's own pictures go out: then it ends with that publisher."""
        return self._life.passthrough

    def join(self) -> None:
        """Take it that another publisher sends from now on."""
        self._present = True
        self._splice.join()

    def leave(self) -> None:
        """Take it that the publisher has gone."""
        self._present = False
        self._splice.leave()

    def open(self, tags: Iterable[Tag]) -> None:
        """Take the tags that a publisher begins with."""
        for tag in tags:
            self._send(self._splice.take(tag, now_ms()))

    async def take(self, tag: Tag) -> None:
        """Take a tag of the publisher, once there is room for it."""
        await self._feed.room()
        self._send(self._splice.take(tag, now_ms()))

    def end(self) -> None:
        """Let the input come to its end."""
        self._feed.end()

    async def run(self) -> None:
        """Encode all of it.

        Raise PackagingError, Overloaded and Unpassable among them; what came out before stays.
        """
        lead = self._passed.lead if self._passed else 0
        encoding = asyncio.create_task(
            encoder.encode(
                self._life, self._feed.stream(), spawner=self._means.spawner, hearing=self, lead=lead
            ),
            name=f"encode {self._life.generation}",
        )
        tasks = (encoding, asyncio.create_task(self._tick()), asyncio.create_task(self._show()))
        try:
            await asyncio.wait(tasks[:2], return_when=asyncio.FIRST_COMPLETED)
            for task in tasks[:2]:
                if task.done():
                    await task
        finally:
            self._feed.end()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def over(self) -> Aired | None:
        """End the life on the air and in the store; None where it never began."""
        if not self.begun:
            return None
        for part in self._passed.end() if self._passed else ():
            self._give(part)
        for name, number, body in self.reel.close():
            self._recorder.keep(self._life, name, number, body)
        self._air.over_life()
        self._push.over()
        return self.reel.aired

    def init(self, rendition: str, body: bytes) -> None:
        """Take an init segment; with the last one of them the life is on the air."""
        self._inits[rendition] = body
        if not self.begun:
            return
        self._recorder.begin(self._life, self._inits)
        self._push.begin(self._life, self._inits)
        self._cues.begin(self._life, self._sent)
        self._air.begin(self._life, self._inits, {name: codecs(one) for name, one in self._inits.items()})
        for name, sample in self._early_samples:
            self._push.sample(name, sample)
        for part in self._early:
            self._give(part)
        self._early.clear()
        self._early_samples.clear()

    def sample(self, rendition: str, sample: Sample) -> None:
        """Send a frame on to whoever is pushed it, and take note how far the pictures are encoded."""
        if self.begun:
            self._push.sample(rendition, sample)
        else:
            self._early_samples.append((rendition, sample))
        if self._life.encoded and rendition == self._life.encoded[0].name:
            self._encoded = sample.time * 1000 // self._life.timescale

    def part(self, part: Part) -> None:
        """Take a part."""
        if self.begun:
            self._give(part)
        else:
            self._early.append(part)

    def _sent(self) -> int:
        """Return how far the publisher has come in media time, in milliseconds."""
        return self._splice.time - (self._passed.lead if self._passed is not None else 0)

    def _send(self, tags: Iterable[Tag]) -> None:
        """Give tags to the encoder, and pictures that are passed through to the viewers."""
        for tag in tags:
            if self._passed is not None and tag.kind is Kind.VIDEO and self._broken is None:
                try:
                    self._pass(self._passed, tag)
                except Unpassable as error:
                    self._broken = error
            # The encoder's time 0 is the first picture: sound before it would be taken for what follows.
            if self._passed is None or tag.configuration or tag.time + tag.offset >= self._passed.lead:
                self._feed.add((tag,))

    def _pass(self, passed: Passed, tag: Tag) -> None:
        name = self._life.names[0]
        if tag.configuration:
            init = passed.describe(tag.body)
            if init is not None:
                self.init(name, init)
            return
        sample, found = passed.add(picture_of(tag))
        self.sample(name, sample)
        for part in found:
            self.part(part)

    def _give(self, part: Part) -> None:
        part = self._cues.put(part)
        ended = self.reel.take(part)
        self._air.take(part)
        if ended is not None:
            self._recorder.keep(self._life, part.rendition, *ended)

    async def _tick(self) -> None:
        """Fill in for the publisher, and watch that the encoder keeps up, until cancelled."""
        clock = asyncio.get_running_loop().time
        timely = clock()
        while True:
            if self._broken is not None:
                raise self._broken
            if self._passed is not None and self._splice.silent(now_ms()):
                self._feed.end()
            self._send(self._splice.tick(now_ms()))
            self._tell()
            if self._splice.time - self._encoded <= _LATE_MS or not self._dispensable:
                timely = clock()
            elif clock() - timely >= _LATE_SECONDS:
                raise Overloaded("this machine does not encode as fast as the publisher sends")
            await asyncio.sleep(_TICK_SECONDS)

    @property
    def _dispensable(self) -> bool:
        """Say whether there is a rung that need not be encoded."""
        return len(self._life.encoded) > (0 if self._life.passthrough else 1)

    def _tell(self) -> None:
        state = StreamState.LIVE
        if self._splice.filled and self._passed is None:
            state = StreamState.SLATE if self._present else StreamState.RECONNECTING
        known = self._recorder.shown is self._life or self._recorder.broken
        if self.begun and known and state is not self._stood:
            self._stood = state
            self._stand(state)

    async def _show(self) -> None:
        """Make the slate, beside what is on air already; pictures that are passed through go with none."""
        if self._passed is not None:
            return
        try:
            picture = await self._means.picture() if self._means.picture is not None else None
            self._splice.show(await slate(self._means.spawner, self._offer, picture))
        except (PackagingError, OSError) as error:
            _log.warning("there is no slate for %s: %s", self._life.generation, error)


def now_ms() -> int:
    """Return the time in milliseconds by a clock that only goes forward."""
    return int(asyncio.get_running_loop().time() * 1000)
