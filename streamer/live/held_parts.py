"""The parts of one rendition of a life: how far they have come, and the bytes of the latest of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from packager.life import Life, Reach
from packager.parts import Part


class HeldParts:
    """Takes the parts of a rendition in order, and lets go of bytes that the store has.

    A life that is over may begin with its `reach`, and with the sizes of the parts of `stored` segments.
    """

    def __init__(
        self,
        life: Life,
        name: str,
        *,
        reach: Reach | None = None,
        stored: Mapping[int, list[int]] | None = None,
    ) -> None:
        self.reach = reach or Reach()
        self.held = 0
        self._life = life
        self._name = name
        self._bodies: dict[int, list[bytes]] = {}
        self._sizes: dict[int, list[int]] = dict(stored or {})
        self._stored: set[int] = set(self._sizes)

    def take(self, part: Part) -> None:
        """Take the part that comes next. Raise ValueError for another one."""
        reach, segment = self.reach, part.segment
        if (segment, part.number) != (reach.segments, reach.parts) or reach.end is not None:
            raise ValueError(f"{self._name}: part {segment}.{part.number} is not the next one")
        self._bodies.setdefault(segment, []).append(part.body)
        self._sizes.setdefault(segment, []).append(len(part.body))
        self.held += len(part.body)
        if not part.last:
            self.reach = replace(reach, parts=reach.parts + 1)
            return
        short = part.end < self._life.border(self._name, segment + 1)
        self.reach = Reach(segments=segment + 1, end=part.end if short else None)

    def close(self) -> bool:
        """End with what is there; say whether that made a segment whole that was still growing."""
        reach = self.reach
        last = reach.segments + bool(reach.parts)
        end = self._life.border(self._name, reach.segments, reach.parts) if reach.end is None else reach.end
        self.reach = Reach(segments=last, end=end)
        return bool(reach.parts)

    def part(self, segment: int, part: int) -> bytes | None:
        """Return the bytes of a part, None where they are not in memory."""
        bodies = self._bodies.get(segment, ())
        return bodies[part] if part < len(bodies) else None

    def segment(self, segment: int) -> bytes | None:
        """Return the bytes of a whole segment, None where the store has them or nobody any more."""
        if segment in self._stored or segment >= self.reach.segments or segment not in self._bodies:
            return None
        return b"".join(self._bodies[segment])

    def span(self, segment: int, part: int) -> tuple[int, int] | None:
        """Return which bytes of a stored segment are a part, None where that is long forgotten."""
        sizes = self._sizes.get(segment, ())
        if segment not in self._stored or part >= len(sizes):
            return None
        start = sum(sizes[:part])
        return start, start + sizes[part]

    def stored(self, segment: int) -> None:
        """Learn that the store has a segment."""
        self._stored.add(segment)

    def forget(self, *, bodies: int, sizes: int) -> None:
        """Let go of the bytes of stored segments before `bodies`, and of all that is known before `sizes`."""
        for segment in [one for one in self._bodies if one < bodies and one in self._stored]:
            self._drop(segment)
        for segment in [one for one in self._sizes if one < sizes and one not in self._bodies]:
            del self._sizes[segment]
            self._stored.discard(segment)

    def oldest(self) -> int | None:
        """Return the first segment that is in memory and whole."""
        return next((one for one in self._bodies if one < self.reach.segments), None)

    def lose(self, segment: int) -> None:
        """Let go of a segment's bytes although the store does not have them."""
        self._drop(segment)

    def _drop(self, segment: int) -> None:
        self.held -= sum(len(body) for body in self._bodies.pop(segment))
