"""Look into an uploaded file, inside the sandbox: what it is, its tracks, its frame index. Runs in a child.

Never import this file to call it in the server's process: it runs decoders on bytes from strangers.
"""

from __future__ import annotations

import base64
import importlib
import json
import pkgutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import av
from av.container import InputContainer
from pydantic import TypeAdapter

from packager import formats, tabled, tables, transport
from packager.assembly import Assembly, Found, Inspected, Undecodable, Untabled
from packager.choosing import PIXELS
from packager.errors import BadBoxes, Encrypted, FormatNotAllowed, NothingDecodable, OverLimit, Refused
from packager.model import Source

SCAN_SECONDS = 7.0
STREAMS = 64

SOURCE: TypeAdapter[Source] = TypeAdapter(Source)

# PyAV and numpy import parts of themselves when first used, which the sandbox would forbid.
for _part in ("numpy.ma", *(part.name for part in pkgutil.walk_packages(av.__path__, "av."))):
    if not _part.endswith("__main__"):
        importlib.import_module(_part)

_START = 512 * 1024
_HEAD = 4096
_ROWS = 50_000


def main(arguments: Sequence[str], outputs: Sequence[BinaryIO]) -> None:
    """Inspect the file named first, of which `arguments` 1 bytes will come and `arguments` 2 are there.

    Both are empty for a file that is whole. Write JSON to output 0, the index's arrays to output 1, and the
    rows of tables to output 2.
    """
    found: Found | None = None
    try:
        path = Path(arguments[0])
        size, received = (int(given) if given else path.stat().st_size for given in arguments[1:])
        found = inspect(path, size=size, received=received)
    except Refused as error:
        verdict = refusal(error)
    except MemoryError:
        verdict = refusal(OverLimit("Reading this file takes too much memory."))
    else:
        verdict = {
            "source": json.loads(SOURCE.dump_json(found.source)),
            "tables": [tables.describe(one) for one in found.tables],
        }
        if found.marks is not None:
            verdict["marks"] = base64.b64encode(found.marks.to_bytes()).decode()
    index = found.index if found else None
    if index is not None:
        verdict["index"] = {
            "time_base": [index.time_base.numerator, index.time_base.denominator],
            "complete": index.complete,
            "frames": len(index.times),
        }
        outputs[1].write(index.times.astype("<i8").tobytes())
        outputs[1].write(index.keyframes.astype("<i8").tobytes())
    outputs[1].close()  # whoever reads them takes one after the other, each to its end
    for table in found.tables if found else ():
        for start in range(0, len(table.rows), _ROWS):
            outputs[2].write(table.rows[start : start + _ROWS].tobytes())
    outputs[2].close()
    outputs[0].write(json.dumps(verdict).encode())


def nothing(arguments: Sequence[str], outputs: Sequence[BinaryIO]) -> None:
    """Do nothing: to have this file and PyAV loaded where children are forked from."""


def refusal(error: Refused) -> dict[str, Any]:
    """Return a refusal as JSON values."""
    return {"refused": error.code, "message": error.message, "evidence": error.evidence}


def inspect(path: Path, *, size: int, received: int) -> Found:
    """Return what a file is and when its frames are shown; no Index without video. Raise Refused.

    It will have `size` bytes, of which the first `received` are there, and besides perhaps its end.
    """
    with path.open("rb") as file:
        start = file.read(_START)
    head = start[:_HEAD]
    formats.refuse_posing(head)
    state = Inspected(
        path=path, size=size, received=received, head=head, deadline=time.monotonic() + SCAN_SECONDS
    )
    transport.refuse(start)
    _read_tables(state)
    while True:
        # A video track that does not decode is left out and the rest looked at anew.
        with _open(state) as container:
            refuse_container(container)
            try:
                return Assembly(state, container).source()
            except Untabled:
                state.whole = False
            except Undecodable as failed:
                state.left_out.add(failed.index)
                state.warnings.append(f"Video track {failed.index} cannot be decoded and is left out.")


def refuse_container(container: InputContainer) -> None:
    """Raise Refused for what the container says of itself."""
    if len(container.streams) > STREAMS:
        raise OverLimit(f"The file has {len(container.streams)} streams; the limit is {STREAMS}.")
    # FFmpeg's name for the key of Matroska's ContentEncryption and of ASF and MP4 protection.
    if any(stream.metadata.get("enc_key_id") for stream in container.streams):
        raise Encrypted("The media in this file is encrypted.")


def _read_tables(state: Inspected) -> None:
    """Read an MP4's sample tables; without them the packets are read instead."""
    if state.head[4:8] not in {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid"}:
        return
    try:
        state.tracks, whole = tabled.read_tracks(state.path)
    except BadBoxes:
        return
    state.whole = whole and all(track.simple for track in state.tracks if track.handler in {"vide", "soun"})
    if any(track.protected for track in state.tracks):
        raise Encrypted("The media in this file is encrypted.", evidence="sinf")


OPTIONS = {
    "format_whitelist": ",".join(formats.FORMATS),
    "codec_whitelist": ",".join(formats.CODECS),
    "protocol_whitelist": "file",
    "max_pixels": str(PIXELS),
    "max_streams": "200",
    "threads": "1",
}
"""What FFmpeg may use to open what strangers have sent."""


def _open(state: Inspected) -> InputContainer:
    """Open the file with the allow-lists. Raise Refused."""
    options = dict(OPTIONS)
    if state.whole:
        # FFmpeg rewrites its whole index by the edit list, 20 ms an hour; the times come from our tables.
        options["advanced_editlist"] = "0"
    try:
        return av.open(f"file:{state.path}", options=options)
    except av.error.ArgumentError as error:
        raise FormatNotAllowed("This kind of file is not accepted.", evidence=str(error)) from error
    except av.FFmpegError as error:
        if state.head[4:8] == b"ftyp" and not state.tracks:
            raise NothingDecodable(
                "The file's table of contents (moov) is missing: it seems to have been cut off.",
                evidence=str(error),
            ) from error
        raise NothingDecodable("No media can be found in this file.", evidence=str(error)) from error
