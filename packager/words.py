"""Text tracks of a source as WebVTT renditions."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from packager import captions, keys, recipe
from packager.child import Command
from packager.errors import PackagingError
from packager.model import Kind, Rendition
from packager.plan import Plan, TextRung
from packager.process import Spawner
from packager.sandbox import Limits
from packager.store import Store

_MOST = captions.MAX_BYTES


async def extract(
    plan: Plan, *, source: Path, store: Store, spawner: Spawner
) -> tuple[list[Rendition], list[str]]:
    """Store every text track as WebVTT. Return the renditions, and a warning for each that cannot be made."""
    made, warnings = [], []
    for rung in plan.text:
        try:
            text = captions.to_webvtt(await _webvtt(plan, rung, source=source, spawner=spawner))
        except PackagingError as error:
            warnings.append(f"text track {rung.title or rung.language or rung.name} is lost: {error.message}")
            continue
        await store.put(keys.text(plan.generation, rung.name), text.encode())
        made.append(rendition(plan, rung))
    return made, warnings


def rendition(plan: Plan, rung: TextRung) -> Rendition:
    """Return what manifests say of a text rung."""
    return Rendition(
        name=rung.name,
        kind=Kind.TEXT,
        prefix=f"{plan.generation}/{rung.name}",
        codecs="wvtt",
        timescale=1000,
        borders=(0, int(plan.duration * Fraction(1000))),
        bandwidth=1000,
        language=rung.language,
        title=rung.title,
        default=rung.default,
        forced=rung.forced,
    )


async def _webvtt(plan: Plan, rung: TextRung, *, source: Path, spawner: Spawner) -> bytes:
    argv = recipe.subtitles(
        spawner.ffmpeg,
        recipe.Input(path=source, indexed=plan.source.indexed),
        track=rung.track,
        origin=plan.origin,
    )
    seconds = 120 + int(plan.duration) // 10
    limits = Limits(memory=2 << 30, cpu_seconds=seconds, wall_seconds=4 * seconds, nice=5)
    body = bytearray()
    async with await spawner.start(Command(argv=argv, outputs=1, limits=limits, readable=(source,))) as child:
        while data := await child.outputs[0].read(1 << 18):
            body += data[: max(0, _MOST + 1 - len(body))]
        await child.wait()
    return bytes(body)
