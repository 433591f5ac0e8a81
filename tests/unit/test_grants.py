"""What claims grant: to whom, until when, and which rungs."""

from __future__ import annotations

import pytest

from cdn.grants import MOST, SKEW_SECONDS, BadClaims, Expired, Grant, NotYet, TooLong, grant_of
from tests.tokens import ASSET, NOW

DAY = 86_400


def granted(**claims) -> Grant:
    return grant_of({"sub": ASSET, "exp": NOW + 60, **claims})


def test_a_grant_says_the_claims_that_it_was_read_from():
    claims = {
        "sub": ASSET,
        "exp": NOW + 60,
        "nbf": NOW,
        "origins": ["a.example", "*.b.example"],
        "addresses": ["203.0.113.0/24", "2001:db8::/32"],
        "rungs": ["360p"],
        "max_height": 720,
    }
    assert grant_of(claims).claims() == claims
    assert granted().claims() == {"sub": ASSET, "exp": NOW + 60}


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": None},
        {"sub": 1},
        {"sub": "../etc"},
        {"sub": ""},
        {"exp": None},
        {"exp": "soon"},
        {"exp": True},
        {"exp": -1},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"exp": 1e300},
        {"nbf": "now"},
        {"origins": []},
        {"origins": "a.example"},
        {"origins": [1]},
        {"origins": ["https://a.example"]},
        {"origins": ["*"]},
        {"origins": ["a.example:8080"]},
        {"origins": ["a.example"] * (MOST + 1)},
        {"addresses": ["everywhere"]},
        {"addresses": ["203.0.113.0/33"]},
        {"rungs": ["../x"]},
        {"rungs": []},
        {"max_height": 0},
        {"max_height": True},
        {"max_height": 7.5},
        {"adresses": ["203.0.113.0/24"]},
        {"aud": "other"},
    ],
)
def test_claims_that_are_missing_wrong_or_unknown_are_refused(claims):
    with pytest.raises(BadClaims):
        granted(**claims)


def test_claims_that_limit_nothing_are_passed_over():
    assert granted(iat=NOW, iss="shop", jti="1") == granted()


def test_a_grant_holds_from_its_beginning_to_its_end():
    grant = granted(nbf=NOW)
    with pytest.raises(NotYet):
        grant.check_time(NOW - SKEW_SECONDS - 1, longest=DAY)
    for now in (NOW - SKEW_SECONDS, NOW, NOW + 59):
        grant.check_time(now, longest=DAY)
    with pytest.raises(Expired):
        grant.check_time(NOW + 60, longest=DAY)
    with pytest.raises(TooLong):
        grant.check_time(NOW, longest=59)


@pytest.mark.parametrize(
    ("page", "may"),
    [
        ("https://a.example", True),
        ("http://a.example:8080/path?x", True),
        ("https://A.EXAMPLE/", True),
        ("https://x.b.example", True),
        ("https://x.y.b.example", True),
        ("https://b.example", False),
        ("https://eviLb.example", False),
        ("https://a.example.evil.example", False),
        ("https://evil.example/a.example", False),
        ("https://a.example@evil.example", False),
        ("null", False),
        ("", False),
        ("https://[", False),
    ],
)
def test_pages_are_told_by_their_host(page, may):
    assert granted(origins=["a.example", "*.b.example"]).from_page(page) is may
    assert granted().from_page(page)


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("203.0.113.9", True),
        ("::ffff:203.0.113.9", True),
        ("203.0.114.9", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("unknown", False),
        ("", False),
    ],
)
def test_addresses_are_told_by_their_network(address, may):
    assert granted(addresses=["203.0.113.0/24", "2001:db8::/32"]).from_address(address) is may
    assert granted().from_address(address)


@pytest.mark.parametrize(
    ("key", "may"),
    [
        ("main.m3u8", True),
        ("main.mpd", True),
        ("360p.m3u8", True),
        ("720p.m3u8", False),
        ("g1/360p/0.m4s", True),
        ("g1/360p/init.mp4", True),
        ("g1/720p/init.mp4", False),
        ("g1/720p/0.m4s", False),
        ("g1/720p/0.1.m4s", False),
        ("720p.push.mp4", False),
        ("720p.push", False),
        ("audio-0.m3u8", True),
        ("g1/audio-0/0.m4s", True),
        ("g1/text-0/0.vtt", True),
        ("g1/poster.jpg", True),
        ("g1/storyboard/0.jpg", True),
    ],
)
def test_keys_of_rungs_that_are_left_out_are_not_granted(key, may):
    assert granted(rungs=["360p", "480p"]).key(key) is may
    assert granted(max_height=480).key(key) is may
    assert granted().key(key)


def test_both_limits_of_rungs_hold():
    grant = granted(rungs=["360p", "720p"], max_height=480)
    assert [name for name in ("240p", "360p", "720p") if grant.rendition(name)] == ["360p"]


def test_what_depends_on_who_asks_is_personal():
    assert not granted(rungs=["360p"]).personal
    assert granted(origins=["a.example"]).personal
    assert granted(addresses=["203.0.113.9"]).personal
