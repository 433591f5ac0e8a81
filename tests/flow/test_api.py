"""REST for assets, health and metrics over HTTP."""

from __future__ import annotations

import asyncio
import io
import json

import aiohttp
import pytest
from aiohttp import web

from streamer.problems import problem_middleware
from streamer.rows import Role, State
from tests.backend import EVERYWHERE, backend, served

SRT = b"1\r\n00:00:01,000 --> 00:00:02,000\r\nHello <script>\r\n"


@pytest.fixture
async def back(data_dir):
    async with backend(data_dir) as opened:
        yield opened


@pytest.fixture
def serving(back, data_dir):
    return served(back, data_dir)


@pytest.fixture
async def client(aiohttp_client, serving):
    return await aiohttp_client(serving.app)


async def _problem(response, status, slug):
    assert response.status == status, await response.text()
    assert response.content_type == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"
    told = await response.json()
    assert told["type"] == f"urn:streamer:problem:{slug}"
    assert told["status"] == status
    return told


async def test_list_show_rename_delete(back, client, serving):
    asset = await back.planned(title="First")
    back.clock.now += 1
    await back.planned(title="Second")
    listed = await (await client.get("/api/v1/assets")).json()
    assert [item["title"] for item in listed["items"]] == ["Second", "First"]
    assert listed["next"] is None
    page = await (await client.get("/api/v1/assets?limit=1")).json()
    rest = await (await client.get("/api/v1/assets", params={"limit": 1, "cursor": page["next"]})).json()
    assert [page["items"][0]["title"], rest["items"][0]["title"]] == ["Second", "First"]
    assert len((await (await client.get("/api/v1/assets?q=sec")).json())["items"]) == 1

    url = f"/api/v1/assets/{asset.id}"
    response = await client.get(url)
    assert response.headers["Cache-Control"] == "no-store"
    shown = await response.json()
    assert shown["playback"]["hls"] == f"/v/{asset.id}/main.m3u8"
    assert [rung["name"] for rung in shown["rungs"]] == ["v360", "a1"]
    renamed = await client.patch(url, json={"title": "  A\n new\x00 title\u2028 "})
    assert (await renamed.json())["title"] == "A new title"
    assert (await client.patch(url, json={"fill": "watched"})).status == 200
    assert (await client.delete(url)).status == 204
    assert serving.works.heard == [("fill watched", asset.id), ("remove", asset.id)]
    await _problem(await client.get(url), 404, "no-such-asset")
    await _problem(await client.delete(url), 404, "no-such-asset")


@pytest.mark.parametrize(
    ("asked", "sent", "told"),
    [
        ("GET /api/v1/assets?limit=0", None, (400, "invalid-request")),
        ("GET /api/v1/assets?limit=101", None, (400, "invalid-request")),
        ("GET /api/v1/assets?limit=²", None, (400, "invalid-request")),
        ("GET /api/v1/assets?cursor=%00", None, (400, "invalid-cursor")),
        ("GET /api/v1/assets/abc", None, (404, "not-found")),
        ("GET /api/v1/assets/..%2f..%2fetc", None, (404, "not-found")),
        ("PUT /api/v1/assets", b"", (405, "method-not-allowed")),
        ("PATCH /api/v1/assets/{id}", b"{", (400, "invalid-request")),
        ("PATCH /api/v1/assets/{id}", b"[]", (400, "invalid-request")),
        ("PATCH /api/v1/assets/{id}", b"[" * 60_000, (400, "invalid-request")),
        ("PATCH /api/v1/assets/{id}", b" " * 70_000, (400, "invalid-request")),
        ("PATCH /api/v1/assets/{id}", b'{"title": 1}', (400, "invalid-request")),
        ("PATCH /api/v1/assets/{id}", b"{}", (400, "invalid-request")),
        ("PATCH /api/v1/assets/{id}", b'{"fill": "half"}', (400, "invalid-request")),
        ("PATCH /api/v1/assets/{id}", b'{"fill": ["full"]}', (400, "invalid-request")),
        ("PATCH /api/v1/assets/{id}", b'{"title": " \\u0000 "}', (400, "invalid-request")),
        ("PATCH /api/v1/assets/{id}", json.dumps({"title": "x" * 501}).encode(), (400, "invalid-request")),
        ("POST /api/v1/assets/{id}/retry", None, (409, "wrong-state")),
        ("PUT /api/v1/assets/{id}/captions/en", b"\xff\xfe nothing", (422, "bad-captions")),
        ("PUT /api/v1/assets/{id}/captions/e%2e%2e", SRT, (400, "invalid-request")),
        ("PUT /api/v1/assets/{id}/captions/en", io.BytesIO(bytes(5 << 20)), (413, "too-large")),
        ("DELETE /api/v1/assets/{id}/captions/fr", None, (404, "no-such-caption")),
    ],
)
async def test_what_is_wrong_is_told_as_a_problem(back, client, asked, sent, told):
    asset = await back.planned()
    method, _, path = asked.partition(" ")
    response = await client.request(method, path.replace("{id}", asset.id), data=sent)
    await _problem(response, *told)


async def test_a_lone_surrogate_in_a_title_does_not_reach_the_database(back, client):
    asset = await back.planned()
    response = await client.patch(f"/api/v1/assets/{asset.id}", data=b'{"title": "a\\ud800b"}')
    assert (await response.json())["title"] == "a b"


async def test_compressed_requests_are_refused(back, client):
    asset = await back.planned()
    response = await client.patch(
        f"/api/v1/assets/{asset.id}", data=b"x", headers={"Content-Encoding": "gzip"}
    )
    await _problem(response, 415, "compressed-request")


