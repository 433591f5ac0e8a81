"""What CDNs are asked to forget, request by request; none of these vendors is asked here."""

from __future__ import annotations

import json

import pytest
from pydantic import SecretStr, TypeAdapter, ValidationError

from cdn.purge import Cloudflare, CloudFront, Fastly, Outdated, Purge, Varnish
from streamer.config import Config
from streamer.destinations import Destination

OUTDATED = Outdated(
    tags=("manifests-k3v9", "asset-k3v9"), paths=("vod/k3v9/main.m3u8", "vod/k3v9/audio 0.m3u8")
)


HIDDEN = SecretStr("hidden")


def test_fastly_purges_surrogate_keys_softly():
    one = Fastly(service="SU1Z0", token=HIDDEN)
    (request,) = one.requests(OUTDATED)
    assert (request.method, request.url) == ("POST", "https://api.fastly.com/service/SU1Z0/purge")
    assert request.headers == {
        "Fastly-Key": "hidden",
        "Fastly-Soft-Purge": "1",
        "Content-Type": "application/json",
    }
    assert json.loads(request.body) == {"surrogate_keys": list(OUTDATED.tags)}
    (hard,) = Fastly(service="SU1Z0", token=HIDDEN, soft=False).requests(OUTDATED)
    assert "Fastly-Soft-Purge" not in hard.headers


def test_cloudflare_purges_cache_tags():
    (request,) = Cloudflare(zone="023e105f4ecef8ad", token=HIDDEN).requests(OUTDATED)
    assert request.method == "POST"
    assert request.url == "https://api.cloudflare.com/client/v4/zones/023e105f4ecef8ad/purge_cache"
    assert request.headers["Authorization"] == "Bearer hidden"
    assert json.loads(request.body) == {"tags": list(OUTDATED.tags)}


def test_every_varnish_is_asked_for_every_tag():
    urls = ("http://10.0.0.1:6081", "http://10.0.0.2:6081")
    asked = Varnish(urls=urls, secret=HIDDEN).requests(OUTDATED)
    assert [(one.method, one.url, one.headers["Cache-Tag"]) for one in asked] == [
        ("PURGE", url, tag) for url in urls for tag in OUTDATED.tags
    ]
    assert {one.headers["Streamer-Edge"] for one in asked} == {"hidden"}
    assert "Streamer-Edge" not in Varnish(urls=urls).requests(OUTDATED)[0].headers


def test_cloudfront_invalidates_tags_or_paths_below_the_origin_path():
    assert CloudFront(distribution="E1").items(OUTDATED) == ["#manifests-k3v9", "#asset-k3v9"]
    by_path = CloudFront(distribution="E1", by="path", origin_path="/vod")
    assert by_path.items(OUTDATED) == ["/k3v9/main.m3u8", "/k3v9/audio%200.m3u8"]
    everything = Outdated(tags=(), paths=("vod/k3v9/*",))
    assert CloudFront(distribution="E1", by="path").items(everything) == ["/vod/k3v9/*"]


def test_many_tags_are_several_requests():
    tags = tuple(f"asset-{number}" for number in range(61))
    asked = Fastly(service="SU1Z0", token=HIDDEN).requests(Outdated(tags=tags, paths=()))
    assert [len(json.loads(one.body)["surrogate_keys"]) for one in asked] == [30, 30, 1]


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("fastly", {"service": "SU1Z0", "token": "hidden"}),
        ("cloudflare", {"zone": "023e", "token": "hidden"}),
        ("varnish", {"urls": ["http://10.0.0.1"], "secret": "hidden"}),
        ("cloudfront", {"distribution": "E1"}),
    ],
)
def test_a_destination_names_its_cdn_and_shows_no_secret(kind, more):
    destination = Destination.model_validate({"url": "s3://films/vod", "purge": {"kind": kind, **more}})
    assert destination.purge.kind == kind
    shown = repr(Config(destinations={"cdn": destination}))
    assert "hidden" not in shown


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "fastly", "service": "SU1Z0"},
        {"kind": "fastly", "service": "../SU1Z0", "token": "hidden"},
        {"kind": "varnish", "urls": []},
        {"kind": "varnish", "urls": ["ftp://10.0.0.1"]},
        {"kind": "cloudfront", "distribution": "E1", "paths": "all"},
        {"kind": "akamai"},
    ],
)
def test_what_is_no_purge_is_an_error_without_secrets(wrong):
    with pytest.raises(ValidationError) as raised:
        TypeAdapter(Purge).validate_python(wrong)
    assert "hidden" not in str(raised.value)
