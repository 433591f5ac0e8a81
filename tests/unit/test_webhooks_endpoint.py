"""What may be said of a webhook."""

from __future__ import annotations

import pytest

from streamer.errors import InvalidRequest
from streamer.webhooks.endpoint import wish


def test_what_is_said_is_kept():
    said = {"url": "https://a.example/", "events": ["asset.*", "custom.x"], "channel": None, "enabled": False}
    assert wish(said) == said
    assert wish({"channel": "stream:*"}) == {"channel": "stream:*"}


@pytest.mark.parametrize(
    "said",
    [
        {"secret": "mine"},
        {"url": 7},
        {"url": "https://a.example/" + "a" * 2000},
        {"events": []},
        {"events": "*"},
        {"events": ["*"] * 21},
        {"events": ["asset.progress"]},
        {"events": ["ASSET.*"]},
        {"events": ["a*b"]},
        {"events": [None]},
        {"channel": ""},
        {"channel": 1},
        {"enabled": "yes"},
        {"enabled": None},
    ],
)
def test_what_does_not_do_is_refused(said):
    with pytest.raises(InvalidRequest):
        wish(said)
