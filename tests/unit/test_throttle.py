"""Wrong tokens are counted for each peer."""

from __future__ import annotations

from streamer.throttle import Throttle


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_peer_waits_after_too_many_and_only_that_one():
    clock = Clock()
    throttle = Throttle(attempts=3, window_seconds=60, clock=clock)
    for _ in range(3):
        assert throttle.wait_seconds("a") == 0
        throttle.failed("a")
    assert throttle.wait_seconds("a") == 60
    assert throttle.wait_seconds("b") == 0
    clock.now += 59.5
    assert throttle.wait_seconds("a") == 1
    clock.now += 0.5
    assert throttle.wait_seconds("a") == 0
    throttle.failed("a")
    assert throttle.wait_seconds("a") == 0


def test_peers_are_bounded():
    throttle = Throttle(attempts=1, peers=2, clock=Clock())
    for peer in "abc":
        throttle.failed(peer)
    assert [bool(throttle.wait_seconds(peer)) for peer in "abc"] == [False, True, True]
