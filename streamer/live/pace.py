"""Whether a publisher sends in real time yet: many begin with a burst of what they have gathered."""

from __future__ import annotations

from collections import deque

from streamer.ingest.flv import Kind, Tag

BURST_MS = 1_500
"""A longer burst is none: who sends so much at once is taken as it is."""


_SPAN_MS = 100
"""One gap within a burst is no end of it: what counts is the time that some pictures took."""

_MOST = 64


class Pace:
    """Takes the tags of a publisher as they come; pure, times are milliseconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, int]] = deque(maxlen=_MOST)

    def keeps(self, tag: Tag, now: int) -> bool:
        """Say whether the latest pictures, a tenth of a second of them, took about as long to come.

        False for the first ones, of which that cannot be said, and for everything else than pictures.
        """
        if tag.kind is not Kind.VIDEO or tag.configuration:
            return False
        seen = self._seen
        if seen and tag.time < seen[-1][0]:
            seen.clear()
        seen.append((tag.time, now))
        while len(seen) > 1 and tag.time - seen[1][0] >= _SPAN_MS:
            seen.popleft()
        time, at = seen[0]
        return tag.time - time >= _SPAN_MS and 4 * (now - at) >= 3 * (tag.time - time)
