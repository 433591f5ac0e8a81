"""How far back a log reaches."""

from streamer.retention import Retention


def test_the_oldest_event_is_as_old_as_is_allowed():
    assert Retention(seconds=60).oldest(1_800_000_060_000) == 1_800_000_000_000
