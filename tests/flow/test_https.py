"""The server with a certificate of its own, and behind proxies that it trusts."""

from __future__ import annotations

import asyncio
import ssl
import sys
from pathlib import Path

import aiohttp

from streamer.origin import SMALL
from tests.browser.site import serving
from tests.flow.whole_site import Client, running
from tests.media.certificate import certificate

SAMPLE = Path(__file__).parents[2] / "samples/bbb-480p-30s.mp4"


async def test_the_same_over_tls(data_dir, tmp_path):
    shown, key = await asyncio.to_thread(certificate, tmp_path)
    settings = {"https_port": "0", "tls_certificate": str(shown), "tls_key": str(key)}
    async with serving(data_dir, **settings) as site:
        line = await site.child.says("https://")
        address = line[line.index("https://") :]
        context = ssl.create_default_context(cafile=shown)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
            asset = await site.upload(SAMPLE)
            await site.until(asset, "playable", "complete")
            plain, secure = Client(session, site.base), Client(session, address)
            firsts = [listed[0] for listed in (await secure.urls(asset)).values()][:2]
            bodies = [await secure.get(path) for path in firsts]
            assert max(map(len, bodies)) > SMALL
            assert [await plain.get(path) for path in firsts] == bodies
            assert await plain.get("/") == await secure.get("/")
            async with session.ws_connect(f"{address}/control") as socket:
                await socket.send_json({"type": "subscribe", "channel": f"asset:{asset}"})
                assert (await socket.receive_json())["type"] == "subscribed"


async def test_without_a_certificate_there_is_no_https(data_dir, spawn):
    argv = (sys.executable, "-m", "streamer", "serve", "--port", "0", "--data", data_dir)
    child = await spawn(*argv, env={"STREAMER_HTTPS_PORT": "0", "STREAMER_LIVE_RTMP_PORT": "off"})
    assert await child.wait() == 1
    assert "https_port needs tls_certificate and tls_key." in child.output


async def test_wrong_tokens_are_counted_by_who_sends_them(data_dir):
    """Behind a trusted proxy one guesser does not lock out the others."""
    async with running(data_dir, trusted_proxies=("127.0.0.1/32",)) as site:

        async def guess(address: str) -> int:
            sent = {"Authorization": "Bearer guess", "X-Forwarded-For": f"198.51.100.1, {address}"}
            return (await site.ask("GET", "/api/v1/webhooks", headers=sent))[0]

        assert [await guess("203.0.113.1") for _ in range(21)] == [401] * 20 + [429]
        assert await guess("203.0.113.2") == 401
