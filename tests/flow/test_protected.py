"""Signed playback through the whole server: tokens open what they are for, and nothing else is opened."""

from __future__ import annotations

import asyncio
import shutil
import sys
from urllib.parse import urlsplit

import aiohttp
import m3u8
import pytest
from lxml import etree
from yarl import URL

from streamer.rows import wall_clock
from tests.flow.whole_site import API, running
from tests.media.clip import Clip
from tests.media.sources import constant
from tests.tokens import forged, signed

SECRET = "an edge's own secret"  # noqa: S105 - of this test
EDGE = {"Streamer-Edge": SECRET}
KEYS = "/api/v1/playback-keys"
STREAMER = [sys.executable, "-m", "streamer"]
QUIET = {"STREAMER_LIVE_RTMP_PORT": "off", "STREAMER_LOG_LEVEL": "debug"}
SHORT = Clip(name="protected", suffix=".mp4", timing=constant(25, 4), width=640, height=360)
"""Two rungs of one segment."""


@pytest.fixture(scope="module")
def library(tmp_path_factory, clips):
    """Leave a data directory with two films in it, the first of them signed from its first moment on."""
    data = tmp_path_factory.mktemp("protected") / "data"
    sent = {"data": clips.make(SHORT).read_bytes(), "headers": {"Content-Type": "video/mp4"}}

    async def fill() -> list[str]:
        async with running(data) as site:
            posted = [
                await site.json("POST", f"{API}?policy={policy}", status=201, **sent)
                for policy in ("signed", "public")
            ]
            assert [one["policy"] for one in posted] == ["signed", "public"]
            for one in posted:
                await site.until(one["id"], "complete")
            return [one["id"] for one in posted]

    return data, asyncio.run(fill())


@pytest.fixture
async def site(library, tmp_path):
    data = tmp_path / "data"
    await asyncio.to_thread(shutil.copytree, library[0], data)
    async with running(data, edge_secret=SECRET) as made:
        yield made


@pytest.fixture
def asset(library):
    return library[1][0]


async def token_of(site, asset: str, **wish) -> str:
    return (await site.json("POST", f"{API}/{asset}/playback-tokens", status=201, json=wish))["token"]


async def refused(site, path: str, reason: str = "", **options) -> None:
    """Assert that nothing comes of a path, for a reason, and that no cache keeps that."""
    status, headers, body = await site.ask("GET", path, **options)
    assert (status, headers["Cache-Control"]) == (403, "no-store"), (path, body)
    assert headers["Content-Type"] == "application/problem+json"
    assert reason.encode() in body


async def paths(site, prefix: str) -> list[str]:
    """Return every path that the manifests under a prefix name, and theirs."""
    main = m3u8.loads((await site.get(f"{prefix}main.m3u8")).decode())
    named = [one.uri for one in (*main.playlists, *main.iframe_playlists, *main.media) if one.uri]
    found = ["main.m3u8", "main.mpd", *named]
    for name in named:
        listed = m3u8.loads((await site.get(prefix + name)).decode())
        found += [segment.uri for segment in listed.segments] + [one.uri for one in listed.segment_map if one]
    return list(dict.fromkeys(found))


async def test_all_of_a_signed_asset_is_had_with_its_token_and_nothing_without(site, asset):
    prefix = f"/p/{await token_of(site, asset)}/{asset}/"
    shown = await site.asset(asset)
    found = await paths(site, prefix)
    found += [shown["poster"].removeprefix(f"/v/{asset}/")]
    assert len(found) >= 10
    for key in found:
        status, headers, body = await site.ask("GET", prefix + key)
        assert (status, bool(body)) == (200, True)
        assert headers["Cache-Control"] == (
            "private, max-age=31536000, immutable" if "/" in key else "private, no-store"
        )
        assert "Surrogate-Control" not in headers
        for _ in range(2):  # looked up, and at hand
            await refused(site, f"/v/{asset}/{key}", "token-needed")
        tag = {"If-None-Match": headers["Etag"]}
        status, again, _ = await site.ask("GET", prefix + key, headers=tag)
        assert (status, again["Cache-Control"]) == (304, headers["Cache-Control"])
        asked = {"Range": "bytes=0-9", "Accept-Encoding": "identity"}
        status, ranged, part = await site.ask("GET", prefix + key, headers=asked)
        assert (status, ranged["Cache-Control"]) == (206, headers["Cache-Control"])
        assert len(part) == 10
        assert (await site.ask("HEAD", f"/v/{asset}/{key}"))[0] == 403
    status, headers, _ = await site.ask("GET", f"{prefix}{found[-2].rpartition('/')[0]}/99.m4s")
    assert (status, headers["Cache-Control"]) == (404, "private, no-store")


