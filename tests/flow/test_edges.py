"""The control channel through the proxies that cdn/edges has configurations for."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import aiohttp
import pytest

from tests.edges import nginx, varnish
from tests.flow.whole_site import API, running
from tests.readers import READERS, first

EDGES = {"nginx": nginx, "varnish": varnish}


@pytest.fixture
async def site(data_dir):
    async with running(data_dir) as opened:
        yield opened


@pytest.fixture(params=EDGES)
async def edge(request, site, tmp_path):
    folder = tmp_path / "edge"
    folder.mkdir()
    async with EDGES[request.param](site.base, folder) as address:
        yield address


@pytest.mark.parametrize("way", READERS)
async def test_an_event_comes_at_once(site, edge, way):
    _, asset = await site.create(100)
    async with aclosing(READERS[way](site.session, edge, f"asset:{asset}")) as messages:
        await first(messages, "subscribed")
        for title in ("One", "Two", "Three"):
            async with asyncio.timeout(1):
                await site.json("PATCH", f"{API}/{asset}", json={"title": title})
                assert (await first(messages, "asset.changed"))["data"]["title"] == title


async def test_a_page_of_another_host_is_refused(site, edge):
    own = edge.removeprefix("http://")
    with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
        await site.session.ws_connect(f"{edge}/control", headers={"Origin": "http://elsewhere.example"})
    async with site.session.ws_connect(f"{edge}/control", headers={"Origin": f"http://{own}"}) as socket:
        assert not socket.closed


async def test_who_comes_through_a_proxy_is_nobody_special(site, edge):
    async with aclosing(READERS["socket"](site.session, edge, "assets")) as messages:
        assert (await first(messages, "refused"))["code"] == 4403
