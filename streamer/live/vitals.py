"""How a publisher's signal is: what comes of it a second, and how far its keyframes are apart."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from fractions import Fraction

from streamer.ingest.flv import Kind, Tag
from streamer.rows import seconds
from streamer.vocabulary.live import StreamHealth

EVERY_SECONDS = 2.0

Monotonic = Callable[[], float]
"""Seconds that only grow."""


class Vitals:
    """Reads a publisher's tags and hands them on, and tells every two seconds what has come of them."""

    def __init__(
        self, tell: Callable[[StreamHealth], None], *, stream: str, asset: str, clock: Monotonic
    ) -> None:
        """Take who is told, and whose signal it is; nothing is told while nothing comes."""
        self._tell = tell
        self._whose = {"stream": stream, "asset": asset}
        self._clock = clock
        self._since = clock()
        self._bytes = 0
        self._pictures = 0
        self._key: int | None = None
        self._apart: Fraction | None = None

    async def read(self, tags: AsyncIterator[Tag]) -> AsyncGenerator[Tag]:
        """Yield the tags as they come."""
        async for tag in tags:
            self._count(tag)
            yield tag

    def _count(self, tag: Tag) -> None:
        self._bytes += len(tag.payload)
        if tag.kind is Kind.VIDEO and not tag.configuration:
            self._pictures += 1
        if tag.keyframe:
            self._apart = None if self._key is None else Fraction(tag.time - self._key, 1000)
            self._key = tag.time
        passed = self._clock() - self._since
        if passed >= EVERY_SECONDS:
            self._tell(
                StreamHealth(
                    **self._whose,
                    bitrate=round(self._bytes * 8 / passed),
                    frame_rate=round(self._pictures / passed, 1),
                    keyframe_seconds=seconds(self._apart),
                )
            )
            self._since, self._bytes, self._pictures = self._clock(), 0, 0
