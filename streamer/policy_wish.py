"""A playback policy as it is wished for in a request."""

from __future__ import annotations

from typing import Any

from streamer.errors import InvalidRequest
from streamer.rows import PlaybackPolicy


def policy_of(value: Any) -> PlaybackPolicy:
    """Return the policy of this name. Raise InvalidRequest."""
    if not isinstance(value, str) or value not in list(PlaybackPolicy):
        raise InvalidRequest(f"`policy` is one of {', '.join(PlaybackPolicy)}.")
    return PlaybackPolicy(value)
