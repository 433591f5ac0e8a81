"""Live streams over HTTP: their life, their keys, who may do what, and what their channel tells."""

from __future__ import annotations

import io
import json

import pytest

from streamer.live.streams import Settings
from streamer.rows import Role, StreamState
from tests import lives
from tests.backend import EVERYWHERE, backend, served

LIVE = "/api/v1/live"


@pytest.fixture
async def back(data_dir):
    async with backend(data_dir) as opened:
        yield opened


@pytest.fixture
def app(back, data_dir):
    return served(back, data_dir)


@pytest.fixture
async def client(app, aiohttp_client):
    return await aiohttp_client(app.app)


@pytest.fixture
def call(client):
    async def ask(method, path="", status=200, **options):
        response = await client.request(method, LIVE + path, **options)
        assert response.status == status, await response.text()
        assert response.headers["Cache-Control"] == "no-store"
        return await response.json() if status != 204 else {}

    return ask


@pytest.fixture
async def on_air(back, call):
    """Return a stream that is on air, and its broadcast's id."""
    stream = (await call("POST", status=201))["id"]
    asset = await back.broadcasts.begin(stream)
    await back.broadcasts.begin_life(asset.id, lives.life())
    await back.broadcasts.stand(stream, StreamState.LIVE)
    return stream, asset.id


async def test_a_stream_is_made_with_a_key_that_is_shown_once(call, back):
    made = await call("POST", status=201, json={"title": " Evening ", "part_seconds": 0.2})
    key = made.pop("key")
    identity = made["id"]
    assert made == {
        "id": identity,
        "title": "Evening",
        "state": "idle",
        "created": made["created"],
        "asset": None,
        "part_seconds": 0.2,
        "dvr_seconds": 7200,
        "reconnect_seconds": 60,
        "passthrough": False,
        "takeover": "newest",
        "destination": None,
        "policy": "public",
        "playback": {"hls": f"/v/{identity}/main.m3u8", "dash": f"/v/{identity}/main.mpd"},
        "page": f"/watch/{identity}",
        "ingest": {"rtmp": "rtmp://127.0.0.1:1936/live"},
    }
    assert (await back.register.by_key(key)).id == identity
    assert await call("GET", f"/{identity}") == made
    assert await call("GET") == {"items": [made], "next": None}


async def test_a_stream_needs_no_wish(call):
    made = await call("POST", status=201)
    assert (made["title"], made["part_seconds"]) == ("Live", 0.333)


async def test_a_repeated_request_makes_one_stream_and_tells_no_key_again(call, back):
    headers = {"Idempotency-Key": "k1"}
    first = await call("POST", status=201, headers=headers, json={"title": "a"})
    second = await call("POST", status=201, headers=headers, json={"title": "a"})
    assert second == {**first, "key": None}
    assert len((await back.register.page()).items) == 1
    other = await call("POST", status=422, headers=headers, json={"title": "b"})
    assert other["type"] == "urn:streamer:problem:idempotency-mismatch"


async def test_a_change_is_shown_and_an_unknown_setting_refused(call):
    stream = (await call("POST", status=201))["id"]
    changed = await call("PATCH", f"/{stream}", json={"title": "b", "dvr_seconds": None})
    assert (changed["title"], changed["dvr_seconds"], changed["reconnect_seconds"]) == ("b", None, 60)
    for wrong in ({}, {"dvr": 1}, {"title": ""}):
        refused = await call("PATCH", f"/{stream}", 400, json=wrong)
        assert refused["type"] == "urn:streamer:problem:invalid-request"
    assert await call("GET", f"/{stream}") == changed


async def test_another_key_shuts_the_old_one_out(call, back):
    made = await call("POST", status=201)
    rotated = await call("POST", f"/{made['id']}/key")
    assert await back.register.by_key(made["key"]) is None
    assert (await back.register.by_key(rotated["key"])).id == made["id"]


async def test_pages_follow_one_another(call):
    for _ in range(3):
        await call("POST", status=201)
    first = await call("GET", "?limit=2")
    second = await call("GET", f"?limit=2&cursor={first['next']}")
    assert [len(first["items"]), len(second["items"]), second["next"]] == [2, 1, None]
    for wrong in ("limit=0", "limit=101", "limit=x", "cursor=!"):
        await call("GET", f"?{wrong}", 400)


async def test_a_slate_is_taken_up_to_its_size_and_goes_with_its_stream(call, app):
    stream, other = [(await call("POST", status=201))["id"] for _ in range(2)]
    largest = b"x" * (4 << 20)
    await call("PUT", f"/{stream}/slate", 204, data=io.BytesIO(largest))
    await call("PUT", f"/{other}/slate", 204, data=b"y")
    assert (await call("PUT", f"/{stream}/slate", 413, data=io.BytesIO(largest + b"x")))["status"] == 413
    assert app.slates.pictures == {stream: largest, other: b"y"}
    await call("DELETE", f"/{stream}/slate", status=204)
    await call("DELETE", f"/{other}", status=204)
    assert app.slates.pictures == {}
    for method in ("PUT", "DELETE"):
        await call(method, f"/{other}/slate", 404, data=b"z")


