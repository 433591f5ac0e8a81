"""Places of publishers: so many together, so many from one address, and free again afterwards."""

from __future__ import annotations

import pytest

from streamer.ingest.errors import Crowded
from streamer.ingest.places import Places


def test_places_run_out_for_an_address_and_for_all():
    places = Places(most=3, each=2)
    with places.taking("a"), places.taking("a"):
        with pytest.raises(Crowded), places.taking("a"):
            pass
        with places.taking("b"), pytest.raises(Crowded), places.taking("c"):
            pass
        assert places.taken == 2
    assert places.taken == 0
    with places.taking("a"):
        assert places.taken == 1
