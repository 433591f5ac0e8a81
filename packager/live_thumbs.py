"""Pictures of what was broadcast: a poster of one segment, and a storyboard of lives that are over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby

from packager import keys, live_recipe, present, thumbs
from packager.child import Command
from packager.cutter import Cutter, Sample
from packager.errors import BadBoxes, ChildFailed
from packager.life import Aired, Life
from packager.model import Storyboard
from packager.parts import fragment
from packager.plan import VideoRung
from packager.process import Spawner
from packager.sandbox import Limits
from packager.store import Store

_LIMITS = Limits(memory=2 << 30, cpu_seconds=60, wall_seconds=120, nice=10)
_POSTER_SIDE = 720
_TILE_SIDE = 180
_TILES_MOST = 1000
"""Tiles of a storyboard: a longer recording has them further apart."""

_HEAD = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """The first picture of a segment, and where it stands in the broadcast, in seconds from its begin."""

    aired: Aired
    number: int
    begin: Fraction


def poster_rung(life: Life) -> VideoRung:
    """Return the rung that posters are taken of."""
    fitting = (rung for rung in life.video if min(rung.width, rung.height) <= _POSTER_SIDE)
    return next(fitting, life.video[-1])


async def poster(rung: VideoRung, init: bytes, segment: bytes, *, spawner: Spawner) -> bytes:
    """Return a JPEG of a segment. Raise ChildFailed."""
    width, height = _within(rung, _POSTER_SIDE)
    argv = live_recipe.poster(spawner.ffmpeg, width=width, height=height)
    made = await _written(argv, _each(init, segment), spawner)
    if not made.startswith(b"\xff\xd8"):
        raise ChildFailed("there is no picture")
    return made


def tiles(lives: Sequence[Aired]) -> list[Tile]:
    """Return the tiles of lives that are over, the oldest first: one a segment, in a long recording fewer."""
    every: list[Tile] = []
    before = Fraction(0)
    for aired in lives:
        name = aired.life.names[0]
        for number in range(aired.begin, aired.segments):
            since = Fraction(aired.life.border(name, number), aired.life.scale(name)) - aired.started
            every.append(Tile(aired=aired, number=number, begin=before + since))
        before += aired.seconds
    return every[:: -(-len(every) // _TILES_MOST) or 1]


async def recorded_poster(lives: Sequence[Aired], *, store: Store, spawner: Spawner) -> str:
    """Store a poster of a tenth into lives that are over, and return its key.

    It stands under the last one's generation. Raise ChildFailed, KeyMissing.
    """
    every = tiles(lives)
    tile = every[min(len(every) - 1, len(every) // 10 + 1)]
    life, rung = tile.aired.life, poster_rung(tile.aired.life)
    number = min(tile.number, tile.aired.reach[rung.name].segments - 1)
    init = await store.get(keys.init(life.generation, rung.name))
    segment = await store.get(keys.segment(life.generation, rung.name, number))
    key = keys.poster(lives[-1].life.generation)
    await store.put(key, await poster(rung, init, segment, spawner=spawner))
    return key


async def storyboard(lives: Sequence[Aired], *, store: Store, spawner: Spawner) -> str:
    """Store sheets and index of lives that are over, and return the key of the index.

    It stands under the last one's generation. Raise ChildFailed, BadBoxes, KeyMissing.
    """
    shown, generation = tiles(lives), lives[-1].life.generation
    width, height = _within(lives[0].life.video[-1], _TILE_SIDE)
    span = sum((aired.seconds for aired in lives), Fraction(0))
    board = present.sheets(generation, tiles=len(shown), width=width, height=height, span=span)
    per_sheet = board.columns * board.rows
    for number, first in enumerate(range(0, len(shown), per_sheet)):
        sheet = await _sheet(shown[first : first + per_sheet], board, store=store, spawner=spawner)
        await store.put(keys.sprite(generation, number), sheet)
    begins = [*(tile.begin for tile in shown), span]
    key = keys.storyboard(generation)
    await store.put(key, thumbs.index(board, begins).encode())
    return key


async def _sheet(shown: Sequence[Tile], board: Storyboard, *, store: Store, spawner: Spawner) -> bytes:
    """Return one sheet as JPEG. Raise ChildFailed where pictures are missing."""
    pixels = b""
    size = {"width": board.width, "height": board.height}
    for aired, group in groupby(shown, key=lambda tile: tile.aired):
        pictures = _keyframes(aired, [tile.number for tile in group], store)
        pixels += await _written(live_recipe.tiles(spawner.ffmpeg, **size), pictures, spawner)
    if len(pixels) != len(shown) * board.width * board.height * 3 // 2:
        raise ChildFailed("pictures of the storyboard are missing")
    argv = live_recipe.sheet(spawner.ffmpeg, columns=board.columns, rows=board.rows, **size)
    return await _written(argv, _each(pixels), spawner)


async def _written(argv: tuple[str, ...], stdin: AsyncIterator[bytes], spawner: Spawner) -> bytes:
    return await thumbs.output(Command(argv=argv, outputs=1, limits=_LIMITS, stdin=stdin), spawner)


async def _keyframes(aired: Aired, numbers: Sequence[int], store: Store) -> AsyncIterator[bytes]:
    """Yield an init and the first picture of each segment, one frame after the other."""
    life, name = aired.life, aired.life.video[-1].name
    init = await store.get(keys.init(life.generation, name))
    yield init
    last = aired.reach[name].segments - 1
    for place, number in enumerate(numbers):
        sample = await _first(store, keys.segment(life.generation, name, min(number, last)), init)
        step = life.frame_ticks
        moved = Sample(time=place * step, duration=step, sync=True, data=sample.data)
        yield fragment([moved], sequence=place + 1)


async def _first(store: Store, key: str, init: bytes) -> Sample:
    """Return the first sample of a segment, reading no more than it takes. Raise BadBoxes, KeyMissing."""
    cutter = Cutter()
    _drained(cutter.feed(init))
    start, stop = 0, _HEAD
    while body := await store.get(key, start, stop):
        found = next(cutter.feed(body), None)
        if found is not None:
            return found
        if len(body) < stop - start:
            break
        start, stop = stop, 2 * stop
    raise BadBoxes(f"{key} has no picture")


def _drained(samples: Iterator[Sample]) -> None:
    for _ in samples:
        pass


def _within(rung: VideoRung, side: int) -> tuple[int, int]:
    """Return width and height of a rung, even, made smaller where its short side is longer than this."""
    short = min(rung.width, rung.height)
    if short <= side:
        return rung.width, rung.height
    return 2 * round(Fraction(rung.width * side, 2 * short)), 2 * round(
        Fraction(rung.height * side, 2 * short)
    )


async def _each(*bodies: bytes) -> AsyncIterator[bytes]:
    for body in bodies:
        yield body