async def test_what_is_on_air_is_ended_and_its_recording_stays(call, back, on_air):
    stream, asset = on_air
    assert (await call("GET", f"/{stream}"))["state"] == "live"
    ended = await call("POST", f"/{stream}/end")
    assert (ended["state"], ended["asset"]) == ("ended", asset)
    assert (await back.catalog.get(asset)).duration == 2
    refused = await call("POST", f"/{stream}/end", 409)
    assert refused["type"] == "urn:streamer:problem:wrong-state"


async def test_a_stream_on_air_is_deleted_by_force_only(call, back, on_air):
    stream, asset = on_air
    await call("DELETE", f"/{stream}", 409)
    await call("DELETE", f"/{stream}?force=perhaps", 400)
    await call("DELETE", f"/{stream}?force=true", 204)
    missing = await call("GET", f"/{stream}", 404)
    assert missing["type"] == "urn:streamer:problem:no-such-stream"
    assert not (await back.catalog.get(asset)).on_air


async def test_what_is_not_there_is_missing_by_every_method(call):
    gone = "/zzzzzzzzzzzz"
    for method, path in (
        ("GET", gone),
        ("DELETE", gone),
        ("POST", f"{gone}/key"),
        ("POST", f"{gone}/end"),
    ):
        await call(method, path, 404)
    await call("PATCH", gone, 404, json={"title": "x"})


async def test_a_broadcast_is_not_made_anew_and_not_deleted_while_on_air(client, on_air):
    stream, asset = on_air
    one = f"/api/v1/assets/{asset}"
    tried = [
        ("POST", f"{one}/retry", {}),
        ("POST", f"{one}/reencode", {}),
        ("PATCH", one, {"json": {"fill": "watched", "title": "x"}}),
        ("PUT", f"{one}/captions/en", {"data": "WEBVTT\n"}),
        ("DELETE", one, {}),
    ]
    for method, path, options in tried:
        response = await client.request(method, path, **options)
        assert (response.status, (await response.json())["type"]) == (
            409,
            "urn:streamer:problem:wrong-state",
        ), (method, path)
    renamed = await client.patch(one, json={"title": "Evening"})
    assert (await renamed.json())["title"] == "Evening"
    await client.post(f"{LIVE}/{stream}/end")
    assert (await client.delete(one)).status == 204


async def test_anybody_may_look_at_one_stream_and_administrators_do_the_rest(back, data_dir, aiohttp_client):
    client = await aiohttp_client(served(back, data_dir, host=EVERYWHERE).app)
    stream, _ = await back.register.create(title="a", settings=Settings())
    _, viewer = await back.tokens.create(Role.VIEWER, "v")
    one = f"{LIVE}/{stream.id}"
    for method, path, public, signed in (
        ("GET", one, 200, 200),
        ("GET", LIVE, 401, 200),
        ("POST", LIVE, 401, 403),
        ("PATCH", one, 401, 403),
        ("DELETE", one, 401, 403),
        ("POST", f"{one}/key", 401, 403),
        ("POST", f"{one}/end", 401, 403),
    ):
        headers = {"Authorization": f"Bearer {viewer}"}
        statuses = [
            (await client.request(method, path)).status,
            (await client.request(method, path, headers=headers)).status,
        ]
        assert statuses == [public, signed], (method, path)


async def test_a_streams_channel_tells_what_is_on_air(client, back, call):
    stream = (await call("POST", status=201))["id"]
    async with client.ws_connect("/control") as socket:
        await socket.send_json({"type": "subscribe", "channel": f"stream:{stream}"})
        subscribed = await socket.receive_json()
        assert (subscribed["snapshot"]["stream"]["state"], subscribed["snapshot"]["asset"]) == ("idle", None)
        asset = await back.broadcasts.begin(stream)
        event = await socket.receive_json()
        assert (event["type"], event["data"]) == (
            "stream.state",
            {"stream": stream, "asset": asset.id, "state": "connecting"},
        )
        await socket.send_json({"type": "subscribe", "channel": f"stream:{stream}"})
        again = await socket.receive_json()
        assert again["snapshot"]["asset"]["live"] == {"stream": stream, "state": "connecting"}
        await socket.send_json({"type": "subscribe", "channel": "stream:zzzzzzzzzzzz"})
        refused = json.loads((await socket.receive()).data)
        assert (refused["type"], refused["code"]) == ("refused", 4404)
