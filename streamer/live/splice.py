"""One stream out of many publishers and a slate: times that go on, whoever sends, at the pace of the clock.

Pure: tags in, tags out, the time of day is an argument. The encoder behind it never sees an end or a hole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from streamer.ingest.flv import Kind, Tag
from streamer.live.pace import BURST_MS, Pace

BEHIND_MS = 1_000
"""A publisher comes back with a picture that lags at most so far; what a network held up is left out."""

_FORBEARANCE_MS = 5_000
_BACK_MS, _AHEAD_MS = 2_000, 10_000
_SETTLED_MS = 1
_ADVANCE_MS = 100
"""A publisher that comes back may lie so far ahead of the clock: two frames."""

_HELD_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """What a lane shows while nobody sends: tags that follow a configuration, `step` milliseconds apart.

    The first tag of pictures is a keyframe.
    """

    configuration: Tag
    tags: Sequence[Tag]
    step: Fraction


class _Held:
    """The first tags of a publisher that comes back: kept until they come in real time, or are too many."""

    def __init__(self, tag: Tag, now: int) -> None:
        self.tags = [tag]
        self._since = now
        self._bytes = len(tag.payload)
        self._pace = Pace()
        self._pace.keeps(tag, now)

    @property
    def length(self) -> int:
        """Return from the first picture to the last one, in milliseconds."""
        return max(tag.time for tag in self.tags if tag.kind is Kind.VIDEO) - self.tags[0].time

    def take(self, tag: Tag, now: int) -> bool:
        """Keep one more; say whether that was the last one."""
        self.tags.append(tag)
        self._bytes += len(tag.payload)
        full = self._bytes > _HELD_BYTES or max(self.length, now - self._since) > BURST_MS
        return self._pace.keeps(tag, now) or full


@dataclass(slots=True, kw_only=True)
class _Lane:
    """The pictures or the sound of the stream that goes out."""

    kind: Kind
    loop: Loop | None = None
    told: bytes = b""  # the configuration that the encoder has last been given
    said: Tag | None = None  # the publisher's
    last: int = -1  # time of the last tag that went out
    arrived: int = 0  # when that was, by the clock
    live: bool = False
    looped: int = 0  # tags of the loop since it began at `begun`
    begun: int = 0

    def due(self, now: int) -> int:
        """Return the time that is due: the last one, and what has passed since."""
        return self.last + now - self.arrived

    def out(self, tag: Tag, time: int, now: int) -> Iterator[Tag]:
        """Send a publisher's tag on, with its configuration where that is another one than before."""
        yield from self.announce(time)
        self.last, self.arrived = time, now
        yield replace(tag, time=time)

    def announce(self, time: int) -> Iterator[Tag]:
        """Send the publisher's configuration unless it is the one that was sent last."""
        if self.said is not None:
            yield from self._configured(self.said, time)

    def _configured(self, configuration: Tag, time: int) -> Iterator[Tag]:
        # By value: many publishers repeat themselves with every keyframe.
        if configuration.payload != self.told:
            self.told = configuration.payload
            yield replace(configuration, time=time)

    def fill(self, loop: Loop, until: int, now: int) -> Iterator[Tag]:
        """Send the loop up to a time."""
        if self.live or not self.looped:
            self.live, self.looped, self.begun = False, 0, self.last + max(_SETTLED_MS, round(loop.step))
        while (time := self.begun + round(self.looped * loop.step)) <= until:
            tag = loop.tags[self.looped % len(loop.tags)]
            yield from self._configured(loop.configuration, time)
            self.looped += 1
            # `arrived` moves with what is sent, so that the next one follows at the pace of the clock.
            self.last, self.arrived = time, now - (until - time)
            yield replace(tag, time=time)


