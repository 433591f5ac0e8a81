"""Encoders of one machine take turns: real ones, stopped in their tracks and let go on."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import imageio_ffmpeg
import pytest

from packager.child import Child, Command
from packager.engine import Urgency
from packager.errors import ChildTimeout
from packager.precedence import Precedence
from packager.process import Spawner
from packager.sandbox import Limits
from tests.flow.whole_site import settle

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
QUIET = (FFMPEG, "-hide_banner", "-nostats", "-loglevel", "error")
_CAP_SYS_NICE = 23
ENDLESS = (*QUIET, "-f", "lavfi", "-i", "testsrc=s=64x64", "-f", "null", "-")


@pytest.fixture
async def spawner() -> AsyncIterator[Spawner]:
    async with Spawner(Path(FFMPEG)) as running:
        yield running


def endless(*, wall_seconds: float | None = 60) -> Command:
    """Return an encode without an end."""
    return Command(argv=ENDLESS, limits=Limits(memory=2 << 30, cpu_seconds=60, wall_seconds=wall_seconds))


def state(child: Child) -> str:
    """Return the letter of proc(5) for what a process does: T is stopped."""
    return Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0]


def goes(child: Child) -> bool:
    return state(child) in {"R", "S", "D"}


def stands(child: Child) -> bool:
    return state(child) == "T"


def nice(child: Child) -> set[int]:
    """Return the niceness of a process's threads."""
    tasks = Path(f"/proc/{child.pid}/task").iterdir()
    return {os.getpriority(os.PRIO_PROCESS, int(task.name)) for task in tasks}


def may_renice() -> bool:
    """Say whether this process may take niceness back (capabilities(7))."""
    status = Path("/proc/self/status").read_text()
    return bool(int(status.partition("CapEff:")[2].split()[0], 16) >> _CAP_SYS_NICE & 1)


@asynccontextmanager
async def encoding(precedence: Precedence, run: str, urgency: Urgency) -> AsyncIterator[Child]:
    async with precedence.turn(run, urgency) as turn, await turn.start(endless()) as child:
        yield child


async def test_what_is_least_urgent_stops_until_nobody_waits(spawner):
    precedence = Precedence(spawner, slots=2)
    async with (
        encoding(precedence, "fill", Urgency.FILL) as fill,
        encoding(precedence, "soon", Urgency.SOON) as soon,
    ):
        async with encoding(precedence, "now", Urgency.NOW) as now:
            await settle(lambda: stands(fill))
            assert goes(soon)  # beside one that is waited for there is a processor for another
            async with encoding(precedence, "too", Urgency.NOW) as too:
                await settle(lambda: stands(soon))
                assert goes(now)
                assert goes(too)
            await settle(lambda: goes(soon))
            assert stands(fill)
        await settle(lambda: goes(fill))


async def test_who_is_waited_for_may_change(spawner):
    precedence = Precedence(spawner, slots=1)
    async with (
        encoding(precedence, "one", Urgency.NOW) as one,
        encoding(precedence, "two", Urgency.NOW) as two,
    ):
        precedence.rank("one", Urgency.FILL)
        await settle(lambda: stands(one))
        precedence.rank("one", Urgency.NOW)
        await settle(lambda: goes(one))
        precedence.rank("two", Urgency.SOON)
        await settle(lambda: stands(two))
        precedence.rank("one", Urgency.FILL)
        await settle(lambda: goes(two) and goes(one))


@pytest.mark.skipif(not may_renice(), reason="takes CAP_SYS_NICE")
async def test_what_somebody_comes_to_wait_for_gives_way_to_nobody(spawner):
    precedence = Precedence(spawner, slots=1)
    async with encoding(precedence, "one", Urgency.FILL) as one:
        await settle(lambda: nice(one) == {12})
        precedence.rank("one", Urgency.NOW)
        await settle(lambda: nice(one) == {0})
        assert goes(one)


async def test_what_is_to_begin_waits_without_an_encoder_and_may_be_given_up(spawner):
    precedence = Precedence(spawner, slots=1)

    async def begin() -> None:
        async with precedence.turn("fill", Urgency.FILL):
            pass

    async with precedence.turn("now", Urgency.NOW):
        given_up, waiting = (asyncio.create_task(begin()) for _ in range(2))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        assert not waiting.done()
    await waiting


async def test_its_time_does_not_run_out_while_it_stands(spawner):
    async with await spawner.start(endless(wall_seconds=0.3)) as child:
        child.pause()
        async with await spawner.start(endless(wall_seconds=0.6)) as other:
            with pytest.raises(ChildTimeout):
                await other.wait()
        assert stands(child)
        child.resume()
        with pytest.raises(ChildTimeout):
            await child.wait()


@pytest.mark.parametrize("grace", [0.5, 0])
async def test_what_stands_can_be_ended(spawner, grace):
    async with await spawner.start(endless()) as child:
        child.pause()
        await settle(lambda: stands(child))
        async with asyncio.timeout(5):
            await child.stop(grace=grace)
    assert not Path(f"/proc/{child.pid}").exists()


async def test_what_stands_ends_with_the_spawner():
    async with Spawner(Path(FFMPEG)) as spawner:
        child = await spawner.start(endless())
        child.pause()
        await settle(lambda: stands(child))
    assert not Path(f"/proc/{child.pid}").exists()


async def test_what_somebody_else_has_stopped_is_theirs_to_continue(spawner):
    async with await spawner.start(endless()) as child:
        os.kill(child.pid, signal.SIGSTOP)
        await settle(lambda: stands(child))
        child.pause()
        child.resume()
        await spawner.start(Command(argv=(FFMPEG, "-version"), limits=Limits(memory=2 << 30)))
        assert stands(child)  # the spawner has had the signals: it takes one request after the other
        os.kill(child.pid, signal.SIGCONT)
        await settle(lambda: goes(child))
