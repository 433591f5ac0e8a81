"""The publisher inside the server: it moves, it sounds, and it is admitted like any other."""

from __future__ import annotations

import asyncio
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from packager.process import Spawner
from streamer.ingest.door import Ending
from streamer.ingest.errors import KeyUnknown
from streamer.ingest.testcard import TestCard
from tests.encoder import Lobby
from tests.media.reader import frame_hashes_of_file, read_sound_file
from tests.tagged import Judged, pictures


@pytest.fixture
async def spawner():
    async with Spawner(Path(imageio_ffmpeg.get_ffmpeg_exe())) as made:
        yield made


@pytest.mark.parametrize("fonts", [None, ()], ids=["the machine's fonts", "no font"])
async def test_it_moves_and_sounds(spawner, tmp_path, fonts):
    lobby = Lobby("KEY")
    options = {} if fonts is None else {"fonts": fonts}
    card = TestCard(lobby.admit, spawner, seconds=3, **options)
    assert await card.run(await card.admitted("KEY")) is None
    tags = lobby.broadcasts["KEY"][0].tags
    judged = Judged(tags, tmp_path)
    assert len(judged.shown) == len(pictures(tags)) == 75
    assert len(set(frame_hashes_of_file(judged.path))) == 75
    heard = read_sound_file(judged.path)
    assert abs(len(heard.sound) / heard.rate - 3) < 0.1
    assert float(np.abs(heard.sound).max()) > 0.05


async def test_it_goes_on_until_it_is_ended(spawner):
    lobby = Lobby("KEY")
    card = TestCard(lobby.admit, spawner)
    running = asyncio.create_task(card.run(await card.admitted("KEY")))
    broadcast = await lobby.entered("KEY")
    await broadcast.begun.wait()
    card.close()
    async with asyncio.timeout(10):
        assert await running is Ending.STOPPING
    assert broadcast.ended.is_set()


async def test_it_needs_the_key_as_well(spawner):
    with pytest.raises(KeyUnknown):
        await TestCard(Lobby("KEY").admit, spawner).admitted("WRONG")
