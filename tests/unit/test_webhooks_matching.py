"""Patterns of webhooks: what is wanted, and that it is wanted once."""

from __future__ import annotations

import pytest

from streamer.webhooks.matching import fits, known, wanted


@pytest.mark.parametrize(
    ("pattern", "name", "does"),
    [
        ("*", "asset.created", True),
        ("asset.*", "asset.created", True),
        ("asset.*", "assets", False),
        ("stream.state", "stream.state", True),
        ("stream.state", "stream.stated", False),
        ("stream", "stream.state", False),
    ],
)
def test_a_pattern_is_a_name_or_how_it_begins(pattern, name, does):
    assert fits(pattern, name) is does


@pytest.mark.parametrize(
    ("type_", "channel", "is_wanted"),
    [
        ("asset.created", "asset:a", True),
        ("asset.created", "assets", False),
        ("stream.state", "asset:a", True),
        ("stream.state", "stream:s", False),
        ("stream.deleted", "stream:s", True),
        ("segment.stored", "asset:a", True),
        ("custom.count", "assets", True),
        ("custom.count", "stream:s", True),
        ("announcement", "stream:s", True),
    ],
)
def test_without_a_channel_everything_is_wanted_once(type_, channel, is_wanted):
    assert wanted(["*"], None, type_=type_, channel=channel) is is_wanted


def test_with_a_channel_it_is_that_one():
    assert wanted(["asset.*"], "assets", type_="asset.created", channel="assets")
    assert not wanted(["asset.*"], "assets", type_="asset.created", channel="asset:a")
    assert wanted(["stream.state"], "stream:*", type_="stream.state", channel="stream:s")
    assert not wanted(["stream.state"], "stream:*", type_="stream.changed", channel="stream:s")


@pytest.mark.parametrize("pattern", ["*", "asset.*", "asset.complete", "custom.*", "custom.mine", "cust*"])
def test_patterns_that_something_fits(pattern):
    assert known(pattern)


@pytest.mark.parametrize("pattern", ["", "assets.*", "asset.progress", "server.drain", "upload.*"])
def test_patterns_that_nothing_numbered_fits(pattern):
    assert not known(pattern)
