"""Init segments at plan time: each recipe makes its own from one synthetic frame, cached by recipe."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass

from packager import boxes, recipe
from packager.child import Command
from packager.cutter import Cutter
from packager.errors import BadBoxes, ChildFailed
from packager.plan import Plan
from packager.process import Spawner
from packager.sandbox import Limits

_KEPT = 512
_LIMITS = Limits(memory=3 << 30, cpu_seconds=20, wall_seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Init:
    """One init segment: its bytes, their SHA-256, and the CODECS string (RFC 6381) that they imply."""

    body: bytes
    digest: str
    codecs: str


class Inits:
    """Makes inits and keeps the latest: most uploads need only what an earlier one had."""

    def __init__(self, spawner: Spawner) -> None:
        self._spawner = spawner
        self._kept: OrderedDict[tuple[str, ...], Init] = OrderedDict()

    async def of(self, plan: Plan) -> dict[str, Init]:
        """Return the init of every video, intra and audio rung of a plan that is encoded, by name."""
        program = self._spawner.ffmpeg
        commands = {}
        if plan.picture is not None:
            picture = plan.picture
            commands = {rung.name: recipe.video_init(program, rung, picture) for rung in plan.video}
            if plan.intra is not None:
                commands[plan.intra.name] = recipe.video_init(program, plan.intra, picture, intra=True)
        sounds = (rung for rung in plan.audio if not rung.copied)
        commands |= {rung.name: recipe.audio_init(program, rung) for rung in sounds}
        made = await asyncio.gather(*(self._made(argv) for argv in commands.values()))
        return dict(zip(commands, made, strict=True))

    async def _made(self, argv: tuple[str, ...]) -> Init:
        kept = self._kept.get(argv)
        if kept is None:
            kept = await self._make(argv)
        self._kept[argv] = kept
        self._kept.move_to_end(argv)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return kept

    async def _make(self, argv: tuple[str, ...]) -> Init:
        cutter = Cutter()
        async with await self._spawner.start(Command(argv=argv, outputs=1, limits=_LIMITS)) as child:
            while data := await child.outputs[0].read(1 << 16):
                for _ in cutter.feed(data):
                    pass
            await child.wait()
        if cutter.init is None:
            raise ChildFailed("the encoder made no init segment", evidence=" ".join(argv))
        return Init(body=cutter.init, digest=digest(cutter.init), codecs=codecs(cutter.init))


def digest(init: bytes) -> str:
    """Return the hash by which an init is known."""
    return hashlib.sha256(init).hexdigest()


def codecs(init: bytes) -> str:
    """Return the CODECS string of an init: avc1 with profile, constraints and level, or AAC-LC."""
    stsd = boxes.find(init, "moov.trak.mdia.minf.stbl.stsd")
    entry = next(boxes.walk(init, stsd.body + 8, stsd.end))
    if entry.type == "avc1":
        avcc = boxes.find(init, "avcC", entry.body + 78, entry.end)
        return "avc1." + init[avcc.body + 1 : avcc.body + 4].hex()
    if entry.type == "mp4a":
        return "mp4a.40.2"
    raise BadBoxes(f"an init of {entry.type}")
