"""`streamer doctor` and `streamer config`: what this machine can do, and what is set."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

import streamer
from packager import live_ladder, trial
from packager.errors import PackagingError
from packager.ladder import Effort
from packager.live_ladder import Offer
from packager.package import encoder_build
from packager.process import Spawner, self_test
from packager.sandbox import tier
from player import bundle
from streamer.config import Config
from streamer.errors import ServerError
from streamer.ffmpeg import find

_MILLION = 1_000_000


async def doctor(config: Config) -> int:
    """Print one line a check; the exit status is 1 where something that is needed is missing."""
    console = Console()
    failed = 0
    async for good, what in _checks(config):
        failed += not good
        console.print(f"{'[green]ok[/green]' if good else '[red]NO[/red]'}  {what}", soft_wrap=True)
    return 1 if failed else 0


async def _checks(config: Config) -> AsyncIterator[tuple[bool, str]]:
    yield True, f"streamer {streamer.__version__} on {os.cpu_count()} cores"
    for check in _still(config):
        yield check
    try:
        async with Spawner(find(config.ffmpeg)) as spawner:
            yield True, f"ffmpeg {await encoder_build(spawner)} at {spawner.ffmpeg}"
            with TemporaryDirectory() as folder:
                faults = await self_test(spawner, Path(folder))
            broken = f"; a child could {', '.join(faults)}" if faults else ""
            yield not faults, f"sandbox: {tier()}{broken}"
            yield True, await _live(config, spawner)
    except (PackagingError, ServerError) as error:
        yield False, str(error)


async def _live(config: Config, spawner: Spawner) -> str:
    """Say what rungs this machine makes of what publishers usually send, and how fast a trial encode was."""
    effort, planned = Effort(preset=config.encode_preset), live_ladder.budget(os.cpu_count() or 1)
    made = []
    for height in (1080, 720):
        offer = Offer(width=height * 16 // 9, height=height, rate=Fraction(30))
        rungs = live_ladder.video_rungs(offer, pixels=planned, effort=effort)
        made.append(f"{height}p30 goes out as {', '.join(rung.name for rung in rungs)}")
    measured = await trial.speed(spawner, effort=effort)
    short = "" if measured >= planned else "; it is slower, and will shed rungs"
    return (
        f"live: {'; '.join(made)}: {planned // _MILLION} million pixels a second at most,"
        f" of {measured // _MILLION} in a trial encode{short}"
    )


def _still(config: Config) -> Iterator[tuple[bool, str]]:
    # Another distribution installs a top-level package of the same name: whose is it that was imported?
    ours = os.path.dirname(streamer.__file__) == os.path.dirname(__file__)  # noqa: PTH120
    yield ours, "the package `streamer` is this one" if ours else f"`streamer` comes from {streamer.__file__}"
    there = bundle().is_dir()
    yield there, "the web player is built" if there else "the web player is missing: reinstall the package"
    webrtc = importlib.util.find_spec("aiortc") is not None
    missing = 'not installed, nobody can publish by WHIP: pip install "streamer[webrtc]"'
    yield True, f"WebRTC: {'aiortc ' + version('aiortc') if webrtc else missing}"
    folder = config.data if config.data.exists() else config.data.parent
    free = shutil.disk_usage(folder).free
    enough = free > config.disk_reserve_bytes
    yield (
        enough,
        f"{free >> 30} GiB free for {config.data}, {config.disk_reserve_bytes >> 30} GiB are kept free",
    )


def settings(config: Config) -> None:
    """Print every setting."""
    table = Table("setting", "value", "meaning")
    for name, field in type(config).model_fields.items():
        table.add_row(f"STREAMER_{name.upper()}", str(getattr(config, name)), field.description or "")
    Console().print(table)
