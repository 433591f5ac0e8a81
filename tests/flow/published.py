"""Publish with the command, look into the bucket as anybody does, and hold uploads back on their way."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import boto3
from aiohttp import web
from yarl import URL

from cdn.policy import POLICIES, classify
from packager.folder import content_etag
from tests.media.clip import FAST, Clip, Sound
from tests.media.timing import constant
from tests.storage import BUCKET, KEY, SECRET, Storage

ROOT = Path(__file__).parents[2]
AS_SENT = ("User-Agent", "Accept", "Accept-Encoding")
CAPTIONS = b"WEBVTT\n\n00:00.000 --> 00:02.000\nHello\n"
FILM = Clip(
    name="published",
    suffix=".mp4",
    timing=constant(10, 8),
    width=128,
    height=72,
    video=(*FAST, "-pix_fmt", "yuv420p", "-g", "20"),
    sounds=(Sound(codec=("-c:a", "aac", "-b:a", "64k")),),
)


async def start(spawn, storage: Storage, *arguments, env=None):
    argv = [sys.executable, "-m", "streamer", *map(str, arguments)]
    quick = {"STREAMER_ENCODE_PRESET": "ultrafast", "STREAMER_DISK_RESERVE_BYTES": "0"}
    return await spawn(
        *argv, env={"PYTHONPATH": str(ROOT), "NO_COLOR": "1", **quick, **storage.env, **(env or {})}
    )


def contents(storage: Storage, prefix: str = "") -> dict[str, dict]:
    """Return every object under a prefix, read as anybody's client does."""
    client = client_of(storage)
    found = {}
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix):
        for one in page.get("Contents", []):
            got = client.get_object(Bucket=BUCKET, Key=one["Key"])
            found[one["Key"].removeprefix(prefix)] = got | {"Bytes": got["Body"].read()}
    client.close()
    return found


def client_of(storage: Storage):
    """Return a client of the tests' own."""
    return boto3.client(
        "s3",
        endpoint_url=storage.endpoint,
        region_name="us-east-1",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
    )


def check_headers(found: Mapping[str, dict], tag: str) -> None:
    """Hold every object to the table of cache rules, its tags and its hash."""
    for key, got in found.items():
        policy = POLICIES[classify(key)]
        assert got["ContentType"] == policy.media_type, key
        assert got["CacheControl"] == policy.cache_control(), key
        kept = {name.lower(): value for name, value in got["Metadata"].items()}
        assert kept["content-hash"] == content_etag(got["Bytes"])
        tags = kept["cache-tag"].split(",")
        assert f"asset-{tag}" in tags
        assert (f"manifests-{tag}" in tags) == key.endswith((".m3u8", ".mpd"))


@dataclass(frozen=True, slots=True)
class Front:
    """An address that leads to a storage: `full` once all that is let through has been, until `free`."""

    url: str
    full: asyncio.Event
    free: asyncio.Event


@contextlib.asynccontextmanager
async def gate(endpoint: str, *, let: int) -> AsyncIterator[Front]:
    """Let so many objects through to a storage, and hold the rest until the front is free."""
    left = let
    full, free = asyncio.Event(), asyncio.Event()

    async def forward(request: web.Request) -> web.Response:
        nonlocal left
        body = await request.read()
        if request.method == "PUT":
            left -= 1
            if left < 0:
                full.set()
                await free.wait()
                raise web.HTTPBadRequest  # which is not tried again
        url = URL(endpoint + request.raw_path, encoded=True)
        async with session.request(
            request.method,
            url,
            headers=request.headers,
            data=body or None,
            skip_auto_headers=AS_SENT,
        ) as answer:
            kept = {k: v for k, v in answer.headers.items() if k in {"ETag", "Content-Type"}}
            return web.Response(status=answer.status, headers=kept, body=await answer.read())

    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{path:.*}", forward)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    async with aiohttp.ClientSession() as session:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield Front(f"http://127.0.0.1:{runner.addresses[0][1]}", full, free)
        finally:
            free.set()
            await runner.cleanup()
