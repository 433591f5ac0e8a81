"""Ask what an uploaded file is, without touching its bytes here: a sandboxed child does the looking."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from pydantic import TypeAdapter, ValidationError

from packager import errors
from packager.child import Child, Command
from packager.errors import ChildFailed, ChildTimeout, OverLimit, Refused
from packager.index import Index
from packager.model import Source
from packager.process import Spawner
from packager.sandbox import Limits
from packager.spawner import CANNOT_START

Probed: TypeAlias = tuple[Source, Index | None]

LIMITS = Limits(memory=1 << 30, cpu_seconds=10, wall_seconds=10, nice=2)

_VERDICT = 4 << 20
_ARRAYS = 200 << 20
_SOURCE: TypeAdapter[Source] = TypeAdapter(Source)
_REFUSALS = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.Refused)
}


async def probe(spawner: Spawner, path: Path) -> Probed:
    """Return what the file at an absolute path is and, where it has video, when its frames are shown.

    Every verdict comes within 10 s and 1 GiB. Raise Refused with the cause, and ChildFailed only where no
    child could be run at all.
    """
    command = Command(
        function="packager.inspection:main", argv=(str(path),), outputs=2, limits=LIMITS, readable=(path,)
    )
    try:
        async with await spawner.start(command) as child:
            arrays = await _read(child, 1, _ARRAYS)
            verdict = await _read(child, 0, _VERDICT)
            await child.wait()
    except ChildTimeout as error:
        raise OverLimit("Reading this file takes more than 10 seconds.", evidence=error.evidence) from error
    except ChildFailed as error:
        if error.status in {None, CANNOT_START}:
            raise
        raise Refused("Reading this file fails.", evidence=f"{error.message}\n{error.evidence}") from error
    return _verdict(verdict, arrays)


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


def _verdict(raw: bytes, arrays: bytes) -> Probed:
    """Return what the child found, or raise the refusal it decided on. The child is not trusted."""
    try:
        said = json.loads(raw)
        if "refused" in said:
            kind = _REFUSALS.get(said["refused"], Refused)
            raise kind(str(said["message"]), evidence=str(said.get("evidence", "")))
        source = _SOURCE.validate_python(said["source"])
        index = None if "index" not in said else _index(said["index"], arrays)
    except (ValueError, KeyError, TypeError, ValidationError, ZeroDivisionError) as error:
        raise Refused("Reading this file fails.", evidence=repr(error)) from error
    if (source.video is None) != (index is None):
        raise Refused("Reading this file fails.", evidence="an index without video, or the reverse")
    return source, index


def _index(said: dict[str, Any], arrays: bytes) -> Index:
    """Return the index of which `arrays` holds frame times, then keyframes."""
    numbers = np.frombuffer(arrays, "<i8").astype(np.int64)
    frames = int(said["frames"])
    times, keyframes = numbers[:frames], numbers[frames:]
    if not 0 < len(times) == frames or (np.diff(times) <= 0).any() or (np.diff(keyframes) <= 0).any():
        raise ValueError("the index is not sorted")
    base = Fraction(int(said["time_base"][0]), int(said["time_base"][1]))
    return Index(time_base=base, times=times, keyframes=keyframes, complete=bool(said["complete"]))
