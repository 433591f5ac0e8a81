"""Pictures for people: the poster, and the storyboard's sheets and index."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from fractions import Fraction
from itertools import pairwise

from packager import clock, keys, present, recipe
from packager.child import Command
from packager.errors import ChildFailed
from packager.feed import Feeder
from packager.model import Storyboard
from packager.original import Original, SourceCut, arrived
from packager.packaging import Packaging
from packager.plan import Plan
from packager.process import Spawner
from packager.sandbox import Limits

_LIMITS = Limits(memory=4 << 30, cpu_seconds=120, wall_seconds=300, nice=10)
_SHEET = 64 << 20
_POSTER_SIDE = 720


async def poster(plan: Plan, *, original: Original, feeder: Feeder, spawner: Spawner) -> bytes | None:
    """Return a JPEG of a frame a tenth into the asset; None where there is no picture to take.

    Wait until its bytes are there, or all of them where nothing can find its own. It is an ornament: where it
    cannot be made the asset plays without.
    """
    small = (rung for rung in plan.video if min(rung.width, rung.height) <= _POSTER_SIDE)
    rung = next(small, plan.video[-1] if plan.video else plan.intra)
    if plan.picture is None or rung is None:
        return None
    number = min(plan.pictures - 1, plan.pictures // 10 + (plan.pictures > 1))
    begin, end = (clock.picture_time(plan.picture, border) for border in plan.shown[number : number + 2])
    feed = feeder.stretch(plan.picture.track, begin, end)
    await arrived(original, None if feed is None else feed.reach)
    path = None if feed else await original.file()
    argv = recipe.poster(
        spawner.ffmpeg,
        recipe.Input(path=path, indexed=plan.source.indexed, feed=feed),
        plan.picture,
        rung=rung,
        border=plan.shown[number],
    )
    command = Command(
        argv=argv,
        outputs=1,
        limits=_LIMITS,
        readable=(path,) if path else (),
        stdin=feed.read(original) if feed else None,
    )
    try:
        body = await output(command, spawner)
    except (ChildFailed, SourceCut):
        return None
    return body if body.startswith(b"\xff\xd8") else None


async def storyboard(packaging: Packaging, *, spawner: Spawner) -> None:
    """Store the storyboard's sheets and index; the intra rung must be complete."""
    plan = packaging.plan
    board = present.storyboard(plan)
    if board is None or plan.intra is None:
        return
    argv = recipe.sprites(
        spawner.ffmpeg, columns=board.columns, rows=board.rows, width=board.width, height=board.height
    )
    command = Command(argv=argv, outputs=1, limits=_LIMITS, stdin=_pictures(packaging, plan.intra.name))
    sheets = _split_jpegs(await output(command, spawner))
    for number, sheet in enumerate(sheets):
        await packaging.store.put(keys.sprite(plan.generation, number), sheet)
    shown = [Fraction(border, plan.timescale) for border in plan.shown[: plan.pictures + 1]]
    await packaging.store.put(keys.storyboard(plan.generation), index(board, shown).encode())


async def _pictures(packaging: Packaging, name: str) -> AsyncIterator[bytes]:
    yield packaging.inits[name].body
    for number in range(packaging.plan.pictures):
        yield await packaging.store.get(keys.segment(packaging.plan.generation, name, number))


def index(board: Storyboard, shown: Sequence[Fraction]) -> str:
    """Return the WebVTT index: one cue a tile, whose text names its place (URLs relative to the index).

    `shown` is where each tile begins, in seconds, and where the last one ends.
    """
    lines = ["WEBVTT", ""]
    per_sheet = board.columns * board.rows
    for number, (begin, end) in enumerate(pairwise(shown)):
        row, column = divmod(number % per_sheet, board.columns)
        place = f"{column * board.width},{row * board.height},{board.width},{board.height}"
        lines += [
            f"{_stamp(begin)} --> {_stamp(end)}",
            f"storyboard/{number // per_sheet}.jpg#xywh={place}",
            "",
        ]
    return "\n".join(lines)


def _stamp(seconds: Fraction) -> str:
    milli = round(seconds * 1000)
    return f"{milli // 3_600_000:02}:{milli // 60_000 % 60:02}:{milli // 1000 % 60:02}.{milli % 1000:03}"


async def output(command: Command, spawner: Spawner) -> bytes:
    """Return all that a child writes, up to a bound."""
    body = bytearray()
    async with await spawner.start(command) as child:
        while data := await child.outputs[0].read(1 << 18):
            body += data
            if len(body) > _SHEET:
                raise ChildFailed("pictures take more room than they may")
        await child.wait()
    return bytes(body)


def _split_jpegs(body: bytes) -> list[bytes]:
    """Split JPEGs that lie one behind the other: each begins with SOI behind the EOI of the one before."""
    found = []
    start = 0
    while start < len(body):
        end = body.find(b"\xff\xd9\xff\xd8", start)
        stop = len(body) if end < 0 else end + 2
        found.append(body[start:stop])
        start = stop
    return found
