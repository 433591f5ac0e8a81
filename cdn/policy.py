"""The cache rules: one table from kind of object to Cache-Control and media type.

The origin answers with these rows, and a publisher stamps them on the objects of a bucket.

- Never `s-maxage`: one large CDN then ignores stale-while-revalidate.
- Every error carries a rule of its own, so that no edge applies its default for errors.
- Media segments are `video/mp4`, not the registered `video/iso.segment`: every browser, television and cast
  receiver knows it, and content rules of CDNs match it. `.m4s` in a default table is octet-stream.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType

from packager import keys


class Kind(StrEnum):
    """What an object or an answer is, as far as caches are concerned."""

    SEGMENT = "segment"
    PART = "part"
    PUSHED = "pushed"
    INIT = "init"
    POSTER = "poster"
    SPRITE = "sprite"
    STORYBOARD = "storyboard"
    CAPTIONS = "captions"
    MULTIVARIANT = "multivariant"
    PLAYLIST = "playlist"
    MPD = "mpd"
    GROWING_MULTIVARIANT = "growing-multivariant"
    GROWING_PLAYLIST = "growing-playlist"
    GROWING_MPD = "growing-mpd"
    ARRIVING_PLAYLIST = "arriving-playlist"
    ARRIVING_MPD = "arriving-mpd"
    LIVE_PLAYLIST = "live-playlist"
    LIVE_BLOCKED = "live-blocked"
    LIVE_MPD = "live-mpd"
    LIVE_ABSENT = "live-absent"
    PRIVATE_PLAYLIST = "private-playlist"
    PRIVATE_MPD = "private-mpd"
    ORIGINAL = "original"
    REDIRECT = "redirect"
    ABSENT = "absent"
    FAILED = "failed"
    BUNDLE = "bundle"
    PAGE = "page"
    API = "api"
    POLL = "poll"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One row. `cache` is the Cache-Control; `media_type` is empty where the object itself knows.

    `targets` is a lifetime in target durations for live rows, whose `cache` then has a place `{age}` and may
    have one `{stale}`;
    `attachment` tells browsers to save and never to show; `negotiated` that content codings exist (Vary).
    X-Content-Type-Options: nosniff goes with every row.
    """

    cache: str
    media_type: str = ""
    targets: Fraction = Fraction(0)
    attachment: bool = False
    negotiated: bool = False

    def cache_control(self, *, target_duration: int = 0) -> str:
        """Return the Cache-Control; live rows need the playlist's target duration in seconds."""
        if not self.targets:
            return self.cache
        age = max(1, int(self.targets * target_duration))
        return self.cache.format(age=age, stale=max(1, LIVE_STALE * target_duration))


M3U8 = "application/vnd.apple.mpegurl"
DASH = "application/dash+xml"
MP4 = "video/mp4"
JPEG = "image/jpeg"
VTT = "text/vtt; charset=utf-8"
PROBLEM = "application/problem+json"

MANIFEST_AGE = 10
MANIFEST_STALE = 60
MANIFEST_ORPHANED = 3600
# What a cache may answer with a manifest at worst; an old generation is kept for at least as long.
MANIFEST_LIFE = MANIFEST_AGE + MANIFEST_ORPHANED

LIVE_STALE = 4
"""Target durations for which a live manifest may be served while the origin is away: what players hold."""

_IMMUTABLE = "public, max-age=31536000, immutable"
_FINAL = (
    f"public, max-age={MANIFEST_AGE}, stale-while-revalidate={MANIFEST_STALE}, "
    f"stale-if-error={MANIFEST_ORPHANED}"
)
_GROWING = "public, max-age=2, stale-while-revalidate=4, stale-if-error=60"
_LIVE = "public, max-age={age}, stale-if-error={stale}"
_BLOCKED = "public, max-age={age}"
_SECOND = "public, max-age=1"
_PRIVATE = "private, no-store"

