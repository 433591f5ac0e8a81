"""What counts as this machine, and when the server refuses to start."""

from __future__ import annotations

import pytest
from aiohttp import web

from streamer.access import RULES, Access, Rule, is_loopback, require_token, uncovered
from streamer.config import Config
from streamer.errors import ConfigError
from streamer.rows import Role
from tests.backend import EVERYWHERE, served


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost", "LOCALHOST.", "a.localhost"]
)
def test_loopback(host):
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        EVERYWHERE,
        "::",
        "",
        "192.168.0.1",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evillocalhost",
        "127.1",
    ],
)
def test_not_loopback(host):
    assert not is_loopback(host)


@pytest.mark.parametrize("host", [EVERYWHERE, "::", "192.168.0.7", "video.example"])
async def test_beyond_loopback_a_token_is_needed(back, host):
    config = Config(host=host)
    with pytest.raises(ConfigError, match="streamer token create"):
        await require_token(config, back.tokens)
    await back.tokens.create(Role.VIEWER, "v")
    with pytest.raises(ConfigError):
        await require_token(config, back.tokens)
    await back.tokens.create(Role.ADMIN, "a")
    await require_token(config, back.tokens)


async def test_on_loopback_no_token_is_needed(back):
    await require_token(Config(host="127.0.0.1"), back.tokens)


async def test_every_route_has_a_rule(back, data_dir):
    assert uncovered(served(back, data_dir).app) == []


async def test_a_route_without_a_rule_stops_the_start(back):
    async def handler(_request):
        return web.Response()

    app = web.Application()
    app.router.add_get("/open", handler)
    app.router.add_get("/named", handler, name="nobody-knows")
    access = Access(back.tokens, host="127.0.0.1")
    with pytest.raises(ConfigError, match=r"GET /open.*GET /named"):
        await access.check_routes(app)


def test_who_is_not_named_may_do_nothing():
    assert Rule().read == Rule().write == max(rule.write for rule in RULES.values())
