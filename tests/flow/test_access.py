"""Every route for everybody: hosts, origins, tokens, sessions."""

from __future__ import annotations

import pytest
from aiohttp import web

from streamer.access import COOKIE, RULES, Policy, uncovered
from streamer.app import compose
from streamer.config import Config
from streamer.openapi import undocumented
from streamer.rows import Role
from tests.backend import EVERYWHERE, backend, served

WRITES = {"POST", "PUT", "PATCH", "DELETE"}


@pytest.fixture
async def back(data_dir):
    async with backend(data_dir, "catalog.sqlite") as opened:
        yield opened


@pytest.fixture
async def local(back, data_dir, aiohttp_client):
    return await aiohttp_client(served(back, data_dir).app)


@pytest.fixture
async def network(back, data_dir, aiohttp_client):
    return await aiohttp_client(
        served(back, data_dir, host=EVERYWHERE, public_url="https://video.example").app
    )


@pytest.fixture
async def secrets(back):
    """Give a credential to each kind of caller."""
    _, secret = await back.tokens.create(Role.ADMIN, "a")
    gone, revoked = await back.tokens.create(Role.ADMIN, "gone")
    await back.tokens.revoke(gone.id)
    return {
        "anon": None,
        "bad": "str_" + "x" * 43,
        "revoked": revoked,
        "viewer": (await back.tokens.create(Role.VIEWER, "v"))[1],
        "admin": secret,
    }


# Open to everybody by the table: they ask for a stream's key or a playback token, and these secrets are none.
KEYED = {"whip": (401, "The stream key is not known"), "protected": (403, "This may not be played")}


def _may(caller, policy):
    if policy is Policy.PUBLIC:
        return 200
    if caller == "anon":
        return 401
    if caller in {"bad", "revoked"}:
        return 401
    if caller == "viewer" and policy is Policy.ADMIN:
        return 403
    return 200


@pytest.fixture
async def whole(data_dir, aiohttp_client, secrets):
    """Serve the server as it is composed, for an address beyond loopback."""
    config = Config(data=data_dir, host=EVERYWHERE, disk_reserve_bytes=0, encode_slots=1)
    async with compose(config) as server:
        client = await aiohttp_client(server.app)
        yield client
        await client.close()


async def test_every_route_for_every_caller(whole, secrets):
    """Ask for every route of the table as every caller: nobody gets further than the rule says."""
    checked = 0
    for route in whole.app.router.routes():
        path = route.resource.canonical.replace("{language}", "en").replace("{tail}", "main.m3u8")
        path = path.replace("{asset}", "zzzzzzzzzzzz").replace("{id}", "zzzzzzzzzzzz")
        path = path.replace("{stream}", "zzzzzzzzzzzz").replace("{channel}", "assets")
        path = path.replace("{marker}", "zzzzzzzzzzzz").replace("{token}", "x.y.z")
        for method in ["GET", "POST", "OPTIONS"] if route.method == "*" else [route.method]:
            policy = RULES[route.name].write if method in WRITES else RULES[route.name].read
            for caller, secret in secrets.items():
                headers = {} if secret is None else {"Authorization": f"Bearer {secret}"}
                async with whole.request(method, path, headers=headers) as response:
                    expected = _may(caller, policy)
                    keyed = KEYED.get(route.name, (0, ""))
                    if expected == 200 and response.status == keyed[0]:
                        assert (await response.json())["title"] == keyed[1]
                        continue
                    # 429 is what 401 becomes after many wrong tokens.
                    got = {401: 401, 403: 403, 429: 401}.get(response.status, 200)
                    assert got == expected, (method, path, caller, response.status)
                checked += 1
    assert checked >= 150


async def test_the_whole_server_is_ruled_and_described(whole):
    assert uncovered(whole.app) == []
    assert undocumented(whole.app) == []


async def test_on_loopback_this_machine_is_administrator(back, local):
    asset = await back.planned()
    assert (await local.get("/api/v1/assets")).status == 200
    assert (await local.patch(f"/api/v1/assets/{asset.id}", json={"title": "x"})).status == 200
    assert (await (await local.get("/api/v1/session")).json())["role"] == "admin"


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "X-Real-IP", "Via"])
async def test_whoever_comes_through_a_proxy_is_not_this_machine(local, header):
    assert (await local.get("/api/v1/assets", headers={header: "127.0.0.1"})).status == 401


async def test_a_wrong_token_is_refused_even_on_loopback(local, secrets):
    headers = {"Authorization": f"Bearer {secrets['bad']}"}
    response = await local.get("/api/v1/assets", headers=headers)
    assert response.status == 401
    assert "Bearer" in response.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:{port}", 200),
        ("127.0.0.1:{port}", 200),
        ("[::1]:{port}", 200),
        ("evil.example", 403),
        ("evil.example:{port}", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost@evil.example", 403),
        ("", 403),
        ("[", 403),
        ("2130706433", 403),
    ],
)
async def test_dns_rebinding_is_refused_on_loopback(local, host, status):
    headers = {"Host": host.replace("{port}", str(local.port))}
    for path in ("/api/v1/assets", "/health", "/nothing"):
        response = await local.get(path, headers=headers)
        assert (response.status == 403) == (status == 403), (path, response.status)


