"""How fast this machine encodes live: a short encode of what is as heavy as a film."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from fractions import Fraction
from typing import Final

from packager import encoder, live_ladder, live_recipe
from packager.child import Command
from packager.cutter import Sample
from packager.errors import ChildFailed
from packager.ladder import Effort
from packager.life import Life, frames_of, new_generation
from packager.live_ladder import Offer
from packager.parts import Part
from packager.process import Spawner
from packager.sandbox import Limits

OFFER: Final = Offer(width=1280, height=720, rate=Fraction(30))
SECONDS: Final = 2
"""What is encoded, at whatever pace the machine has: about a second on two cores."""

_PART = Fraction(1, 3)
_LIMITS = Limits(memory=2 << 30, cpu_seconds=60, wall_seconds=60)


async def speed(spawner: Spawner, *, effort: Effort) -> int:
    """Return how many pixels a second are encoded, those of all rungs together. Raise PackagingError."""
    frames, parts = frames_of(_PART, OFFER.rate)
    life = Life(
        generation=new_generation(),
        rate=OFFER.rate,
        part_frames=frames,
        parts=parts,
        started=0,
        first=0,
        video=live_ladder.video_rungs(OFFER, pixels=10**9, effort=effort),
        audio=None,
    )
    heard = _Heard()
    await encoder.encode(life, _once(await _film(spawner)), spawner=spawner, hearing=heard)
    if heard.last <= heard.first:
        raise ChildFailed("the trial encode has no frames")
    return heard.pixels(life) * 1_000_000_000 // (heard.last - heard.first)


class _Heard:
    """Counts frames, and when the first and the last of them came: what starts before is no encoding."""

    def __init__(self) -> None:
        self.first = 0
        self.last = 0
        self._frames: dict[str, int] = {}

    def pixels(self, life: Life) -> int:
        """Return the pixels of all frames behind the first of each rung."""
        return sum((self._frames[rung.name] - 1) * rung.width * rung.height for rung in life.video)

    def init(self, rendition: str, body: bytes) -> None:
        """Take no notice."""

    def sample(self, rendition: str, sample: Sample) -> None:
        """Count a frame."""
        del sample
        self.last = time.monotonic_ns()
        self.first = self.first or self.last
        self._frames[rendition] = self._frames.get(rendition, 0) + 1

    def part(self, part: Part) -> None:
        """Take no notice."""


async def _film(spawner: Spawner) -> bytes:
    argv = live_recipe.grain(spawner.ffmpeg, OFFER, seconds=SECONDS)
    made = b""
    async with await spawner.start(Command(argv=argv, outputs=1, limits=_LIMITS)) as child:
        while data := await child.outputs[0].read(1 << 18):
            made += data
        await child.wait()
    return made


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
