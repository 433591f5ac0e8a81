"""What is written from the definitions of events is as they are, and every one of them is documented."""

from __future__ import annotations

import re
from dataclasses import is_dataclass
from pathlib import Path

import pytest

from streamer.vocabulary.__main__ import files
from streamer.vocabulary.members import members
from streamer.vocabulary.words import KINDS, kind_of

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", sorted(files()))
def test_what_follows_from_the_definitions_is_written(name):
    assert (ROOT / name).read_text("utf-8") == files()[name], "run `python -m streamer.vocabulary`"


def test_every_type_is_defined_once_and_says_what_it_means():
    types = [kind.type for kind in KINDS]
    assert len(types) == len(set(types))
    for kind in KINDS:
        assert is_dataclass(kind)
        assert kind.__doc__
        assert kind.about.carriers
        assert members(kind) or kind.about.resource, kind.type
        assert kind_of(kind.type) is kind


def test_every_type_that_the_player_looks_for_is_defined():
    sources = (ROOT / "player/src/store").glob("*.ts")
    looked_for = {
        name for path in sources for name in re.findall(r'\btype === "([a-z]+\.[a-z]+)"', path.read_text())
    }
    assert "asset.changed" in looked_for
    assert {name for name in looked_for if kind_of(name) is None} == set()
