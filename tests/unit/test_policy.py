"""The cache table."""

import pytest

from cdn.policy import MANIFEST_LIFE, POLICIES, Kind, classify
from packager import keys

EXAMPLES = [
    (keys.segment("abc123", "v720", 0), Kind.SEGMENT),
    (keys.segment("abc123", "v720", 123456), Kind.SEGMENT),
    ("abc123/v720/17.3.m4s", Kind.PART),
    (keys.init("abc123", "a-en_2"), Kind.INIT),
    (keys.poster("abc123"), Kind.POSTER),
    (keys.passing_poster("abc123", 7), Kind.POSTER),
    (keys.sprite("abc123", 7), Kind.SPRITE),
    (keys.storyboard("abc123"), Kind.STORYBOARD),
    (keys.text("abc123", "t-en"), Kind.CAPTIONS),
    (keys.MULTIVARIANT, Kind.MULTIVARIANT),
    (keys.MPD, Kind.MPD),
    (keys.playlist("v720"), Kind.PLAYLIST),
]
STRANGERS = [
    "",
    "main",
    "main.m3u8/",
    "main.m3u8\n",
    "/main.m3u8",
    "MAIN.m3u8",
    "a/main.m3u8",
    "gen/v/01.m4s",
    "gen/v/-1.m4s",
    "gen/v/1234567890.m4s",
    "gen/v/٣.m4s",
    "gen/v/0.m4s.tmp",
    "gen/../0.m4s",
    "../gen/v/0.m4s",
    "gen/v/0.mp4",
    ".tmp/v/0.m4s",
    "gen//0.m4s",
    "gen/v/x/0.m4s",
    "poster.jpg",
]


@pytest.mark.parametrize(("key", "kind"), EXAMPLES)
def test_every_key_has_a_kind(key, kind):
    assert classify(key) is kind


@pytest.mark.parametrize("key", ["v720.push.mp4", "v720.push"])
def test_what_is_pushed_is_never_kept(key):
    assert classify(key) is Kind.PUSHED
    assert POLICIES[Kind.PUSHED].cache_control() == "no-store"


@pytest.mark.parametrize("key", STRANGERS, ids=ascii)
def test_other_names_have_none(key):
    assert classify(key) is None


@pytest.mark.parametrize(("key", "kind"), EXAMPLES)
def test_only_manifests_depend_on_completeness(key, kind):
    growing = classify(key, complete=False)
    assert growing is not None
    if "/" in key:
        assert growing is kind
        assert POLICIES[kind].cache_control() == "public, max-age=31536000, immutable"
    else:
        assert growing.value == f"growing-{kind}"
        assert POLICIES[growing].media_type == POLICIES[kind].media_type
        assert "max-age=2," in POLICIES[growing].cache_control()
        assert POLICIES[kind].negotiated


@pytest.mark.parametrize(("key", "kind"), EXAMPLES)
def test_what_grows_at_its_end_is_cached_like_live(key, kind):
    arriving = classify(key, complete=False, ended=False)
    if kind in {Kind.PLAYLIST, Kind.MPD}:
        assert POLICIES[arriving].cache_control() == "public, max-age=1"
        assert POLICIES[arriving].media_type == POLICIES[kind].media_type
    else:
        assert arriving == classify(key, complete=False)


def test_every_kind_has_a_row_without_s_maxage():
    assert set(POLICIES) == set(Kind)
    assert all("s-maxage" not in row.cache for row in POLICIES.values())


@pytest.mark.parametrize(
    ("kind", "target", "cache"),
    [
        (Kind.LIVE_BLOCKED, 4, "public, max-age=24"),
        (Kind.LIVE_PLAYLIST, 4, "public, max-age=2, stale-if-error=16"),
        (Kind.LIVE_PLAYLIST, 1, "public, max-age=1, stale-if-error=4"),
        (Kind.LIVE_ABSENT, 0, "public, max-age=1"),
        (Kind.FAILED, 0, "no-store"),
        (Kind.ORIGINAL, 0, "private, no-cache"),
        (Kind.PRIVATE_PLAYLIST, 0, "private, no-store"),
        (Kind.PAGE, 0, "no-cache"),
        (Kind.API, 0, "no-store"),
    ],
)
def test_rules(kind, target, cache):
    assert POLICIES[kind].cache_control(target_duration=target) == cache


def test_a_manifest_outlives_no_kept_generation():
    assert f"stale-if-error={MANIFEST_LIFE - 10}" in POLICIES[Kind.MPD].cache


def test_an_original_is_never_shown():
    assert POLICIES[Kind.ORIGINAL].attachment
    assert POLICIES[Kind.ORIGINAL].media_type == "application/octet-stream"
