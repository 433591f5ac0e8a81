"""How far a broadcast on air has come in a bucket: what is to go there next, and what may be named there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from packager import keys
from packager.life import Aired, Life, Reach

BEHIND_SECONDS = 60
"""What is further behind the end than that and still is not there stays away: viewers want what is now."""


@dataclass(slots=True)
class _Sent:
    """One life. `counts` says by rendition up to which segment all is decided: there, or a gap."""

    counts: dict[str, int]
    inits: set[str] = field(default_factory=set)
    early: set[tuple[str, int]] = field(default_factory=set)
    gaps: set[tuple[str, int]] = field(default_factory=set)


class Arrivals:
    """Takes what is there, in any order, and names only that; `there` are keys that were found at first.

    All is counted by media sequence numbers. What a playlist has listed as a gap stays one.
    """

    def __init__(
        self, *, there: Iterable[str] = (), window: int | None, behind: int = BEHIND_SECONDS
    ) -> None:
        """Take how many seconds are listed at most, None for all, and how far behind one may be."""
        self._window = window
        self._behind = behind
        self._there = set(there)
        self._sent: dict[str, _Sent] = {}
        self._start: int | None = None

    def wanted(self, lives: Sequence[Aired]) -> list[str]:
        """Return the keys of what is to go there, the oldest first: an init before what needs it."""
        inits, segments = [], []
        for aired in lives:
            life, sent = aired.life, self._of(aired, lives)
            missing = [
                (life.first + number, place, keys.segment(life.generation, name, number))
                for place, name in enumerate(life.names)
                for number in range(sent.counts[name], aired.reach[name].segments)
                if (name, number) not in sent.early
            ]
            if missing or self._begun(life, sent):
                inits += [keys.init(life.generation, one) for one in life.names if one not in sent.inits]
            segments += missing
        return inits + [key for _, _, key in sorted(segments)]

    def waiting(self, lives: Sequence[Aired]) -> int:
        """Return how many seconds of the broadcast are not there yet."""
        if not lives:
            return 0
        oldest = min((self._next(aired) for aired in lives if self._unsettled(aired)), default=None)
        last = lives[-1]
        return 0 if oldest is None else int((_edge(last) - oldest) * last.life.segment_seconds)

    def arrived(self, key: str) -> None:
        """Take it that an object is there."""
        if named := keys.parse_init(key):
            self._sent[named[0]].inits.add(named[1])
        elif segment := keys.parse_segment(key):
            generation, name, number = segment
            self._sent[generation].early.add((name, number))

    def lost(self, key: str) -> None:
        """Take it that nobody has an object any more; a segment is a gap."""
        self.arrived(key)
        if segment := keys.parse_segment(key):
            generation, name, number = segment
            self._sent[generation].gaps.add((name, number))

    def gap(self, generation: str, name: str, number: int) -> bool:
        """Say whether a segment that counts is not there, and will not be."""
        sent = self._sent.get(generation)
        return sent is not None and (name, number) in sent.gaps

    def shown(self, lives: Sequence[Aired]) -> list[Aired]:
        """Return the lives as far as they are there, nothing unless there is something of every rendition.

        A life follows only where all that counts of the one before is settled.
        """
        found: list[Aired] = []
        for aired in lives:
            sent = self._of(aired, lives)
            self._settle(aired.life, sent)
            if self._start is None or aired.life.first + aired.segments <= self._start:
                continue
            begin = 0 if found else max(0, self._start - aired.life.first)
            one = _far(aired, sent.counts, begin)
            bare = not one.over and min(sent.counts.values()) <= begin
            if bare or not all(name in sent.inits for name in aired.life.names):
                break
            found.append(one)
            if not one.over:
                break
        return found

    def _of(self, aired: Aired, lives: Sequence[Aired]) -> _Sent:
        """Return what is known of a life, with what has fallen too far behind given up."""
        life = aired.life
        sent = self._sent.get(life.generation)
        if sent is None:
            sent = self._sent[life.generation] = self._found(aired, lives)
        self._settle(life, sent)
        late = _edge(lives[-1]) - int(self._behind // lives[-1].life.segment_seconds) - life.first
        for name in life.names:
            for number in range(sent.counts[name], min(late, aired.reach[name].segments)):
                if (name, number) not in sent.early:
                    sent.gaps.add((name, number))
                    sent.early.add((name, number))
        self._settle(life, sent)
        return sent

    def _found(self, aired: Aired, lives: Sequence[Aired]) -> _Sent:
        """Return what was found of a life when this began."""
        life = aired.life
        oldest = 0
        if self._window is not None:
            oldest = _edge(lives[-1]) - int(-(-self._window // lives[-1].life.segment_seconds)) - life.first
        sent = _Sent(counts={name: min(max(0, oldest), aired.reach[name].segments) for name in life.names})
        for name in life.names:
            if keys.init(life.generation, name) in self._there:
                sent.inits.add(name)
            for number in range(sent.counts[name], aired.reach[name].segments):
                if keys.segment(life.generation, name, number) in self._there:
                    sent.early.add((name, number))
        return sent

    def _settle(self, life: Life, sent: _Sent) -> None:
        """Count what is decided without a hole; with the first that is there the list begins."""
        for name in life.names:
            while (name, sent.counts[name]) in sent.early:
                number = sent.counts[name]
                sent.early.discard((name, number))
                sent.counts[name] += 1
                if self._start is None and (name, number) not in sent.gaps:
                    self._start = life.first + number

    def _begun(self, life: Life, sent: _Sent) -> bool:
        return self._start is not None and life.first + max(sent.counts.values()) > self._start

    def _next(self, aired: Aired) -> int:
        return aired.life.first + min(self._sent[aired.life.generation].counts.values())

    def _unsettled(self, aired: Aired) -> bool:
        sent = self._sent.get(aired.life.generation)
        return sent is not None and any(sent.counts[name] < one.segments for name, one in aired.reach.items())


def _edge(last: Aired) -> int:
    return last.life.first + last.segments


def _far(aired: Aired, counts: dict[str, int], begin: int) -> Aired:
    """Return a life as far as it is there, over once all of it is."""
    if aired.over and all(counts[name] >= one.segments for name, one in aired.reach.items()):
        return replace(aired, begin=begin)
    reach = {
        name: Reach(segments=counts[name], end=one.end if counts[name] == one.segments else None)
        for name, one in aired.reach.items()
    }
    return Aired(life=aired.life, reach=reach, begin=begin)
