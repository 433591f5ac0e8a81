"""`streamer live`: streams are made and listed beside a running server, which ends what is on air."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from packager import keys
from packager.store import DiskStore, Scoped
from streamer.rows import StreamState
from tests import lives
from tests.backend import backend
from tests.flow.whole_site import rows, running


@pytest.fixture
def live(spawn, data_dir):
    """Return what runs the command on the test's data, and its exit status with what it has printed."""

    async def run(*arguments: str) -> tuple[int, str]:
        argv = [sys.executable, "-m", "streamer", "live", *arguments, "--data", str(data_dir)]
        env = {"PYTHONPATH": str(Path(__file__).parents[2]), "NO_COLOR": "1", "COLUMNS": "200"}
        child = await spawn(*argv, env=env)
        return await child.wait(), child.output

    return run


async def test_a_stream_is_made_with_a_key_and_listed_without(live, data_dir):
    status, output = await live("create", "--title", "Evening")
    assert status == 0
    key = next(line for line in output.splitlines() if line.startswith("live_"))
    assert "rtmp://127.0.0.1/live" in output
    async with backend(data_dir, "catalog.sqlite") as back:
        stream = await back.register.by_key(key)
    assert stream.title == "Evening"
    status, output = await live("list")
    assert status == 0
    assert stream.id in output
    assert key not in output


async def test_the_running_server_ends_what_is_on_air(live, data_dir):
    async with running(data_dir) as site:
        port = site.base.rpartition(":")[2]
        status, output = await live("end", "zzzzzzzzzzzz", "--port", port)
        assert (status, "There is no stream" in output) == (1, True)
        made = await site.json("POST", "/api/v1/live", status=201)
        async with backend(data_dir, "catalog.sqlite") as back:  # a broadcast whose encoder is gone
            asset = await back.broadcasts.begin(made["id"])
            lived, store = lives.life(), Scoped(DiskStore(data_dir / "media"), asset.id)
            for name in lived.names:
                await store.put(keys.init(lived.generation, name), lives.init(lived, name))
                await store.put(keys.segment(lived.generation, name, 0), lives.segment(lived, name, 0))
            await back.broadcasts.begin_life(asset.id, lived)
            await back.broadcasts.stand(made["id"], StreamState.LIVE)
        status, output = await live("end", made["id"], "--port", port)
        assert (status, asset.id in output) == (0, True), output
        assert (await site.asset(asset.id))["state"] == "complete"
        assert (await live("end", made["id"], "--port", port))[0] == 1
        assert rows(data_dir, "SELECT count(*) FROM token WHERE revoked IS NULL") == [(0,)]


async def test_without_a_server_nothing_is_ended(live, free_port):
    status, output = await live("end", "zzzzzzzzzzzz", "--port", str(free_port))
    assert (status, "is it running" in output) == (1, True)


async def test_a_stream_made_for_trying_out_shows_a_test_card(live, data_dir):
    async with running(data_dir) as site:
        port = site.base.rpartition(":")[2]
        status, output = await live("create", "--test", "--port", port)
        assert status == 0, output
        (stream,) = (await site.json("GET", "/api/v1/live"))["items"]
        again, _, _ = await site.ask("POST", f"/api/v1/live/{stream['id']}/test")
        assert again == 409
        await site.until((await site.json("GET", f"/api/v1/live/{stream['id']}"))["asset"], "playable")
        ended, output = await live("end", stream["id"], "--port", port)
        assert ended == 0, output
        asset = (await site.json("GET", f"/api/v1/live/{stream['id']}"))["asset"]
        assert (await site.asset(asset))["state"] == "complete"
