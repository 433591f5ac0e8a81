"""What others' viewers complain of and no other test names: answers are the same for everybody."""

from __future__ import annotations

import asyncio
import re

import aiohttp
import pytest

from tests.flow.live_site import SOUND, TOP, LiveSite, Media, live_site, media

PERSONAL = {"Cookie": "session=1", "Authorization": "Bearer 1"}
ADDRESS = re.compile(r'^([^#<\s].*)|(?:URI|media|initialization)="([^"]+)"', re.MULTILINE)


@pytest.fixture(scope="module")
def made(clips) -> Media:
    return asyncio.run(media(clips, 12))


async def answered(site: LiveSite, key: str, **headers: str) -> tuple[bytes, dict[str, str]]:
    async with aiohttp.ClientSession() as session, session.get(site.url(key), headers=headers) as answer:
        assert answer.status == 200, key
        kept = {name.lower(): value for name, value in answer.headers.items()}
        return await answer.read(), {name: kept[name] for name in kept if name != "date"}


async def test_rule_no_viewer_has_an_address_of_its_own(made):
    async with live_site() as site:
        await site.begin(made)
        await site.release(3, 2)
        keys = ["main.m3u8", "main.mpd", f"{TOP}.m3u8", f"{SOUND}.m3u8", f"{TOP}.m3u8?_HLS_msn=3&_HLS_part=0"]
        for key in keys:
            body, headers = await answered(site, key)
            assert (body, headers) == await answered(site, key, **PERSONAL)
            assert "set-cookie" not in headers
            assert headers["vary"] == "Accept-Encoding"
            addresses = [one or two for one, two in ADDRESS.findall(body.decode())]
            assert addresses
            assert not any("?" in address for address in addresses), key