async def test_retry_and_reencode_ask_the_works_once_for_each_key(back, client, serving):
    asset = await back.planned()
    url = f"/api/v1/assets/{asset.id}"
    key = {"Idempotency-Key": "k1"}
    answers = [await client.post(f"{url}/reencode", headers=key) for _ in range(3)]
    assert [answer.status for answer in answers] == [202] * 3
    assert len({await answer.text() for answer in answers}) == 1
    await _problem(await client.post(f"{url}/retry", headers=key), 422, "idempotency-mismatch")
    await back.catalog.fail(asset.id, step="encode", message="no", log=["line"])
    retried = await client.post(f"{url}/retry")
    assert (retried.status, (await retried.json())["failure"]["log"]) == (202, ["line"])
    await _problem(await client.post(f"{url}/reencode"), 409, "wrong-state")
    assert serving.works.heard == [("reencode", asset.id), ("retry", asset.id)]


async def test_captions_are_stored_under_an_immutable_address(back, client, serving):
    asset = await back.planned()
    url = f"/api/v1/assets/{asset.id}/captions/PT-br"
    first = await (await client.put(f"{url}?label=Português", data=SRT)).json()
    (caption,) = first["captions"]
    assert (caption["language"], caption["label"]) == ("pt-BR", "Português")
    stored = await serving.media.get(f"{asset.id}/{caption['url'].removeprefix(f'/v/{asset.id}/')}")
    assert stored.startswith(b"WEBVTT")
    assert b"<script>" not in stored
    second = await (await client.put(url, data=SRT.replace(b"Hello", b"Bye"))).json()
    assert len(second["captions"]) == 1
    assert second["captions"][0]["url"] != caption["url"]
    assert (await (await client.delete(url)).json())["captions"] == []
    assert serving.works.heard == [("captions", asset.id)] * 3


async def test_the_document_is_served(client):
    told = await (await client.get("/api/openapi.json")).json()
    assert (told["openapi"], told["info"]["version"]) == ("3.1.0", "1.2.3")


async def test_health_and_readiness(back, aiohttp_client, data_dir):
    client = await aiohttp_client(served(back, data_dir).app)
    assert await (await client.get("/health")).json() == {
        "status": "ok",
        "version": "1.2.3",
        "ffmpeg": "9.0",
        "sandbox": "landlock+seccomp",
    }
    assert (await client.get("/ready")).status == 200
    full = await aiohttp_client(served(back, data_dir, reserve=1 << 60).app)
    response = await full.get("/ready")
    assert response.status == 503
    assert await response.json() == {
        "ready": False,
        "checks": {"catalog": True, "disk": False, "staying": True},
    }


async def test_metrics_count_by_route_not_by_path(back, client, serving):
    asset = await back.planned()
    await client.get(f"/api/v1/assets/{asset.id}")
    await client.get("/nothing/here")
    await client.request("PROPFIND", "/health")

    async def collector():
        for state, count in (await back.ledger.counts()).items():
            serving.metrics.runs.set(count, str(state))

    serving.metrics.collect(collector)
    response = await client.get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    text = await response.text()
    assert 'streamer_requests_total{route="asset",method="GET",status="200"} 1' in text
    assert 'streamer_requests_total{route="none",method="GET",status="404"} 1' in text
    assert 'method="other",status="405"' in text
    assert 'streamer_runs{state="queued"} 0' in text
    assert asset.id not in text


async def test_what_is_not_foreseen_leaks_nothing(aiohttp_client, caplog):
    async def broken(_request):
        raise RuntimeError("secret /etc/passwd")

    app = web.Application(middlewares=[problem_middleware])
    app.router.add_get("/", broken)
    response = await (await aiohttp_client(app)).get("/")
    told = await _problem(response, 500, "unexpected")
    assert "secret" not in json.dumps(told)
    assert told["reference"] in caplog.text


async def test_after_the_first_byte_an_error_breaks_the_connection(aiohttp_client):
    async def broken(request):
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"begun")
        raise RuntimeError("midway")

    app = web.Application(middlewares=[problem_middleware])
    app.router.add_get("/", broken)
    client = await aiohttp_client(app)
    response = await client.get("/")
    with pytest.raises(aiohttp.ClientPayloadError):
        await response.read()


async def test_redirects_pass(aiohttp_client):
    async def moved(_request):
        raise web.HTTPFound("/there")

    app = web.Application(middlewares=[problem_middleware])
    app.router.add_get("/", moved)
    response = await (await aiohttp_client(app)).get("/", allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (302, "/there")


async def test_the_log_of_a_failure_is_for_who_has_signed_in(back, aiohttp_client, data_dir):
    asset = await back.catalog.create_asset(title="Film")
    await back.catalog.fail(asset.id, step="probe", message="why", log=["/data/secret"])
    client = await aiohttp_client(served(back, data_dir, host=EVERYWHERE).app)
    shown = await (await client.get(f"/api/v1/assets/{asset.id}")).json()
    assert shown["failure"] == {"step": "probe", "message": "why", "log": []}
    _, secret = await back.tokens.create(Role.VIEWER, "v")
    headers = {"Authorization": f"Bearer {secret}"}
    shown = await (await client.get(f"/api/v1/assets/{asset.id}", headers=headers)).json()
    assert shown["failure"]["log"] == ["/data/secret"]


async def test_concurrent_writes_through_the_api_all_hold(back, client):
    assets = [await back.planned(title=str(n)) for n in range(8)]
    await asyncio.gather(
        *(client.patch(f"/api/v1/assets/{asset.id}", json={"title": f"new {asset.id}"}) for asset in assets)
    )
    for asset in assets:
        assert (await back.catalog.get(asset.id)).title == f"new {asset.id}"
    assert {asset.state for asset in (await back.catalog.page()).items} == {State.PLAYABLE}