async def test_an_edge_that_knows_the_secret_gets_what_it_may_keep(site, asset):
    prefix = f"/p/{await token_of(site, asset)}/{asset}/"
    for key in await paths(site, prefix):
        status, headers, body = await site.ask("GET", f"/v/{asset}/{key}", headers=EDGE)
        assert status == 200
        assert body == await site.get(prefix + key)
        assert headers["Cache-Control"].startswith("public, max-age=")
        assert headers["Surrogate-Control"].startswith("max-age=")
    for wrong in ("", SECRET[:-1], SECRET + "x", "é" * 20):
        await refused(site, f"/v/{asset}/main.m3u8", headers={"Streamer-Edge": wrong})


async def test_an_edge_asks_before_it_hands_out(site, asset):
    prefix = f"/p/{await token_of(site, asset, expires_seconds=40)}/{asset}/"
    status, headers, body = await site.ask("GET", prefix + "allowed")
    assert (status, body) == (204, b"")
    assert 30 < int(headers["Cache-Control"].removeprefix("max-age=")) <= 40
    lasting = f"/p/{await token_of(site, asset)}/{asset}/"
    assert (await site.ask("HEAD", lasting + "allowed"))[1]["Cache-Control"] == "max-age=60"
    for wish in ({"addresses": ["127.0.0.1"]}, {"origins": ["a.example"]}):
        token = await token_of(site, asset, **wish)
        sent = {"Origin": "https://a.example"}
        status, headers, _ = await site.ask("GET", f"/p/{token}/{asset}/allowed", headers=sent)
        assert (status, headers["Cache-Control"]) == (204, "no-store")
    await refused(site, f"/p/{await token_of(site, asset)}x/{asset}/allowed")


async def test_a_token_for_some_rungs_shows_and_opens_only_these(site, asset):
    whole = f"/p/{await token_of(site, asset)}/{asset}/"
    every = await paths(site, whole)
    prefix = f"/p/{await token_of(site, asset, max_height=240)}/{asset}/"
    found = await paths(site, prefix)
    left_out = [key for key in every if key not in found]
    assert any("/360p/" in key for key in left_out)
    assert all("360p" in key for key in left_out)
    assert any("/240p/" in key for key in found)
    for key in left_out:
        await refused(site, prefix + key, "wrong-rung")
        await refused(site, f"{prefix}allowed/{key}", "wrong-rung")
        await refused(site, f"{prefix}allowed", "wrong-rung", headers={"Streamer-Path": whole + key})
    mpd = etree.fromstring(await site.get(prefix + "main.mpd"))
    assert "240p" in mpd.xpath("//@id")
    assert "360p" not in mpd.xpath("//@id")
    for key in found:
        status, headers, _ = await site.ask("GET", f"{prefix}allowed/{key}")
        assert (status, headers["Cache-Control"]) == (204, "max-age=60")
        assert (headers.get("Streamer-Pass") == "yes") == (key in {"main.m3u8", "main.mpd"})
        named = {"Streamer-Path": f"{prefix}{key}?x=/{asset}/360p.m3u8"}
        status, headers, _ = await site.ask("GET", f"{prefix}allowed", headers=named)
        assert (status, headers["Cache-Control"]) == (204, "no-store")
    await refused(site, f"{prefix}allowed", "wrong-rung")


async def test_limits_of_pages_and_addresses_hold(site, asset):
    key = f"{asset}/main.m3u8"
    token = await token_of(site, asset, origins=["a.example"])
    await refused(site, f"/p/{token}/{key}", "wrong-origin")
    await refused(site, f"/p/{token}/{key}", "wrong-origin", headers={"Origin": "https://b.example"})
    for header in ({"Origin": "https://a.example"}, {"Referer": "https://a.example/film?x"}):
        assert (await site.ask("GET", f"/p/{token}/{key}", headers=header))[0] == 200
    forwarded = {"X-Forwarded-For": "198.51.100.1, 203.0.113.7"}
    token = await token_of(site, asset, addresses=["203.0.113.0/24"])
    await refused(site, f"/p/{token}/{key}", "wrong-address")
    await refused(site, f"/p/{token}/{key}", "wrong-address", headers=forwarded)
    assert (await site.ask("GET", f"/p/{token}/{key}", headers=EDGE | forwarded))[0] == 200
    other = {"X-Forwarded-For": "203.0.113.7, 198.51.100.1"}  # who asks may write what it likes before
    await refused(site, f"/p/{token}/{key}", "wrong-address", headers=EDGE | other)


