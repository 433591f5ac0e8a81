"""Which events a webhook wants, by patterns: `*`, `asset.*`, `stream.state`."""

from __future__ import annotations

from collections.abc import Iterable

from streamer.vocabulary.kind import ASSET, CUSTOM
from streamer.vocabulary.words import KINDS, kind_of

_ASSET = ASSET.partition("{")[0]


def fits(pattern: str, name: str) -> bool:
    """Say whether a name is the pattern, or begins with what stands before the star at its end."""
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def wanted(patterns: Iterable[str], chosen: str | None, *, type_: str, channel: str) -> bool:
    """Say whether an event is wanted: its type by one of the patterns, its channel by the `chosen` one.

    Where no channel was chosen, what is told on several channels is wanted once: from the asset's own, whose
    order then holds for all that happens to the asset.
    """
    if not any(fits(pattern, type_) for pattern in patterns):
        return False
    if chosen is not None:
        return fits(chosen, channel)
    about = None if (kind := kind_of(type_)) is None else kind.about
    repeated = about is not None and not about.open and ASSET in about.carriers
    return not repeated or channel.startswith(_ASSET)


def known(pattern: str) -> bool:
    """Say whether there are numbered events that fit a pattern; of an application's own ones there may be."""
    if pattern.startswith(CUSTOM):
        return True
    return any(fits(pattern, kind.type) for kind in KINDS if kind.about.numbered)
