"""Who watches, counted on one server and on several."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from streamer.presence import ROUND_SECONDS, STAYS_SECONDS, Presence

CHANNEL = "asset:a"


@dataclass
class Told:
    """Channels that only note what is told on them."""

    counts: list[int] = field(default_factory=list)

    def hint_here(self, channel: str, type_: str, data: Any, *, key: str = "") -> None:
        assert (channel, type_, key) == (CHANNEL, "viewers", "")
        self.counts.append(data["count"])


@dataclass
class Wire:
    """A bus whose servers hear each other at once, as long as it is not cut."""

    shared: bool = True
    cut: bool = False
    heard: list[Callable[[str, Any], None]] = field(default_factory=list)

    def tell(self, topic: str, key: str, value: Any = None) -> None:
        for call in () if self.cut else self.heard:
            call(key, value)

    def hear(self, topic: str, heard: Callable[[str, Any], None]) -> None:
        self.heard.append(heard)

    def regained(self, call: Callable[[], None]) -> None:
        """Do nothing."""


@dataclass
class Node:
    """A server's count, and what it has told."""

    presence: Presence
    told: Told


@pytest.fixture
def now():
    return [0.0]


def node(name, now, wire):
    told = Told()
    own = Wire(shared=wire.shared)
    own.tell = lambda topic, key, value=None: wire.tell(topic, key, value)
    presence = Presence(told, bus=own, node=name, clock=lambda: now[0])
    wire.heard.append(lambda key, value: None if f'"{name}"' in key else own.heard[0](key, value))
    return Node(presence=presence, told=told)


@pytest.fixture
def alone(now):
    return node("a", now, Wire(shared=False))


def test_a_number_is_told_when_it_has_changed(alone):
    for who in ("x", "y", "y"):
        alone.presence.seen(CHANNEL, who)
    alone.presence.round()
    alone.presence.round()
    alone.presence.left("x")
    alone.presence.round()
    assert alone.told.counts == [2, 1]
    assert alone.presence.viewers == 1


def test_who_is_not_heard_of_again_counts_no_more(alone, now):
    alone.presence.seen(CHANNEL, "x")
    alone.presence.round()
    now[0] = STAYS_SECONDS - 1
    alone.presence.seen(CHANNEL, "y")
    alone.presence.round()
    now[0] = STAYS_SECONDS
    alone.presence.round()
    now[0] = 2 * STAYS_SECONDS
    alone.presence.round()
    assert alone.told.counts == [1, 2, 1, 0]
    assert not alone.presence.counts(CHANNEL)


def test_one_may_be_on_several_channels_and_leave_one(alone):
    alone.presence.seen(CHANNEL, "x")
    alone.presence.seen("asset:b", "x")
    alone.presence.left("x", "asset:b")
    assert alone.presence.viewers == 1
    alone.presence.left("x")
    alone.presence.left("x", CHANNEL)
    assert alone.presence.viewers == 0


def test_several_servers_count_together(now):
    wire = Wire()
    one, two = node("a", now, wire), node("b", now, wire)
    one.presence.seen(CHANNEL, "x")
    two.presence.seen(CHANNEL, "y")
    two.presence.seen(CHANNEL, "z")
    for each in (one, two, one):
        each.presence.round()
    two.presence.left("y")
    two.presence.left("z")
    for each in (two, one):
        each.presence.round()
    assert (one.told.counts, two.told.counts) == ([1, 3, 1], [3, 1])


def test_a_server_that_is_gone_counts_no_more(now):
    wire = Wire()
    one, two = node("a", now, wire), node("b", now, wire)
    two.presence.seen(CHANNEL, "y")
    two.presence.round()
    one.presence.round()
    wire.cut = True
    now[0] = 4 * ROUND_SECONDS
    one.presence.round()
    assert one.told.counts == [1, 0]
