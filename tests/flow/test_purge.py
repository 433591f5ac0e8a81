"""CDNs are told what to forget: a receiver that answers as the test says, and a Varnish before a bucket."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import urlsplit

import aiohttp
import pytest
from pydantic import SecretStr

from cdn.purge import Cloudflare, CloudFront, Fastly, Varnish
from streamer.destinations import Destination
from streamer.outbound import Outbound, allowance
from streamer.purging import Purging
from tests import edges
from tests.flow.published import CAPTIONS, FILM, contents
from tests.flow.test_publish_api import until
from tests.flow.test_s3_requests import receiver as answering
from tests.flow.whole_site import API, running
from tests.receiver import receiving
from tests.storage import BUCKET, KEY, SECRET, rclone

TOKEN = SecretStr("a token of nobody's")
PATHS = ("vod/k3v9/main.m3u8", "vod/k3v9/main.mpd")


def purging(pauses=(0, 0)) -> Purging:
    return Purging(Outbound(allowance(["127.0.0.0/8"])), pauses=pauses)


def destination(purge) -> Destination:
    return Destination(url=f"s3://{BUCKET}/vod", purge=purge)


@pytest.mark.parametrize("kind", ["fastly", "cloudflare"])
async def test_it_is_asked_by_tag_and_again_until_it_has_done_it(kind, caplog):
    async with receiving() as one:
        api = one.url.rstrip("/")
        made = {
            "fastly": Fastly(service="SU1Z0", token=TOKEN, api=api),
            "cloudflare": Cloudflare(zone="023e", token=TOKEN, api=f"{api}/client/v4"),
        }
        statuses = iter([503, 429, 200])
        one.answer = lambda _: next(statuses)
        assert await purging().replaced("k3v9", destination(made[kind]), PATHS)
        assert len(one.requests) == 3
        assert {request.path for request in one.requests} == {
            "/service/SU1Z0/purge" if kind == "fastly" else "/client/v4/zones/023e/purge_cache"
        }
        assert all(["manifests-k3v9"] in json.loads(request.body).values() for request in one.requests)
        one.answer = lambda _: 403
        assert not await purging().withdrawn("k3v9", destination(made[kind]), "vod/k3v9/")
        assert json.loads(one.requests[-1].body).popitem()[1] == ["asset-k3v9"]
        assert await purging().replaced("k3v9", destination(made[kind]), ())
        assert len(one.requests) == 6
    assert TOKEN.get_secret_value() not in caplog.text


async def test_addresses_within_are_not_asked_unless_they_are_allowed():
    async with receiving() as one:
        guarded = Purging(Outbound(), pauses=())
        within = destination(Varnish(urls=(one.url,)))
        assert not await guarded.replaced("k3v9", within, PATHS)
        assert one.requests == []


@pytest.mark.parametrize("by", ["tag", "path"])
async def test_cloudfront_is_asked_with_signed_requests(by, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with answering() as (endpoint, noted):
        purge = CloudFront(distribution="E1DIST", by=by, origin_path="/vod", endpoint=endpoint)
        assert await purging().replaced("k3v9", destination(purge), PATHS)
    ((method, path, headers, body),) = noted.came
    assert (method, path.partition("?")[0]) == ("POST", "/2020-05-31/distribution/E1DIST/invalidation")
    assert f"Credential={KEY}/" in headers["authorization"]
    assert "/us-east-1/cloudfront/aws4_request" in headers["authorization"]
    named = ("#manifests-k3v9",) if by == "tag" else ("/k3v9/main.m3u8", "/k3v9/main.mpd")
    text = body.decode()
    assert f"<Quantity>{len(named)}</Quantity>" in text
    assert all(f"<Path>{one}</Path>" in text for one in named)
    assert "<CallerReference>" in text


VCL = """vcl 4.1;
backend default { .host = "127.0.0.1"; .port = "PORT"; }
sub vcl_recv {
    if (req.method == "PURGE") {
        if (req.http.Streamer-Edge != "SECRET") { return (synth(403)); }
        if (req.http.Cache-Tag !~ "^[a-z0-9-]+$") { return (synth(400)); }
        ban("obj.http.x-amz-meta-cache-tag ~ (^|,)" + req.http.Cache-Tag + "(,|$)");
        return (synth(200));
    }
}
sub vcl_backend_response { set beresp.ttl = 1h; }
"""


async def test_a_varnish_before_a_bucket_forgets_what_is_published_anew(clips, tmp_path, monkeypatch):
    with rclone(tmp_path / "buckets", secret=False) as storage:
        for name, value in storage.env.items():
            monkeypatch.setenv(name, value)
        vcl = VCL.replace("PORT", str(urlsplit(storage.endpoint).port))
        async with (
            edges.configured(vcl, tmp_path) as edge,
            aiohttp.ClientSession() as session,
        ):

            async def seen() -> bytes:
                async with session.get(f"{edge}/{BUCKET}/vod/{asset}/main.m3u8") as got:
                    assert got.status == 200, await got.text()
                    return await got.read()

            cdn = destination(Varnish(urls=(edge,), secret=SecretStr("SECRET")))
            rules = {"destinations": {"cdn": cdn}, "outbound_allow": ("127.0.0.0/8",)}
            async with running(tmp_path / "data", **rules) as site:
                asset = (await site.post(clips.make(FILM)))["id"]
                path, wish = f"{API}/{asset}/publish", {"destination": "cdn"}
                await site.json("POST", path, json=wish, status=202)
                await until(site, asset, "published")
                first = await seen()
                await site.json("PUT", f"{API}/{asset}/captions/en", data=CAPTIONS)
                await site.json("POST", path, json=wish, status=202)
                async with asyncio.timeout(20):
                    while await seen() == first:
                        await asyncio.sleep(0.05)
                assert await seen() == contents(storage, f"vod/{asset}/")["main.m3u8"]["Bytes"]
            async with session.request("PURGE", edge, headers={"Cache-Tag": f"asset-{asset}"}) as refused:
                assert refused.status == 403
