"""Draw what can be read back: a frame number in every picture, a flash and a beep at each whole second.

A picture holds a grid of 6 by 3 cells over its upper three quarters: cell 0 is white and cell 17 black (the
sync cells), the 16 between carry the number, most significant bit first. The lower quarter is a dark moving
ramp, and white in the frame that shows a whole second. Cells are wide enough to survive 144 lines and x264.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

COLUMNS = 6
ROWS = 3
BLACK = 16
WHITE = 235
BEEP = Fraction(1, 20)

Picture = NDArray[np.uint8]
Samples = NDArray[np.float32]


def _edges(count: int, length: int) -> list[int]:
    return [round(length * place / count) for place in range(count + 1)]


def _places(count: int, length: int) -> NDArray[np.intp]:
    edges = _edges(count, length)
    return np.repeat(np.arange(count), [b - a for a, b in pairwise(edges)])


def draw(number: int, *, width: int, height: int, flash: bool = False, white: int = WHITE) -> Picture:
    """Draw `number` (0 to 65535) as a grey picture of luma levels BLACK to `white`."""
    bits = [1, *((number >> place) & 1 for place in range(15, -1, -1)), 0]
    levels = np.where(np.array(bits).reshape(ROWS, COLUMNS) == 1, white, BLACK).astype(np.uint8)
    band = height * 3 // 4
    picture = np.empty((height, width), np.uint8)
    picture[:band] = levels[_places(ROWS, band)][:, _places(COLUMNS, width)]
    ramp = 20 + (np.arange(width) + 5 * number) % 48
    picture[band:] = white if flash else ramp
    return picture


def _cell(luma: NDArray[np.generic], place: int) -> float:
    height, width = luma.shape
    ys, xs = _edges(ROWS, height * 3 // 4), _edges(COLUMNS, width)
    row, column = divmod(place, COLUMNS)
    tall, wide = ys[row + 1] - ys[row], xs[column + 1] - xs[column]
    middle = luma[
        ys[row] + tall // 4 : ys[row + 1] - tall // 4,
        xs[column] + wide // 4 : xs[column + 1] - wide // 4,
    ]
    return float(middle.mean())


def read(luma: NDArray[np.generic]) -> int | None:
    """Read the number in a luma plane; None where the picture is not one of ours or a cell is ambiguous."""
    cells = [_cell(luma, place) for place in range(COLUMNS * ROWS)]
    white, black = cells[0], cells[-1]
    if white - black < 60:
        return None
    number = 0
    for level in cells[1:-1]:
        share = (level - black) / (white - black)
        if 0.3 < share < 0.7 or not -0.3 < share < 1.3:
            return None
        number = number << 1 | (share >= 0.7)
    return number


def flashes(luma: NDArray[np.generic]) -> bool:
    """Say whether the lower strip is white. Meaningful only where `read` gives a number."""
    strip = luma[luma.shape[0] * 7 // 8 :]
    return float(strip.mean()) > (_cell(luma, 0) + _cell(luma, 17)) / 2


def beeps(*, start: Fraction, seconds: Fraction, rate: int, tone: int = 1000, loud: float = 0.5) -> Samples:
    """Return `seconds` of mono sound heard from `start` on, with a beep at each whole second.

    The first sample of a beep is exactly at its second (or, where `start` is no multiple of a sample, the
    first sample not before it). A second that is the very start has none: an encoder's first frame smears it.
    """
    sound = np.zeros(int(seconds * rate), np.float32)
    length = int(BEEP * rate)
    wave = (loud * np.sin(2 * np.pi * tone * np.arange(length) / rate)).astype(np.float32)
    for second in range(int(start), int(start + seconds) + 1):
        first = -int(-(second - start) * rate // 1)
        if first > 0:
            piece = wave[: max(0, len(sound) - first)]
            sound[first : first + len(piece)] = piece
    return sound


def sweep(*, seconds: int, rate: int, loud: float = 0.5) -> Samples:
    """Return a logarithmic sine sweep from 50 Hz to 8 kHz: every click at a joint shows against it."""
    time = np.arange(seconds * rate) / rate
    growth = np.log(8000 / 50)
    phase = 2 * np.pi * 50 * seconds / growth * (np.exp(time * growth / seconds) - 1)
    return np.asarray(loud * np.sin(phase), np.float32)
