"""One broadcast: publishers come and go, one encoder after another makes of it what is on air."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from fractions import Fraction

from packager import live_ladder, passthrough
from packager.errors import PackagingError, Unpassable
from packager.life import Aired, Life, frames_of, new_generation
from packager.live_ladder import Offer
from streamer.ingest.door import Ending, Publisher
from streamer.ingest.errors import KeyBusy
from streamer.ingest.flv import Kind, Tag
from streamer.live.cues import Cues
from streamer.live.encoding import Air, Encoding, Means, Overloaded, now_ms
from streamer.live.opening import Opening
from streamer.live.push import Push
from streamer.live.recorder import Recorder
from streamer.live.streams import Settings, Takeover
from streamer.rows import StreamState

_TRIES = 5
"""Encoders in a row that may fail soon after their start before the broadcast is given up."""

_SOON_SECONDS = 60

_BREAKS = 3
"""How often pictures may turn out not to be what was passed through before they are encoded instead."""

_COMING_SECONDS = 10
"""How long it may take from a publisher's admission to its being there, at least."""

_log = logging.getLogger(__name__)


class Broadcast:
    """A broadcast from its first publisher until one has been away for too long.

    `run` is its life; publishers are handed to `publish` meanwhile. `aired` are the lives that are over:
    where it begins with some it goes on behind them, once a publisher is back in time.
    """

    def __init__(
        self,
        asset: str,
        *,
        settings: Settings,
        means: Means,
        air: Air,
        push: Push,
        recorder: Recorder,
        stand: Callable[[StreamState], None],
        cues: Cues,
        aired: Sequence[Aired] = (),
    ) -> None:
        """Take the asset that it is, what it is made with, and who is told where it stands."""
        self.asset = asset
        self.aired: list[Aired] = list(aired)
        self.over = False
        self.settings = settings
        self._means = means
        self._air = air
        self._push = push
        self._recorder = recorder
        self._stand = stand
        self._cues = cues
        self._publisher: Publisher | None = None
        self._met = bool(aired)
        self._said: dict[Kind, Tag] = {}
        self._first: Offer | None = None
        self._breaks = 0
        self._refusal = ""
        self._opening = self._anew()
        self._encoding: Encoding | None = None
        self._changed = asyncio.Event()
        # Segments are longer than a second, so no number of an earlier broadcast is used again.
        self._next = aired[-1].following if aired else means.wall() // 1000

    def give_way(self, publisher: Publisher) -> None:
        """Let a publisher have the place of the one that sends. Raise KeyBusy where that goes before it."""
        sending = self._publisher
        prior = self.settings.takeover is Takeover.PRIORITY
        if prior and sending is not None and publisher.priority < sending.priority:
            raise KeyBusy("An encoder with a higher priority is on air.")

    async def publish(self, publisher: Publisher, tags: AsyncIterator[Tag]) -> None:
        """Put a publisher on the air in place of the one before; return when it has left.

        Raise Unopened, and KeyBusy where the one before does not give way.
        """
        self.give_way(publisher)
        former, self._publisher = self._publisher, publisher
        self._met = True
        if former is not None:
            former.close(Ending.TAKEN_OVER)
        self._part(joined=True)
        self._said, self._opening = {}, self._anew()
        self._pulse()
        try:
            async for tag in tags:
                if self._publisher is not publisher:
                    return
                await self._take(tag)
        finally:
            if self._publisher is publisher:
                self._publisher = None
                self._part(joined=False)
                self._pulse()

    @property
    def priority(self) -> int | None:
        """Return the priority of the publisher that sends, None without one."""
        return None if self._publisher is None else self._publisher.priority

    def end(self, why: Ending = Ending.ENDED) -> None:
        """End the broadcast: what has come is encoded still. The publisher is told why."""
        self.over = True
        if self._publisher is not None:
            self._publisher.close(why)
        self._pulse()

    async def run(self) -> None:
        """Broadcast until it is over. Raise PackagingError where no encoder can be kept running."""
        clock = asyncio.get_running_loop().time
        failed = 0
        try:
            while (offer := await self._opened()) is not None:
                began = clock()
                try:
                    if await self._encode(offer):
                        break
                except Unpassable as error:
                    self._break(error)
                except PackagingError as error:
                    _log.warning("an encoder of broadcast %s failed: %s", self.asset, error.message)
                    failed = failed + 1 if clock() - began < _SOON_SECONDS else 1
                    if failed >= _TRIES:
                        raise
        finally:
            self.over = True
            if self._publisher is not None:
                self._publisher.close(Ending.ENDED if failed < _TRIES else Ending.FAILED)

    async def _take(self, tag: Tag) -> None:
        if tag.kind is Kind.SCRIPT or tag.configuration:
            self._said[tag.kind] = tag
        if self._encoding is not None:
            await self._encoding.take(tag)
            return
        self._opening.take(tag, now_ms())
        if self._opening.ready:
            self._pulse()

    async def _opened(self) -> Offer | None:
        """Wait until a publisher sends something to encode; None once the broadcast is over."""
        while not self.over:
            if self._opening.ready:
                return self._opening.offer
            if not await self._change():
                return None
        return None

    async def _change(self) -> bool:
        """Wait for a change; False where nobody has published for too long, or it is over."""
        changed = self._changed
        away = self.settings.reconnect_seconds
        away = away if self._met else max(away, _COMING_SECONDS)
        try:
            async with asyncio.timeout(None if self._publisher else away):
                await changed.wait()
        except TimeoutError:
            return False
        return not self.over

    async def _encode(self, offer: Offer) -> bool:
        """Encode one life; say whether no publisher is to come any more. Raise PackagingError."""
        # What playlists have said of times and tracks holds for all of the broadcast.
        earlier = self._first is None and self.aired
        first = self._first = _like(self.aired[0].life, offer) if earlier else self._first or offer
        offer = replace(offer, rate=first.rate, sample_rate=first.sample_rate, channels=first.channels)
        life = self._life(offer, self._opening)
        encoding = Encoding(
            life,
            offer,
            means=self._means,
            air=self._air,
            push=self._push,
            recorder=self._recorder,
            stand=self._stand,
            cues=self._cues,
        )
        encoding.open(self._opening.tags)
        self._encoding, self._opening = encoding, self._anew()
        running = asyncio.create_task(encoding.run())
        leaving = asyncio.create_task(self._left())
        try:
            await asyncio.wait((running, leaving), return_when=asyncio.FIRST_COMPLETED)
            encoding.end()
            await running
            if not leaving.done():
                self._stand(StreamState.RECONNECTING)
            return leaving.done()
        except Overloaded:
            self._shed(life)
            raise
        finally:
            if self._encoding is encoding:
                self._encoding = None
            for task in (running, leaving):
                task.cancel()
            await asyncio.gather(running, leaving, return_exceptions=True)
            self._close(encoding)

    def _close(self, encoding: Encoding) -> None:
        """Take what a life has come to; the next one begins with what the publisher has said of itself."""
        aired = encoding.over()
        if aired is not None:
            self.aired.append(aired)
            self._next = encoding.reel.next
        for tag in self._said.values():
            self._opening.take(tag, now_ms())

    async def _left(self) -> None:
        """Return when there has been no publisher for too long, or the broadcast is to end."""
        while await self._change():
            pass

    def _part(self, *, joined: bool) -> None:
        """Let the encoder know that its publisher has gone, or that another one comes in its place."""
        encoding = self._encoding
        if encoding is None:
            return
        if encoding.passthrough:
            encoding.end()
            self._encoding = None
        elif joined:
            encoding.join()
        else:
            encoding.leave()

    def _break(self, error: Unpassable) -> None:
        """Pass no more pictures through where they have turned out other ones again and again."""
        self._breaks += 1
        _log.info("broadcast %s passes pictures through no longer: %s", self.asset, error.message)
        if self._breaks >= _BREAKS:
            self._refusal = error.message

    def _anew(self) -> Opening:
        return Opening(passthrough=self.settings.passthrough and not self._refusal)

    def _life(self, offer: Offer, opening: Opening) -> Life:
        rate = live_ladder.output_rate(offer.rate)
        (frames, parts), refusal = self._grid(rate, opening)
        passage = opening.passage if self.settings.passthrough and not refusal else None
        if refusal:
            _log.info("broadcast %s is encoded and not passed through: %s", self.asset, refusal)
        means = self._means
        if passage is not None:
            video = live_ladder.beside(offer, bits=passage.bits, pixels=means.pixels, effort=means.effort)
        else:
            video = live_ladder.video_rungs(offer, pixels=means.pixels, effort=means.effort)
        return Life(
            generation=new_generation(),
            rate=rate,
            part_frames=frames,
            parts=parts,
            started=means.wall() - opening.waited,
            first=self._next,
            video=video,
            audio=live_ladder.audio_rung(offer),
            passthrough=passage is not None,
            refusal=refusal,
        )

    def _grid(self, rate: Fraction, opening: Opening) -> tuple[tuple[int, int], str]:
        """Return (frames of a part, parts of a segment), and why pictures cannot be passed through."""
        length = self.settings.part_seconds
        if not self.settings.passthrough:
            return frames_of(length, rate), ""
        first = self.aired[0].life if self.aired else None
        given = (first.part_frames, first.parts) if first else None
        refusal = self._refusal or opening.refusal
        if opening.passage is not None and not refusal:
            try:
                return passthrough.grid(opening.passage, part_seconds=length, rate=rate, given=given), ""
            except Unpassable as error:
                refusal = error.message
        return given or passthrough.usual(length, rate), refusal

    def _shed(self, life: Life) -> None:
        """Encode less from now on: the broadcast goes on without the highest rung that is encoded."""
        rest = sum(rung.width * rung.height for rung in life.encoded[1:])
        self._means = replace(self._means, pixels=int(rest * life.rate))

    def _pulse(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _like(life: Life, offer: Offer) -> Offer:
    """Return an offer with the rate and the sound of a life, unless its own sound comes to the same."""
    alike = replace(offer, rate=life.rate)
    if live_ladder.audio_rung(offer) == life.audio:
        return alike
    sound = life.audio
    return replace(
        alike, sample_rate=sound.sample_rate if sound else 0, channels=sound.channels if sound else 0
    )
