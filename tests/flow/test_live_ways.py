"""Ways to publish beside RTMP, through the whole server: on air, ended, and recorded whole."""

from __future__ import annotations

import asyncio
import socket

import imageio_ffmpeg
import pytest

from streamer.ingest.browser import PATH
from tests.flow.test_remux import BROWSER, STREAM
from tests.flow.test_whip import CALL
from tests.flow.whole_site import rows, running
from tests.ports import free_port

LIVE = "/api/v1/live"


@pytest.fixture
def udp_port():
    return free_port(socket.SOCK_DGRAM)


async def created(site, **wish):
    """Make a stream whose broadcasts end as soon as their publisher leaves."""
    return await site.json("POST", LIVE, status=201, json={"reconnect_seconds": 0, **wish})


async def recorded(site, stream):
    """Wait for the recording of a stream, and return it."""
    async with asyncio.timeout(60):
        while (asset := (await site.json("GET", f"{LIVE}/{stream}"))["asset"]) is None:
            await asyncio.sleep(0.05)
    return await site.until(asset, "complete")


async def test_ffmpeg_publishes_over_webrtc(data_dir, clips, spawn):
    async with running(data_dir) as site:
        made = await created(site)
        child = await spawn(
            *(imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "warning", "-re"),
            *("-i", clips.make(CALL), "-c", "copy", "-f", "whip"),
            *("-authorization", made["key"], made["ingest"]["whip"]),
        )
        assert await child.wait() == 0, child.output
        asset = await recorded(site, made["id"])
        assert 5 < asset["duration"] < 8
        assert set(await site.urls(asset["id"])) >= {"180p", "audio-0"}


async def test_a_browser_publishes_over_the_websocket(data_dir, clips):
    body = clips.make(BROWSER).read_bytes()
    async with running(data_dir) as site:
        made = await created(site)
        async with site.session.ws_connect(site.base + PATH) as socket:
            await socket.send_json({"type": "publish", "key": "live_wrong"})
            assert (await socket.receive_json(timeout=10))["type"] == "refused"
        async with site.session.ws_connect(site.base + PATH) as socket:
            await socket.send_json({"type": "publish", "key": made["key"]})
            assert await socket.receive_json(timeout=10) == {"type": "admitted"}
            for at in range(0, len(body), 10_000):
                await socket.send_bytes(body[at : at + 10_000])
                await asyncio.sleep(6 * 10_000 / len(body))  # at the pace at which it was recorded
        asset = await recorded(site, made["id"])
        assert 5 < asset["duration"] < 8
        assert set(await site.urls(asset["id"])) >= {"180p", "audio-0"}


async def test_ffmpeg_publishes_over_srt(data_dir, clips, spawn, udp_port):
    async with running(data_dir, live_srt_port_first=udp_port, live_srt_port_count=1) as site:
        made = await created(site)
        address = made["ingest"]["srt"]
        async with asyncio.timeout(60):
            while True:  # a listener takes a moment to come up
                child = await spawn(
                    *(imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-re"),
                    *("-i", clips.make(STREAM), "-c", "copy", "-f", "mpegts", address + "&pkt_size=1316"),
                )
                if await child.wait() == 0:
                    break
        asset = await recorded(site, made["id"])
        assert 5 < asset["duration"] < 8
        assert set(await site.urls(asset["id"])) >= {"180p", "audio-0"}


async def test_the_passphrase_of_srt_is_shown_to_administrators_alone(data_dir, udp_port):
    async with running(data_dir, live_srt_port_first=udp_port) as site:
        repeated = {"headers": {"Idempotency-Key": "k1"}}
        made = await site.json("POST", LIVE, status=201, **repeated)
        phrase = made["ingest"]["srt"].partition("passphrase=")[2].partition("&")[0]
        assert f":{udp_port}?" in made["ingest"]["srt"]
        assert (await site.json("POST", LIVE, status=201, **repeated))["ingest"] == made["ingest"]
        one = f"{LIVE}/{made['id']}"
        assert (await site.json("GET", one))["ingest"] == made["ingest"]
        proxied = {"headers": {"X-Forwarded-For": "192.0.2.1"}}
        assert "srt" not in (await site.json("GET", one, **proxied))["ingest"]
        assert phrase not in str(rows(data_dir, "SELECT * FROM idempotency"))
        rotated = await site.json("POST", f"{one}/key")
        assert rotated["ingest"]["srt"] != made["ingest"]["srt"]


async def test_pages_of_other_sites_may_not_publish(data_dir):
    async with running(data_dir) as site:
        foreign = {"Origin": "https://evil.example"}
        for method, path in (("GET", PATH), ("POST", "/whip")):
            upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"} if method == "GET" else {}
            assert (await site.ask(method, path, headers={**foreign, **upgrade}))[0] == 403
