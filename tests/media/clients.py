"""Play a URL with the players of others: ffmpeg, GStreamer, mpv. Each ends within its patience."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
import pytest

PATIENCE = 60.0
STATUS = re.compile(rb"frames shown: (\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What a player did: its exit status, pictures and sounds that came out, and what it printed.

    `hashes` are of each decoded picture in order (none from mpv); None stands where a player does not tell.
    """

    status: int
    frames: int | None
    sounds: int | None
    hashes: tuple[str, ...]
    log: str


def need(tool: str) -> str:
    """Return the path of a program; skip the test by its name where it is missing, or fail under CI=true."""
    path = shutil.which(tool, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{tool} is not installed")
        pytest.skip(f"{tool} is not installed")
    return path


async def _play(
    argv: list[str], patience: float, env: dict[str, str] | None = None
) -> tuple[int, bytes, bytes]:
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(env or {})},
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(patience):
            out, error = await process.communicate()
    except TimeoutError:
        pytest.fail(f"{Path(argv[0]).name} did not end within {patience} s: {argv[-1]}")
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    assert process.returncode is not None
    return process.returncode, out, error


async def ffmpeg(
    url: str, *, select: str = "v:0", options: tuple[str, ...] = (), patience: float = PATIENCE
) -> Played:
    """Decode one stream (`select` as in -map 0:…) with the bundled ffmpeg and hash every frame of it.

    `options` are of the input.
    """
    argv = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-loglevel", "warning"]
    argv += [*options, "-i", url, "-map", f"0:{select}", "-fps_mode", "passthrough"]
    argv = [word for word in argv if not (select.startswith("a") and word in {"-fps_mode", "passthrough"})]
    status, out, error = await _play([*argv, "-f", "framemd5", "-"], patience)
    rows = [line.split(",") for line in out.decode().splitlines() if line and not line.startswith("#")]
    hashes = tuple(row[-1].strip() for row in rows)
    sound = select.startswith("a")
    return Played(
        status=status,
        frames=None if sound else len(rows),
        sounds=len(rows) if sound else None,
        hashes=hashes,
        log=error.decode(errors="replace"),
    )


async def gstreamer(url: str, *, patience: float = PATIENCE) -> Played:
    """Play as fast as possible with playbin3, hashing every picture; `sounds` is bytes of raw sound.

    Not a verbose fakesink: its messages are lost and doubled on a busy machine.
    """
    with tempfile.TemporaryDirectory() as home:
        sound = Path(home) / "sound"
        argv = [need("gst-launch-1.0"), "-q", "playbin3", "video-sink=checksumsink sync=false"]
        argv += [f"audio-sink=filesink location={sound} sync=false", f"uri={url}"]
        status, out, error = await _play(argv, patience, {"HOME": home, "LC_ALL": "C"})
        sounds = sound.stat().st_size if sound.exists() else 0
    rows = [line.split() for line in out.decode(errors="replace").splitlines()]
    hashes = tuple(row[1] for row in rows if len(row) == 2 and row[0].count(":") == 2)
    log = error.decode(errors="replace")
    return Played(status=status, frames=len(hashes), sounds=sounds, hashes=hashes, log=log)


async def mpv(url: str, *, patience: float = PATIENCE) -> Played:
    """Play untimed without output; it ends with 0 even where media is missing: its log is searched too."""
    argv = [need("mpv"), "--no-config", "--vo=null", "--ao=null", "--ao-null-untimed=yes", "--untimed"]
    argv += [
        "--framedrop=no",
        "--term-status-msg=frames shown: ${estimated-frame-number}",
        "--no-input-terminal",
    ]
    with tempfile.TemporaryDirectory() as home:
        status, out, error = await _play([*argv, url], patience, {"HOME": home, "LC_ALL": "C.UTF-8"})
    counts = [int(count) for count in STATUS.findall(out + error)]
    text = (out + error).decode(errors="replace")
    if "[ffmpeg" in text and "error" in text.lower():
        status = status or 1
    return Played(
        status=status, frames=max(counts) + 1 if counts else None, sounds=None, hashes=(), log=text[-3000:]
    )
