"""Whether a publisher sends in real time yet: many begin with a burst of what they have gathered."""

from __future__ import annotations

from streamer.ingest.flv import Kind, Tag

BURST_MS = 1_500
"""A longer burst is none: who sends so much at once is taken as it is."""


class Pace:
    """Takes the tags of a publisher as they come; pure, times are milliseconds."""

    def __init__(self) -> None:
        self._before: tuple[int, int] | None = None

    def keeps(self, tag: Tag, now: int) -> bool:
        """Say whether a picture comes about as long after the one before as it is shown after it.

        False for the first one, of which that cannot be said, and for everything else than pictures.
        """
        if tag.kind is not Kind.VIDEO or tag.configuration:
            return False
        before, self._before = self._before, (tag.time, now)
        return before is not None and 2 * (now - before[1]) >= tag.time - before[0]
