"""The trial encode, and what `streamer doctor` says of live."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import imageio_ffmpeg

from packager import trial
from packager.ladder import Effort
from packager.process import Spawner


async def test_a_trial_tells_a_fast_preset_from_a_slow_one():
    async with Spawner(Path(imageio_ffmpeg.get_ffmpeg_exe())) as spawner:
        fast = await trial.speed(spawner, effort=Effort(preset="ultrafast"))
        slow = await trial.speed(spawner, effort=Effort(preset="medium"))
    assert 1_000_000 < slow < fast < (os.cpu_count() or 1) * 2_000_000_000


async def test_the_doctor_says_what_goes_out_of_what_comes_in(spawn, data_dir):
    child = await spawn(sys.executable, "-m", "streamer", "doctor", "--data", data_dir)
    said = await child.says("live: 1080p30 goes out as ")
    assert "720p30 goes out as " in said
    assert "million pixels a second" in said
    assert await child.wait() == 0
