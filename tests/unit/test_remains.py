"""What a server that is gone has left of a broadcast: how far it goes, and which numbers it had announced."""

from __future__ import annotations

import pytest

from packager import keys
from packager.store import MemoryStore
from streamer.live.remains import aired, remains, settled
from tests import lives


def stored(life, counts):
    return life, {name: set(range(count)) for name, count in zip(life.names, counts, strict=True)}


@pytest.mark.parametrize(
    ("counts", "kept"),
    [
        ([(0, (3, 3, 3))], [(3, 2)]),
        ([(0, (4, 3, 3))], [(3, 3)]),  # what a rendition has beyond the others was announced
        ([(0, (3, 3, 3)), (5, (2, 2, 2))], [(3, 2), (2, 2)]),  # killed twice
        ([(0, (3, 3, 3)), (3, (2, 2, 2))], [(3, 0), (2, 2)]),  # the first one ended by itself
        ([(0, (3, 3, 3)), (5, (1, 1, 0))], [(3, 5)]),  # of the second one nothing can be shown
        ([(0, (0, 0, 0)), (2, (2, 2, 2))], [(2, 2)]),
        ([(0, (1, 1, 0))], []),
        ([], []),
    ],
)
def test_no_number_that_was_announced_is_left_for_another_segment(counts, kept):
    found = [stored(lives.life(f"l{first}", first=first), each) for first, each in counts]
    assert [(count, lost) for _, count, lost in settled(found)] == kept


async def test_the_latest_parts_are_found_in_their_segments():
    store = MemoryStore()
    first, second = lives.life("l1"), lives.life("l2", first=22)
    for life, count in ((first, 20), (second, 4)):
        for name in life.names:
            await store.put(keys.init(life.generation, name), lives.init(life, name))
            for number in range(count):
                body = lives.segment(life, name, number)
                await store.put(keys.segment(life.generation, name, number), body)
    made = [await aired(store, first, 20, lost=2), await aired(store, second, 4, lost=2)]
    found = await remains(store, made)
    assert found.lives == tuple(made)
    assert found.codecs == {"360p": "avc1.64001e", "180p": "avc1.64001e", "audio-0": "mp4a.40.2"}
    assert {key: sorted(sizes) for key, sizes in found.sizes.items()} == {
        **{("l2", name): [0, 1, 2, 3] for name in second.names},
        **{("l1", name): list(range(12, 20)) for name in first.names},
    }
    assert found.sizes["l2", "360p"][3] == [len(lives.segment(second, "360p", 3))]