async def test_the_public_name_reaches_a_loopback_server_but_is_not_this_machine(
    back, data_dir, aiohttp_client
):
    client = await aiohttp_client(served(back, data_dir, public_url="https://video.example").app)
    headers = {"Host": "video.example"}
    assert (await client.get("/health", headers=headers)).status == 200
    assert (await client.get("/api/v1/assets", headers=headers)).status == 401


FOREIGN = [
    "null",
    "http://evil.example",
    "http://localhost.evil.example",
    "http://127.0.0.1:1",
    "http://127.0.0.1",
    "https://video.example.evil.example",
    "https://xvideo.example",
    "http://video.example",
    "file://",
    "",
    "chrome-extension://abc",
]


@pytest.mark.parametrize("origin", FOREIGN)
async def test_writes_from_a_foreign_origin_are_refused(back, local, network, secrets, origin):
    asset = await back.planned()
    url = f"/api/v1/assets/{asset.id}"
    assert (await local.patch(url, json={"title": "x"}, headers={"Origin": origin})).status == 403
    bearer = {"Authorization": f"Bearer {secrets['admin']}", "Origin": origin}
    assert (await network.patch(url, json={"title": "x"}, headers=bearer)).status == 403
    assert (await back.catalog.get(asset.id)).title == "Film"


async def test_writes_from_the_own_pages_are_let_through(back, local, network, secrets):
    asset = await back.planned()
    url = f"/api/v1/assets/{asset.id}"
    own = {"Origin": f"http://127.0.0.1:{local.port}"}
    assert (await local.patch(url, json={"title": "x"}, headers=own)).status == 200
    public = {"Authorization": f"Bearer {secrets['admin']}", "Origin": "https://video.example"}
    assert (await network.patch(url, json={"title": "x"}, headers=public)).status == 200


async def test_a_cross_site_form_without_an_origin_is_refused(back, local):
    asset = await back.planned()
    headers = {"Sec-Fetch-Site": "cross-site"}
    response = await local.post(f"/api/v1/assets/{asset.id}/reencode", headers=headers)
    assert response.status == 403


async def test_a_session_from_sign_in_to_sign_out(back, network, secrets):
    own = {"Origin": "https://video.example"}
    response = await network.post("/api/v1/session", json={"token": secrets["admin"]}, headers=own)
    assert response.status == 201
    cookie = response.headers["Set-Cookie"]
    for mark in (COOKIE, "HttpOnly", "SameSite=Strict", "Secure", "Path=/"):
        assert mark in cookie
    assert secrets["admin"] not in cookie
    session = {"Cookie": cookie.partition(";")[0]}
    assert (await network.get("/api/v1/assets", headers=session)).status == 200
    assert (await (await network.get("/api/v1/session", headers=session)).json()) == {"role": "admin"}
    asset = await back.planned()
    url = f"/api/v1/assets/{asset.id}"
    assert (await network.patch(url, json={"title": "x"}, headers={**session, **own})).status == 200
    # A browser always names the page: a write without it is not from one.
    assert (await network.patch(url, json={"title": "x"}, headers=session)).status == 403
    foreign = {**session, "Origin": "https://evil.example"}
    assert (await network.patch(url, json={"title": "x"}, headers=foreign)).status == 403
    assert (await network.delete("/api/v1/session", headers={**session, **own})).status == 204
    assert (await network.get("/api/v1/assets", headers=session)).status == 401


@pytest.mark.parametrize("sent", [{}, {"token": 1}, {"token": None}])
async def test_signing_in_without_a_token_is_not_valid(network, sent):
    assert (await network.post("/api/v1/session", json=sent)).status == 400


async def test_a_stale_cookie_does_not_keep_anybody_from_public_pages(network):
    headers = {"Cookie": f"{COOKIE}=stale"}
    assert (await network.get("/health", headers=headers)).status == 200
    assert (await network.get("/api/v1/session", headers=headers)).status == 200


async def test_guessing_is_slowed_down(network, secrets):
    codes = []
    for number in range(25):
        response = await network.post("/api/v1/session", json={"token": f"guess{number}"})
        codes.append(response.status)
    assert codes == [401] * 20 + [429] * 5
    assert int(response.headers["Retry-After"]) > 0
    headers = {"Authorization": "Bearer guess"}
    assert (await network.get("/api/v1/assets", headers=headers)).status == 429
    assert (await network.get("/health")).status == 200
    headers = {"Authorization": f"Bearer {secrets['admin']}"}
    assert (await network.get("/api/v1/assets", headers=headers)).status == 200


async def test_a_route_that_nobody_ruled_on_is_closed(back, data_dir, aiohttp_client):
    made = served(back, data_dir)

    async def handler(_request):
        return web.Response()

    made.app.router.add_get("/open", handler)
    made.app.on_startup.clear()
    client = await aiohttp_client(made.app)
    assert (await client.get("/open")).status == 403
