"""A machine that cannot keep up sheds the top rung and never the broadcast."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from pathlib import Path

import imageio_ffmpeg
import m3u8
import pytest

from tests.flow.on_air import FILM, listed, playlist, publishing, stream, until, whole
from tests.flow.whole_site import processes, running


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an FFmpeg under a name of its own, so that its processes can be told from others."""
    return Path(shutil.copy2(imageio_ffmpeg.get_ffmpeg_exe(), tmp_path_factory.mktemp("program") / "ffmpeg"))


def encoders(program: Path) -> list[int]:
    """Return the pids of live encoders that run."""
    return [
        pid for pid in processes(program) if b"frag_every_frame" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


async def changed(socket) -> dict:
    """Wait for the event that tells of another ladder."""
    async with asyncio.timeout(40):
        while True:
            message = await socket.receive_json()
            if message.get("type") == "ladder.changed":
                return message


async def test_an_encoder_that_lags_is_followed_by_one_with_fewer_rungs(data_dir, clips, program):
    async with running(data_dir, live_rtmp_port=0, ffmpeg=program) as site:
        made = await stream(site)
        root = f"/v/{made['id']}/"
        async with (
            publishing(made["ingest"]["rtmp"], made["key"], clips.make(FILM)),
            site.session.ws_connect(f"{site.base}/control") as control,
        ):
            await control.send_json({"type": "subscribe", "channel": f"stream:{made['id']}"})
            asset = (await until(site, made["id"], "live"))["asset"]
            top, low, *_ = [one["name"] for one in (await site.asset(asset))["rungs"]]
            await listed(site, f"{root}{top}.m3u8", lambda one: len(whole(one)) >= 1)
            (encoder,) = encoders(program)
            os.kill(encoder, signal.SIGSTOP)  # it could not be later
            told = (await changed(control))["data"]
            assert (told["stream"], told["asset"]) == (made["id"], asset)
            assert [rung["name"] for rung in told["before"]][:2] == [top, low]
            assert [rung["name"] for rung in told["after"]] == [rung["name"] for rung in told["before"]][1:]
            begun = (await site.asset(asset))["rungs"]
            assert top not in [one["name"] for one in begun]
            found = await listed(
                site, f"{root}{top}.m3u8", lambda one: len({s.init_section.uri for s in whole(one)}) > 1
            )
        await site.json("POST", f"/api/v1/live/{made['id']}/end")
        final = await playlist(site, f"/v/{asset}/{top}.m3u8")
        main = m3u8.loads((await site.get(f"/v/{asset}/main.m3u8")).decode())
    carriers = [one.uri.split("/")[1] for one in whole(found)]
    assert carriers == sorted(carriers, key=[top, low].index)
    assert set(carriers) == {top, low}
    assert sum(one.discontinuity for one in whole(found)) == 1
    assert [one.uri for one in whole(final)][: len(carriers)] == [one.uri for one in whole(found)]
    assert {one.uri for one in main.playlists} >= {f"{top}.m3u8", f"{low}.m3u8"}
