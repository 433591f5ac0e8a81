"""A live encoder: FLV goes in as it comes, and parts of every rendition come out as it is encoded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

from packager import live_recipe, parts
from packager.child import Child, Command
from packager.cutter import Cutter, Sample
from packager.errors import PackagingError
from packager.life import Life
from packager.parts import Part
from packager.process import Spawner
from packager.sandbox import Limits

_READ = 1 << 18
_GIB = 1 << 30


class Hearing(Protocol):
    """What is told of a life as it is encoded, all of it on the event loop and in order of each rendition."""

    def init(self, rendition: str, body: bytes) -> None:
        """Take the init segment of a rendition, before anything else of it."""

    def sample(self, rendition: str, sample: Sample) -> None:
        """Take one frame or access unit, the encoder's priming included."""

    def part(self, part: Part) -> None:
        """Take a part, once its last frame is there."""


async def encode(
    life: Life,
    chunks: AsyncIterator[bytes],
    *,
    spawner: Spawner,
    hearing: Hearing,
    nice: int = 0,
    lead: int = 0,
) -> None:
    """Encode a life until its input ends, and then what is left of it. Raise PackagingError.

    Its time 0 is `lead` milliseconds after the input's. Cancelling it ends ffmpeg at once.
    """
    if not life.made:
        async for _ in chunks:
            pass
        return
    argv = live_recipe.encode(spawner.ffmpeg, life, sound=life.audio is not None, lead=lead)
    command = Command(argv=argv, outputs=len(life.made), limits=_limits(life, nice), stdin=chunks)
    async with await spawner.start(command) as child:
        try:
            async with asyncio.TaskGroup() as readers:
                for number, name in enumerate(life.made):
                    readers.create_task(_read(child, number, life=life, name=name, hearing=hearing))
        except* PackagingError as group:
            raise group.exceptions[0] from None
        await child.wait()


async def _read(child: Child, number: int, *, life: Life, name: str, hearing: Hearing) -> None:
    cut, gather = Cutter(), parts.gather(life, name)
    told = False
    while data := await child.outputs[number].read(_READ):
        samples = list(cut.feed(data))
        if cut.init is not None and not told:
            hearing.init(name, cut.init)
            told = True
        for sample in samples:
            hearing.sample(name, sample)
            for part in gather.add(sample):
                hearing.part(part)
    await child.wait()
    cut.finish()
    for part in gather.end():
        hearing.part(part)


def _limits(life: Life, nice: int) -> Limits:
    """Return what an encoder may use: memory by its pixels, and as much time as the broadcast takes."""
    pixels = sum(rung.width * rung.height for rung in life.video)
    threads = sum(rung.threads for rung in life.encoded)
    memory = 2 * _GIB + pixels * 300 + threads * (64 << 20)
    return Limits(memory=memory, cpu_seconds=None, wall_seconds=None, nice=nice)
