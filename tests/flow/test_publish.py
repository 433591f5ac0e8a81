"""`streamer publish`: what is in the bucket is what the origin serves, whatever interrupts it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.flow.published import CAPTIONS, FILM, ROOT, check_headers, contents, gate, start
from tests.flow.whole_site import API, running
from tests.media import clients
from tests.storage import BUCKET, rclone


@pytest.fixture
def storage(tmp_path):
    with rclone(tmp_path / "buckets") as server:
        yield server


@pytest.fixture
def command(spawn, storage):
    """Return what runs a command to its end and gives its JSON lines, and their last one."""

    async def run(*arguments: str | Path, status: int = 0, env: Mapping[str, str] | None = None):
        child = await start(spawn, storage, *arguments, env=env)
        assert await child.wait() == status, child.output
        return [json.loads(line) if line.startswith("{") else line for line in child.lines]

    return run


@pytest.fixture(scope="module")
def folder(clips, tmp_path_factory):
    """Return a packaged folder."""
    out = tmp_path_factory.mktemp("packaged") / "out"
    argv = [sys.executable, "-m", "streamer", "package", clips.make(FILM), out, "--preset", "ultrafast"]
    subprocess.run(argv, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    return out


@pytest.mark.parametrize("copy", [False, True])
async def test_a_bucket_has_byte_for_byte_what_the_origin_serves(copy, clips, tmp_path, storage, command):
    data_dir = tmp_path / "data"
    async with running(data_dir, encode_copy=copy) as site:
        asset = (await site.post(clips.make(FILM)))["id"]
        await site.json("PUT", f"{API}/{asset}/captions/en?label=English", data=CAPTIONS)
        # The command waits for the server to complete it.
        said = await command("publish", asset, f"s3://{BUCKET}/vod", "--data", data_dir, "--json")
        assert said[-1]["type"] == "published"
        found = contents(storage, f"vod/{asset}/")
        assert len(found) == said[-1]["objects"] == said[-1]["uploaded"]
        check_headers(found, asset)
        for key, got in found.items():
            status, headers, body = await site.ask(
                "GET", f"/v/{asset}/{key}", headers={"Accept-Encoding": ""}
            )
            assert (status, body) == (200, got["Bytes"]), key
            assert headers["Cache-Control"] == got["CacheControl"]
            assert headers["Content-Type"] == got["ContentType"]
        named = set(await site.bodies(asset)) | {f"/v/{asset}/{name}" for name in await site.manifests(asset)}
        assert {path.removeprefix(f"/v/{asset}/") for path in named} <= set(found)
        shown = await site.asset(asset)
        assert {shown[name].removeprefix(f"/v/{asset}/") for name in ("poster", "storyboard")} <= set(found)
        again = await command("publish", asset, f"s3://{BUCKET}/vod", "--data", data_dir, "--json")
        assert again[-1]["uploaded"] == 0
        origin = await clients.ffmpeg(f"{site.base}/v/{asset}/main.m3u8")
    with rclone(tmp_path / "buckets", secret=False) as open_to_all:
        bucket = await clients.ffmpeg(f"{open_to_all.endpoint}/{BUCKET}/vod/{asset}/main.m3u8")
    assert replace(bucket, log="") == origin  # only rclone as it was started first knows media types


async def test_a_folder_is_published_once_and_withdrawn_alone(folder, storage, command):
    first = await command("publish", folder, f"s3://{BUCKET}/a/trailer", "--json")
    assert first[0]["type"] == "listing"
    done = first[-1]
    assert (done["uploaded"], done["place"]) == (done["objects"], f"s3://{BUCKET}/a/trailer")
    order = [line["key"] for line in first if line["type"] == "object"]
    manifests = [key for key in order if "/" not in key]
    assert order[-len(manifests) :] == manifests
    assert manifests[-2:] == ["main.mpd", "main.m3u8"]
    found = contents(storage, "a/trailer/")
    assert {key: got["Bytes"] for key, got in found.items()} == {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
    check_headers(found, "trailer")
    again = (await command("publish", folder, f"s3://{BUCKET}/a/trailer", "--json"))[-1]
    assert (again["uploaded"], again["uploaded_bytes"], again["bytes"]) == (0, 0, done["bytes"])

    await command("publish", folder, f"s3://{BUCKET}/a/other")
    gone = await command("unpublish", folder, f"s3://{BUCKET}/a/trailer", "--json")
    assert gone[-1] == {
        "type": "unpublished",
        "place": f"s3://{BUCKET}/a/trailer",
        "objects": done["objects"],
    }
    assert gone[0]["objects"] == 2
    assert contents(storage, "a/trailer/") == {}
    assert len(contents(storage, "a/other/")) == done["objects"]


async def test_what_differs_is_written_again_and_nothing_else(folder, storage, command, tmp_path):
    await command("publish", folder, f"s3://{BUCKET}/trailer")
    spoilt = next((tmp_path / "buckets" / BUCKET / "trailer").rglob("1.m4s"))
    body = spoilt.read_bytes()
    spoilt.write_bytes(body[:-1] + bytes([body[-1] ^ 1]))
    again = await command("publish", folder, f"s3://{BUCKET}/trailer", "--json")
    uploaded = [line["key"] for line in again if line["type"] == "object" and line["uploaded"]]
    assert uploaded == [spoilt.relative_to(tmp_path / "buckets" / BUCKET / "trailer").as_posix()]
    assert spoilt.read_bytes() == body


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
async def test_an_interrupted_upload_goes_on_where_it_stopped(how, folder, storage, command, spawn):
    arguments = ("publish", folder, f"s3://{BUCKET}/trailer", "--json")
    async with gate(storage.endpoint, let=9) as front:
        child = await start(spawn, replace(storage, endpoint=front.url), *arguments)
        await front.full.wait()
        assert not [key for key in contents(storage, "trailer/") if "/" not in key]
        child.signal(how)
        front.free.set()
        assert await child.wait() == (130 if how == signal.SIGINT else -signal.SIGKILL)
    there = contents(storage, "trailer/")
    assert there
    done = (await command(*arguments))[-1]
    assert done["uploaded"] == done["objects"] - len(there)
    assert (await command(*arguments))[-1]["uploaded"] == 0
    assert len(contents(storage, "trailer/")) == done["objects"]


async def test_watched_assets_are_refused_or_completed(clips, data_dir, storage, command):
    async with running(data_dir, fill="watched") as site:
        asset, other = [(await site.post(clips.make(FILM)))["id"] for _ in range(2)]
        for one in (asset, other):
            await site.until(one, "playable")
        said = await command("publish", asset, f"s3://{BUCKET}", "--data", data_dir, status=1)
        assert len(said) == 1
        assert "complete" in said[0]
        port = site.base.rpartition(":")[2]
        wish = ("publish", other, f"s3://{BUCKET}", "--data", data_dir, "--complete", "--json")
        said = await command(*wish, "--port", port)
        assert said[-1]["objects"] == len(contents(storage, f"{other}/"))
        assert (await site.asset(other))["fill"] == "full"
    # No server runs: the command makes what is missing by itself.
    said = await command("publish", asset, f"s3://{BUCKET}", "--data", data_dir, "--complete", "--json")
    assert {"making", "listing", "object", "published"} == {line["type"] for line in said}
    assert said[-1]["objects"] == len(contents(storage, f"{asset}/"))


async def test_a_terminal_shows_a_bar_and_then_where_it_is(folder, storage, command):
    argv = [sys.executable, "-m", "streamer", "publish", str(folder), f"s3://{BUCKET}/trailer"]
    main, terminal = pty.openpty()
    env = {**os.environ, **storage.env, "TERM": "xterm", "COLUMNS": "120"}
    process = await asyncio.create_subprocess_exec(*argv, cwd=ROOT, env=env, stdout=terminal, stderr=terminal)
    os.close(terminal)
    with os.fdopen(main, "rb", buffering=0) as shown:
        text = await asyncio.to_thread(read_all, shown)
    assert await process.wait() == 0
    bar, _, end = text.partition("published ")
    assert "publishing" in bar
    assert f"s3://{BUCKET}/trailer/main.m3u8" in end
    assert "publishing" not in end


def read_all(terminal) -> str:
    """Return all that comes until the other side is closed, which a terminal tells by an error."""
    found = b""
    with contextlib.suppress(OSError):
        while piece := terminal.read(65536):
            found += piece
    return found.decode()


@pytest.mark.parametrize(
    ("destination", "env", "told"),
    [
        ("nobucket", {}, "neither s3://"),
        (f"s3://{BUCKET}/x", {"AWS_SECRET_ACCESS_KEY": "another"}, "refuses access"),
    ],
)
async def test_a_failure_is_one_clear_line(destination, env, told, folder, command):
    said = await command("publish", folder, destination, status=1, env=env)
    assert len(said) == 1
    assert said[0].startswith("error: ")
    assert told in said[0]