class Splice:
    """Joins the tags of publishers, one after another, and a slate in between.

    Times are milliseconds; `now` is any clock that only goes forward. Where a publisher sends nothing for
    `patience`, or there is none, loops fill in; its pictures come back with a keyframe. Whoever sends, its
    frames lie on the grid of `rate`: between its places an encoder at a constant rate would drop some.
    """

    def __init__(self, *, rate: Fraction, patience: int, sound: bool) -> None:
        self._rate = rate
        self._patience = patience
        self._lanes = {Kind.VIDEO: _Lane(kind=Kind.VIDEO)}
        if sound:
            self._lanes[Kind.AUDIO] = _Lane(kind=Kind.AUDIO)
        self._offset: int | None = None  # from the publisher's times to ours
        self._early: int | None = None  # least (now - time) that this publisher has had
        self._waiting: int | None = None  # since when a keyframe of it is waited for
        self._held: _Held | None = None  # what of it is to come in
        self._advance = 0  # by how much its times lie ahead of the clock

    @property
    def begun(self) -> bool:
        """Say whether anything has gone out."""
        return self._lanes[Kind.VIDEO].last >= 0

    @property
    def filled(self) -> bool:
        """Say whether pictures come from the slate."""
        return self.begun and not self._lanes[Kind.VIDEO].live

    @property
    def time(self) -> int:
        """Return the time of the last picture that went out; -1 before the first."""
        return self._lanes[Kind.VIDEO].last

    def silent(self, now: int) -> bool:
        """Say whether no picture has come for longer than is waited for."""
        return self.begun and now - self._lanes[Kind.VIDEO].arrived >= self._patience

    def show(self, loops: dict[Kind, Loop]) -> None:
        """Take the slate, which may come after the publisher."""
        for kind, lane in self._lanes.items():
            lane.loop = loops.get(kind, lane.loop)

    def join(self) -> None:
        """Take it that another publisher sends from now on."""
        self.leave()
        for lane in self._lanes.values():
            lane.said = None

    def leave(self) -> None:
        """Take it that the publisher has gone: what goes on is the slate."""
        self._offset = self._early = self._waiting = self._held = None
        self._advance = 0
        for lane in self._lanes.values():
            lane.live = False
            lane.looped = 0

    def take(self, tag: Tag, now: int) -> list[Tag]:
        """Return what goes out for a tag of the publisher."""
        lane = self._lanes.get(tag.kind)
        if lane is None:
            return []
        if tag.configuration:
            lane.said = tag
            return []
        self._early = min(now - tag.time, now - tag.time if self._early is None else self._early)
        if self._held is not None:
            return self._come(self._held, now) if self._held.take(tag, now) else []
        return list(self._live(lane, tag, now))

    def tick(self, now: int) -> list[Tag]:
        """Return what fills in for what has not come. Call it about once a frame."""
        sent: list[Tag] = []
        for lane in self._lanes.values():
            if lane.last >= 0 and lane.loop is not None and self._due(lane, now):
                sent += lane.fill(lane.loop, lane.due(now), now)
        return sorted(sent, key=lambda tag: tag.time)

    def _due(self, lane: _Lane, now: int) -> bool:
        nobody = self._offset is None
        return nobody or bool(lane.looped) or now - lane.arrived >= self._patience

    def _live(self, lane: _Lane, tag: Tag, now: int) -> Iterator[Tag]:
        return self._picture(lane, tag, now) if tag.kind is Kind.VIDEO else self._sound(lane, tag, now)

    def _picture(self, lane: _Lane, tag: Tag, now: int) -> Iterator[Tag]:
        if lane.live and self._offset is not None:
            time = tag.time + self._offset
            if lane.last - _BACK_MS <= time <= lane.last + _AHEAD_MS:
                yield from lane.out(tag, self._after(lane, tag), now + self._advance)
                return
            lane.live = False  # its clock has jumped: it is taken up again like one that has just come
            self._early = now - tag.time
        if lane.said is None or not tag.keyframe or not self._fresh(tag, now):
            return
        if self.begun:
            self._held = _Held(tag, now)
            return
        time = self._place(tag.offset) - tag.offset
        self._offset, lane.live = time - tag.time, True
        for other in self._lanes.values():
            # At once, however late its media may be: a demuxer looks for streams at the beginning only.
            yield from other.announce(time)
            other.arrived, other.last = now, time
        yield from lane.out(tag, time, now)

    def _come(self, held: _Held, now: int) -> list[Tag]:
        """Let a publisher in again, so that the last of what was held is of now.

        Of a burst all pictures go out, for their decoder, but only what it ends with has times of its own.
        """
        lane = self._lanes[Kind.VIDEO]
        first, due = held.tags[0], lane.due(now)
        begin = due - held.length
        if lane.last + 1 - begin <= _ADVANCE_MS:
            begin = max(begin, lane.last + 1)
        begin = self._place(begin + first.offset) - first.offset
        self._offset, self._advance = begin - first.time, max(0, begin + held.length - due)
        self._held = self._waiting = None
        lane.live, lane.looped = True, 0
        return [out for tag in held.tags for out in self._live(self._lanes[tag.kind], tag, now)]

    def _after(self, lane: _Lane, tag: Tag) -> int:
        """Return the time of a publisher's picture, on the grid where it cannot be its own."""
        time = tag.time + (self._offset or 0)
        return time if time >= lane.last else self._place(lane.last + tag.offset) - tag.offset

    def _place(self, time: int) -> int:
        """Return when the first frame of the grid is shown that is not before `time`."""
        frame = -(-time * self._rate // 1000)
        return round(frame * 1000 / self._rate)

    def _sound(self, lane: _Lane, tag: Tag, now: int) -> Iterator[Tag]:
        if self._offset is None:
            return
        time = tag.time + self._offset
        if lane.last <= time <= lane.last + _AHEAD_MS:
            lane.live, lane.looped = True, 0
            yield from lane.out(tag, time, now + self._advance)

    def _fresh(self, tag: Tag, now: int) -> bool:
        """Say whether a keyframe is worth coming back with: not one of many that were held up."""
        if not self.begun:
            return True
        self._waiting = now if self._waiting is None else self._waiting
        early = 0 if self._early is None else self._early
        return now - tag.time - early <= BEHIND_MS or now - self._waiting >= _FORBEARANCE_MS
