"""Ask what an uploaded file is, without touching its bytes here: a sandboxed child does the looking."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from packager import errors
from packager.child import Child, Command
from packager.errors import ChildFailed, ChildTimeout, OverLimit, Refused, StoreFailed
from packager.index import Index
from packager.marks import Marks
from packager.model import Source
from packager.process import Spawner
from packager.sandbox import Limits
from packager.spawner import CANNOT_START
from packager.tables import Tables, footer


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What a file is. `index` is there where it has video, tables where its container has any."""

    source: Source
    index: Index | None
    tables: Tables


LIMITS = Limits(memory=1 << 30, cpu_seconds=10, wall_seconds=10, nice=2)

_VERDICT = 4 << 20
_ARRAYS = 200 << 20
_ROWS = 600 << 20
_SOURCE: TypeAdapter[Source] = TypeAdapter(Source)
_REFUSALS = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.Refused)
}


async def prepare(spawner: Spawner) -> None:
    """Have loaded what a probe needs: the first one after a start would wait most of a second for it."""
    command = Command(function="packager.inspection:nothing", argv=(), limits=LIMITS)
    with suppress(ChildFailed):  # the first probe will say so
        async with await spawner.start(command) as child:
            await child.wait()


async def probe(
    spawner: Spawner,
    path: Path,
    *,
    into: Path | None = None,
    size: int | None = None,
    received: int | None = None,
) -> Probed:
    """Return what the file at an absolute path is, and when its frames are shown and where they lie.

    Its tables are written to the file `into`; without it there are none. Of a file that is still growing
    `size` is what it will have, and `received` how many of its first bytes are there.

    Every verdict comes within 10 s and 1 GiB. Raise Refused with the cause, and ChildFailed only where no
    child could be run at all.
    """
    arguments = (str(path), *("" if known is None else str(known) for known in (size, received)))
    command = Command(
        function="packager.inspection:main", argv=arguments, outputs=3, limits=LIMITS, readable=(path,)
    )
    try:
        async with await spawner.start(command) as child:
            arrays = await _read(child, 1, _ARRAYS)
            await _spool(child, 2, into)
            verdict = await _read(child, 0, _VERDICT)
            await child.wait()
    except ChildTimeout as error:
        raise OverLimit("Reading this file takes more than 10 seconds.", evidence=error.evidence) from error
    except ChildFailed as error:
        if error.status in {None, CANNOT_START}:
            raise
        raise Refused("Reading this file fails.", evidence=f"{error.message}\n{error.evidence}") from error
    source, index, described, marks = _verdict(verdict, arrays)
    tables = await asyncio.to_thread(_ended, into, described, marks)
    return Probed(source=source, index=index, tables=tables)


async def _spool(child: Child, output: int, into: Path | None) -> None:
    """Write an output to a file as it comes."""
    size = 0
    with into.open("wb") if into else nullcontext() as file:
        while block := await child.outputs[output].read(1 << 20):
            size += len(block)
            if size > _ROWS:
                raise Refused("Reading this file fails.", evidence=f"more than {_ROWS} bytes of tables")
            if file is not None:
                await asyncio.to_thread(file.write, block)


def _ended(into: Path | None, described: list[Any], marks: Marks | None) -> Tables:
    """End the file of tables with what they are, and map it."""
    if into is None:
        return Tables({}, marks)
    try:
        with into.open("ab") as file:
            file.write(footer(described, marks.to_bytes() if marks else b""))
            file.flush()
            os.fsync(file.fileno())
        return Tables.open(into)
    except OSError as error:
        raise StoreFailed("The tables of a source cannot be written.", evidence=repr(error)) from error


async def _read(child: Child, output: int, most: int) -> bytes:
    """Read an output to its end; a child that says too much has been taken over."""
    blocks: list[bytes] = []
    size = 0
    while block := await child.outputs[output].read(1 << 20):
        size += len(block)
        if size > most:
            raise Refused("Reading this file fails.", evidence=f"more than {most} bytes of output")
        blocks.append(block)
    return b"".join(blocks)


def _verdict(raw: bytes, arrays: bytes) -> tuple[Source, Index | None, list[Any], Marks | None]:
    """Return what the child found, or raise the refusal it decided on. The child is not trusted."""
    try:
        said = json.loads(raw)
        if "refused" in said:
            raise refusal(said)
        source = _SOURCE.validate_python(said["source"])
        index = None if "index" not in said else _index(said["index"], arrays)
        described = list(said["tables"])
        marks = Marks.from_bytes(base64.b64decode(said["marks"])) if "marks" in said else None
    except (ValueError, KeyError, TypeError, ValidationError, ZeroDivisionError) as error:
        raise Refused("Reading this file fails.", evidence=repr(error)) from error
    if (source.video is None) != (index is None):
        raise Refused("Reading this file fails.", evidence="an index without video, or the reverse")
    return source, index, described, marks


def refusal(said: dict[str, Any]) -> Refused:
    """Return the refusal that a child decided on."""
    kind = _REFUSALS.get(said["refused"], Refused)
    return kind(str(said["message"]), evidence=str(said.get("evidence", "")))


def _index(said: dict[str, Any], arrays: bytes) -> Index:
    """Return the index of which `arrays` holds frame times, then keyframes."""
    numbers = np.frombuffer(arrays, "<i8").astype(np.int64)
    frames = int(said["frames"])
    times, keyframes = numbers[:frames], numbers[frames:]
    if not 0 < len(times) == frames or (np.diff(times) <= 0).any() or (np.diff(keyframes) <= 0).any():
        raise ValueError("the index is not sorted")
    base = Fraction(int(said["time_base"][0]), int(said["time_base"][1]))
    return Index(time_base=base, times=times, keyframes=keyframes, complete=bool(said["complete"]))
