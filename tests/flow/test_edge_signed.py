"""Signed playback behind the edges: one copy for all who have a token, and nothing for anybody else."""

from __future__ import annotations

import asyncio
import re

import m3u8
from yarl import URL

from streamer.rows import wall_clock
from tests.edges import nginx, varnish
from tests.flow.test_protected import KEYS, token_of
from tests.flow.whole_site import API, Client, running
from tests.media.clip import Clip
from tests.media.sources import constant
from tests.tokens import signed

SECRET = "an edge's own secret"  # noqa: S105 - of this test
SHORT = Clip(name="protected", suffix=".mp4", timing=constant(25, 4), width=640, height=360)
"""Two rungs of one segment."""
TOKENS = 50


async def asked(site: Client, route: str) -> int:
    """Return how many requests of a route have reached the server."""
    text = (await site.get("/metrics")).decode()
    return sum(map(int, re.findall(rf'requests_total\{{route="{route}".*\}} (\d+)', text)))


async def test_signed_playback(data_dir, clips, tmp_path):
    async with running(data_dir, edge_secret=SECRET) as site:
        sent = {"data": clips.make(SHORT).read_bytes(), "headers": {"Content-Type": "video/mp4"}}
        made = [(await site.json("POST", f"{API}?policy=signed", status=201, **sent))["id"] for _ in range(2)]
        await site.until(made[0], "playable", "complete")
        key = await site.json("POST", KEYS, status=201, json={"name": "shop"})
        for name, edge in {"nginx": nginx, "varnish": varnish}.items():
            folder = tmp_path / name
            folder.mkdir()
            async with edge(site.base, folder, secret=SECRET) as address:
                viewer = Client(site.session, address)
                await _one_copy(site, viewer, made[0])
                await _own_manifests(site, viewer, made[0])
                await _refused(site, viewer, made[0], key)
                await _limits(site, viewer, made[0])


async def _segment(viewer: Client, prefix: str, rung: str) -> str:
    listed = m3u8.loads((await viewer.get(f"{prefix}{rung}.m3u8")).decode())
    return str(listed.segments[0].uri)


async def _one_copy(site: Client, viewer: Client, asset: str) -> None:
    """Many tokens, each of them asked about once, and one of each object that they open."""
    tokens = [await token_of(site, asset, expires_seconds=600 + n) for n in range(TOKENS)]
    first = f"/p/{tokens[0]}/{asset}/"
    segment = await _segment(viewer, first, "240p")
    media, asks = await asked(site, "media"), await asked(site, "protected")
    for cache, key in (
        ("private, max-age=31536000, immutable", segment),
        ("private, no-store", "240p.m3u8"),
    ):
        got = await asyncio.gather(*(viewer.ask("GET", f"/p/{token}/{asset}/{key}") for token in tokens))
        assert {status for status, _, _ in got} == {200}
        assert len({body for _, _, body in got}) == 1
        assert {headers["Cache-Control"] for _, headers, _ in got} == {cache}
        assert not any("Surrogate-Control" in headers for _, headers, _ in got)
    assert await asked(site, "media") - media == 1  # the playlist was there already
    assert await asked(site, "protected") - asks == TOKENS - 1


async def _own_manifests(site: Client, viewer: Client, asset: str) -> None:
    """Show small rungs alone to a token for these, before and after others have seen all of them."""
    whole, small = await token_of(site, asset), await token_of(site, asset, max_height=240)
    for _ in range(2):
        assert b"360p" not in await viewer.get(f"/p/{small}/{asset}/main.m3u8")
        assert b"360p" in await viewer.get(f"/p/{whole}/{asset}/main.m3u8")
    large = await _segment(viewer, f"/p/{whole}/{asset}/", "360p")
    await viewer.get(f"/p/{whole}/{asset}/{large}")
    await _nothing(viewer, f"/p/{small}/{asset}/{large}")
    await viewer.get(f"/p/{small}/{asset}/{await _segment(viewer, f'/p/{small}/{asset}/', '240p')}")


async def _refused(site: Client, viewer: Client, asset: str, key: dict) -> None:
    """Whatever is kept by now, it is had with a token for it alone."""
    now, good = wall_clock() // 1000, await token_of(site, asset)
    segment = await _segment(viewer, f"/p/{good}/{asset}/", "240p")
    claims = {"kid": key["id"], "sub": asset, "exp": now + 60}
    assert await viewer.get(f"/p/{signed(key['private_key'], **claims)}/{asset}/{segment}")
    wrong = (
        signed(key["private_key"], **claims | {"exp": now - 1}),
        signed(key["private_key"], **claims | {"sub": "zzzzzzzzzzzz"}),
        signed(key["private_key"], **claims | {"kid": "abcdefghjkmn"}),
        good[:-4] + "AAAA",
        "x",
    )
    for name in (segment, "240p.m3u8", "main.m3u8"):
        for token in wrong:
            for _ in range(2):
                await _nothing(viewer, f"/p/{token}/{asset}/{name}")
        await _nothing(viewer, f"/v/{asset}/{name}")
        await _nothing(viewer, f"/v/{asset}/{name}", headers={"Streamer-Edge": "guessed"})
        other = signed(key["private_key"], **claims | {"sub": "zzzzzzzzzzzz"})
        for path in (
            f"/p/{other}/zzzzzzzzzzzz/../{asset}/{name}",
            f"/p/{other}/zzzzzzzzzzzz/%2e%2e/{asset}/{name}",
            f"/p/{other}/zzzzzzzzzzzz/x/../../{asset}/{name}",
            f"/p/{other}/zzzzzzzzzzzz%2f..%2f{asset}/{name}",
            f"/p/x/../../v/{asset}/{name}",
            f"/p//{asset}/{name}",
            f"//v/{asset}/{name}",
            f"/v/{asset}/{name}%0a",
            f"/p/{good}%20HTTP/1.1%0d%0aX:%20/{asset}/{name}",
        ):
            await _nothing(viewer, path)


async def _limits(site: Client, viewer: Client, asset: str) -> None:
    """Ask each time about what depends on more than the token."""
    token = await token_of(site, asset, origins=["a.example"])
    path = f"/p/{token}/{asset}/240p.m3u8"
    for _ in range(2):
        assert (await viewer.ask("GET", path, headers={"Origin": "https://a.example"}))[0] == 200
        await _nothing(viewer, path, headers={"Origin": "https://b.example"})
    token = await token_of(site, asset, addresses=["203.0.113.0/24"])
    await _nothing(viewer, f"/p/{token}/{asset}/240p.m3u8", headers={"X-Forwarded-For": "203.0.113.7"})
    token = await token_of(site, asset, addresses=["127.0.0.0/8"])
    assert (await viewer.ask("GET", f"/p/{token}/{asset}/240p.m3u8"))[0] == 200


async def _nothing(viewer: Client, path: str, **options) -> None:
    """Assert that a path, taken as it is, brings no media, and nothing that may be kept for long."""
    url = viewer.base + path
    status, headers, body = await _raw(viewer, url, **options)
    assert status in {400, 403, 404, 503}, (path, status)
    assert body[4:8] not in {b"styp", b"moof"}, path
    assert not body.startswith(b"#EXTM3U"), path
    assert "immutable" not in headers.get("Cache-Control", ""), path


async def _raw(viewer: Client, url: str, **options) -> tuple[int, dict[str, str], bytes]:
    async with viewer.session.get(URL(url, encoded=True), **options) as response:
        return response.status, dict(response.headers), await response.read()
