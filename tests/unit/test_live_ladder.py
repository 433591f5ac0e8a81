"""Which rungs a live stream gets beside pictures that are passed through."""

from __future__ import annotations

from fractions import Fraction

from packager import live_ladder
from packager.ladder import Effort
from packager.live_ladder import Offer

FULL_HD = Offer(width=1920, height=1080, rate=Fraction(30))


def names(offer: Offer, *, pixels: int = 10**9) -> list[str]:
    rungs = live_ladder.beside(offer, bits=6_000_000, pixels=pixels, effort=Effort())
    assert (rungs[0].width, rungs[0].height, rungs[0].maxrate) == (offer.width, offer.height, 6_000_000)
    return [rung.name for rung in rungs]


def test_what_is_passed_through_costs_nothing():
    assert names(FULL_HD) == ["1080p", "720p", "480p", "360p", "144p"]
    lower = (1280 * 720 + 854 * 480 + 640 * 360 + 426 * 240 + 256 * 144) * 30
    assert names(FULL_HD, pixels=lower - 1) == ["1080p", "480p", "360p", "240p", "144p"]


def test_a_machine_that_cannot_encode_passes_through_alone():
    assert names(FULL_HD, pixels=256 * 144 * 30) == ["1080p", "144p"]
    assert names(FULL_HD, pixels=0) == ["1080p"]


def test_no_rung_shows_nearly_the_same_again():
    odd = Offer(width=696, height=392, rate=Fraction(25))
    assert names(odd) == ["392p", "240p", "144p"]
