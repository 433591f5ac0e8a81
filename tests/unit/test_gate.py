"""The gate before media: who gets what is signed without a token, and where a viewer comes from."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from aiohttp.test_utils import make_mocked_request

from cdn.grants import TokenRefused
from streamer.gate import Gate
from streamer.passage import passage_key
from streamer.playback_keys import PlaybackKeys
from streamer.playback_tokens import PlaybackTokens
from streamer.playback_wish import Wish
from streamer.policies import PlaybackPolicies
from streamer.rows import PlaybackPolicy

EDGE, CLUSTER = "an edge's own secret", "what servers know each other by"


@pytest.fixture
async def policies(back):
    made = PlaybackPolicies(back.database)
    yield made
    await made.close()


@pytest.fixture
def tokens(back):
    keys = PlaybackKeys(back.database, clock=back.clock)
    return PlaybackTokens(keys, longest_seconds=3600, clock=back.clock)


@pytest.fixture
def gate(policies, tokens):
    proxies = (ip_network("10.0.0.0/8"),)
    return Gate(policies, tokens, edge_secret=EDGE, cluster_secret=CLUSTER, proxies=proxies)


@pytest.fixture
async def asset(back):
    return (await back.catalog.create_asset(title="Film", policy=PlaybackPolicy.SIGNED)).id


def asked(**headers: str):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return make_mocked_request("GET", "/v/x/main.m3u8", headers=named)


async def test_what_is_signed_goes_to_nobody_but_edges_and_servers(gate, asset):
    assert (await gate.direct(asked(), asset)).slug == "token-needed"
    for header in ("Streamer_Edge", "Streamer_Cluster"):
        for wrong in ("", EDGE[:-1], "é", CLUSTER if header == "Streamer_Edge" else EDGE):
            assert await gate.direct(asked(**{header: wrong}), asset) is not None
    edge, server = asked(Streamer_Edge=EDGE), asked(Streamer_Cluster=CLUSTER)
    assert await gate.direct(edge, asset) is None
    assert passage_key in edge
    assert await gate.direct(server, asset) is None
    assert passage_key not in server  # it is that server's to say who may keep it


async def test_without_secrets_nobody_has_one(policies, tokens, asset):
    bare = Gate(policies, tokens, edge_secret=None, cluster_secret="")
    for header in ("Streamer_Edge", "Streamer_Cluster"):
        assert await bare.direct(asked(**{header: ""}), asset) is not None


async def test_what_is_public_passes(back, gate):
    public = (await back.catalog.create_asset(title="Film")).id
    request = asked(Streamer_Edge="wrong")
    assert not gate.open(public)  # nothing is known of it yet
    assert await gate.direct(request, public) is None
    assert gate.open(public)
    assert passage_key not in request


@pytest.mark.parametrize(
    "case",
    [
        ("203.0.113.7", None, False, True),
        ("198.51.100.1", "203.0.113.7", False, False),
        ("198.51.100.1", "203.0.113.7", True, True),
        ("10.0.0.1", "203.0.113.7", False, True),
        ("10.0.0.1", "203.0.113.7, 10.0.0.2", False, True),
        ("10.0.0.1", "203.0.113.7, 198.51.100.1", False, False),
        ("10.0.0.1", "203.0.113.7, nonsense", False, False),
        ("10.0.0.1", None, False, False),
        ("198.51.100.1", "203.0.113.7, 198.51.100.1", True, False),
        ("10.0.0.1", " ,203.0.113.7,", False, True),
    ],
)
async def test_an_address_is_what_those_say_who_are_trusted(gate, tokens, asset, case):
    peer, forwarded, edge, may = case
    limits = {"addresses": (ip_network("203.0.113.0/24"),)}
    token = (await tokens.issue(asset, Wish(limits=limits))).token
    headers = {} if forwarded is None else {"X_Forwarded_For": forwarded}
    request = asked(**headers, **({"Streamer_Edge": EDGE} if edge else {})).clone(remote=peer)
    if may:
        await gate.admit(request, token, asset)
    else:
        with pytest.raises(TokenRefused):
            await gate.admit(request, token, asset)