async def test_tokens_that_are_none_open_nothing(site, asset):
    key = await site.json("POST", KEYS, status=201, json={"name": "shop"})
    now = wall_clock() // 1000
    claims = {"kid": key["id"], "sub": asset, "exp": now + 60}
    private = key["private_key"]
    good = signed(private, **claims)
    await site.get(f"/p/{good}/{asset}/main.m3u8")
    other = await site.json("POST", KEYS, status=201, json={"name": "other"})
    wrong = {
        signed(private, **claims | {"sub": "zzzzzzzzzzzz"}): "wrong-asset",
        signed(private, **claims | {"exp": now - 1}): "expired",
        signed(private, **claims | {"exp": None}): "bad-claims",
        signed(private, **claims | {"exp": now + 10**8}): "too-long",
        signed(private, **claims | {"nbf": now + 50}): "not-yet",
        signed(private, **claims | {"kid": other["id"]}): "signature-wrong",
        signed(private, **claims | {"kid": "abcdefghjkmn"}): "key-unknown",
        signed(private, **claims | {"kid": None}): "malformed",
        signed(key["public_key"].replace("PUBLIC KEY", "X"), algorithm="HS256", **claims): "signature-wrong",
        forged({"alg": "none", "kid": key["id"]}, {"sub": asset, "exp": now + 60}): "malformed",
        good[:-4] + "AAAA": "signature-wrong",
        "x" * 5000: "malformed",
        "-": "malformed",
    }
    for token, reason in wrong.items():
        for end in ("main.m3u8", "allowed"):
            await refused(site, f"/p/{token}/{asset}/{end}", reason)


async def test_a_deleted_key_opens_nothing_from_that_moment_on(site, asset):
    key = await site.json("POST", KEYS, status=201, json={"name": "shop"})
    token = signed(key["private_key"], kid=key["id"], sub=asset, exp=wall_clock() // 1000 + 60)
    await site.get(f"/p/{token}/{asset}/main.m3u8")
    assert (await site.ask("DELETE", f"{KEYS}/{key['id']}"))[0] == 204
    await refused(site, f"/p/{token}/{asset}/main.m3u8", "key-unknown")
    listed = (await site.json("GET", KEYS))["items"]
    assert all(one["id"] != key["id"] for one in listed)


TAILS = (
    *("../{other}/main.m3u8", "%2e%2e/{other}/main.m3u8", "..%2f{other}%2fmain.m3u8", "./main.m3u8"),
    *("/main.m3u8", "allowed/../main.m3u8", "main.m3u8/", "..", "", "main.m3u8%00", "MAIN.m3u8"),
)


async def test_a_path_behind_the_token_leads_nowhere_else(site, asset, library):
    other = library[1][1]
    prefix = f"/p/{await token_of(site, asset)}/{asset}/"
    assert (await raw_get(site.base, f"{prefix}main.m3u8"))[0] == 200
    for tail in TAILS:
        status, body = await raw_get(site.base, prefix + tail.format(other=other))
        assert status in {400, 404}, (tail, body)
    await refused(site, prefix.replace(asset, other) + "main.m3u8", "wrong-asset")


async def raw_get(base: str, path: str) -> tuple[int, bytes]:
    """Ask for a path as it is written; clients would tidy it up."""
    host = urlsplit(base).netloc
    reader, writer = await asyncio.open_connection(*host.split(":"))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return int(answer.split()[1]), answer


async def test_the_command_signs_tokens_and_the_log_has_none(library, tmp_path, spawn):
    data, (asset, _) = tmp_path / "data", library[1]
    await asyncio.to_thread(shutil.copytree, library[0], data)
    signing = await spawn(*STREAMER, "token", "playback", asset, "--expires", "10m", "--data", data)
    assert await signing.wait() == 0
    token = signing.lines[-1]
    server = await spawn(*STREAMER, "serve", "--port", "0", "--data", data, env=QUIET)
    line = await server.says("http://", seconds=60)
    base, bearer = line[line.index("http://") :].strip(), {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession() as session:
        for path, expected in {
            f"/p/{token}/{asset}/main.m3u8": 200,
            f"/p/{token}/{asset}/allowed": 204,
            f"/p/{token}/{asset}/nothing": 404,
            f"/p/{token}x/{asset}/main.m3u8": 403,
            f"/p/{token}/{asset}/../{asset}/%00": 404,
            f"/elsewhere/{token}": 404,
        }.items():
            async with session.get(URL(base + path, encoded=True), headers=bearer) as response:
                assert response.status == expected, path
                assert token not in await response.text()
        async with session.get(f"{base}/metrics") as response:
            assert token not in await response.text()
    assert await server.stop() == 0
    assert token not in server.output
    assert token.rpartition(".")[2] not in server.output
    refused = await spawn(*STREAMER, "token", "playback", "zzzzzzzzzzzz", "--data", data)
    assert await refused.wait() == 1


async def test_a_policy_is_changed_at_once(site, asset):
    key = f"/v/{asset}/main.m3u8"
    await refused(site, key)
    changed = await site.json("PATCH", f"{API}/{asset}", json={"policy": "public"})
    assert changed["policy"] == "public"
    await site.get(key)
    await site.json("PATCH", f"{API}/{asset}", json={"policy": "signed"})
    await refused(site, key)
    await site.json("PATCH", f"{API}/{asset}", status=400, json={"policy": "secret"})
    await site.json("POST", f"{API}?policy=secret", status=400, **_bytes())


def _bytes() -> dict:
    return {"data": b"x", "headers": {"Content-Type": "video/mp4"}}
