"""What a browser may send in which time."""

from __future__ import annotations

import pytest

from streamer.ingest.browser import Allowance
from streamer.ingest.errors import TooMuch


def test_what_was_not_used_is_saved_up_to_a_bound():
    allowance = Allowance(100, saved=1000, now=0)
    allowance.spend(1000, now=0)
    with pytest.raises(TooMuch):
        allowance.spend(1, now=0)
    later = Allowance(100, saved=1000, now=0)
    later.spend(1000, now=0)
    later.spend(500, now=5)
    later.spend(1000, now=1000)
    with pytest.raises(TooMuch):
        later.spend(101, now=1001)