POLICIES: Mapping[Kind, Policy] = MappingProxyType(
    {
        Kind.SEGMENT: Policy(cache=_IMMUTABLE, media_type=MP4),
        Kind.PART: Policy(cache=_IMMUTABLE, media_type=MP4),
        Kind.PUSHED: Policy(cache="no-store", media_type=MP4),
        Kind.INIT: Policy(cache=_IMMUTABLE, media_type=MP4),
        Kind.POSTER: Policy(cache=_IMMUTABLE, media_type=JPEG),
        Kind.SPRITE: Policy(cache=_IMMUTABLE, media_type=JPEG),
        Kind.STORYBOARD: Policy(cache=_IMMUTABLE, media_type=VTT),
        Kind.CAPTIONS: Policy(cache=_IMMUTABLE, media_type=VTT),
        Kind.MULTIVARIANT: Policy(cache=_FINAL, media_type=M3U8, negotiated=True),
        Kind.PLAYLIST: Policy(cache=_FINAL, media_type=M3U8, negotiated=True),
        Kind.MPD: Policy(cache=_FINAL, media_type=DASH, negotiated=True),
        Kind.GROWING_MULTIVARIANT: Policy(cache=_GROWING, media_type=M3U8, negotiated=True),
        Kind.GROWING_PLAYLIST: Policy(cache=_GROWING, media_type=M3U8, negotiated=True),
        Kind.GROWING_MPD: Policy(cache=_GROWING, media_type=DASH, negotiated=True),
        # Its end is unknown: what players ask for again every few seconds must not be older than that.
        Kind.ARRIVING_PLAYLIST: Policy(cache=_SECOND, media_type=M3U8, negotiated=True),
        Kind.ARRIVING_MPD: Policy(cache=_SECOND, media_type=DASH, negotiated=True),
        Kind.LIVE_PLAYLIST: Policy(cache=_LIVE, media_type=M3U8, targets=Fraction(1, 2), negotiated=True),
        Kind.LIVE_BLOCKED: Policy(cache=_BLOCKED, media_type=M3U8, targets=Fraction(6), negotiated=True),
        Kind.LIVE_MPD: Policy(cache=_LIVE, media_type=DASH, targets=Fraction(1, 2), negotiated=True),
        Kind.LIVE_ABSENT: Policy(cache=_SECOND, media_type=PROBLEM),
        Kind.PRIVATE_PLAYLIST: Policy(cache=_PRIVATE, media_type=M3U8, negotiated=True),
        Kind.PRIVATE_MPD: Policy(cache=_PRIVATE, media_type=DASH, negotiated=True),
        # Bytes from a stranger under our own name: to be saved, never to be shown.
        Kind.ORIGINAL: Policy(
            cache="private, no-cache", media_type="application/octet-stream", attachment=True
        ),
        # It may be withdrawn from where it leads to.
        Kind.REDIRECT: Policy(cache="public, max-age=10"),
        Kind.ABSENT: Policy(cache=_SECOND, media_type=PROBLEM),
        Kind.FAILED: Policy(cache="no-store", media_type=PROBLEM),
        Kind.BUNDLE: Policy(cache=_IMMUTABLE, negotiated=True),
        Kind.PAGE: Policy(cache="no-cache", media_type="text/html; charset=utf-8", negotiated=True),
        Kind.API: Policy(cache="no-store", media_type="application/json"),
        Kind.POLL: Policy(cache=_SECOND, media_type="application/json"),
    }
)

LASTING = frozenset(kind for kind, policy in POLICIES.items() if policy.cache == _IMMUTABLE) - {Kind.BUNDLE}
"""Kinds of objects whose bytes never change."""

_NAME = keys.NAME.pattern
_NUMBER = r"(?:0|[1-9][0-9]{0,8})"
_SHAPES: tuple[tuple[re.Pattern[str], Kind], ...] = tuple(
    (re.compile(shape, re.ASCII), kind)
    for shape, kind in (
        (rf"{_NAME}/{_NAME}/{_NUMBER}\.m4s", Kind.SEGMENT),
        (rf"{_NAME}/{_NAME}/{_NUMBER}\.{_NUMBER}\.m4s", Kind.PART),
        (rf"{_NAME}/{_NAME}/init\.mp4", Kind.INIT),
        (rf"{_NAME}/{_NAME}/{_NUMBER}\.vtt", Kind.CAPTIONS),
        (rf"{_NAME}/storyboard/{_NUMBER}\.jpg", Kind.SPRITE),
        (rf"{_NAME}/storyboard\.vtt", Kind.STORYBOARD),
        (rf"{_NAME}/poster(?:/{_NUMBER})?\.jpg", Kind.POSTER),
        (re.escape(keys.MULTIVARIANT), Kind.MULTIVARIANT),
        (re.escape(keys.MPD), Kind.MPD),
        (rf"{_NAME}\.m3u8", Kind.PLAYLIST),
        (rf"{_NAME}\.push(?:\.mp4)?", Kind.PUSHED),
    )
)
_GROWS = {
    Kind.MULTIVARIANT: Kind.GROWING_MULTIVARIANT,
    Kind.PLAYLIST: Kind.GROWING_PLAYLIST,
    Kind.MPD: Kind.GROWING_MPD,
}
_AIRS = {
    Kind.MULTIVARIANT: Kind.GROWING_MULTIVARIANT,
    Kind.PLAYLIST: Kind.LIVE_PLAYLIST,
    Kind.MPD: Kind.LIVE_MPD,
}
_ARRIVES = {**_GROWS, Kind.PLAYLIST: Kind.ARRIVING_PLAYLIST, Kind.MPD: Kind.ARRIVING_MPD}


def private(cache: str) -> str:
    """Return the Cache-Control of what only one viewer may have: media may stay in the browser alone."""
    if cache == _IMMUTABLE:
        return _IMMUTABLE.replace("public", "private")
    return cache if "no-store" in cache else _PRIVATE


def surrogate(cache: str) -> str:
    """Return the Surrogate-Control that has an edge keep what a Cache-Control lets everybody keep."""
    words = (word.strip() for word in cache.split(","))
    return ", ".join(word for word in words if word not in {"public", "immutable"})


def classify(key: str, *, complete: bool = True, ended: bool = True) -> Kind | None:
    """Return the kind of an asset-relative key, None where no object has such a key.

    Until the asset is `complete` its manifests may change at any moment, and live short; until it has `ended`
    segments are added to them, and they are cached like live ones.
    """
    for shape, kind in _SHAPES:
        if shape.fullmatch(key):
            return kind if complete else (_GROWS if ended else _ARRIVES).get(kind, kind)
    return None


def on_air(kind: Kind) -> Kind:
    """Return the kind that a manifest, or any other object, is of while its broadcast is on air."""
    return _AIRS.get(kind, kind)
