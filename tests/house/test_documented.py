"""Every setting stands in docs/configuration.md, with its default and what it does."""

from pathlib import Path

from streamer.config import Config

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def rows():
    for name, field in Config.model_fields.items():
        yield f"| `STREAMER_{name.upper()}`", field.description


def test_every_setting_is_documented():
    text = PAGE.read_text()
    missing = [name for name, about in rows() if f"{name} |" not in text or about not in text]
    assert not missing, f"docs/configuration.md lacks {missing}"


def test_nothing_is_documented_that_does_not_exist():
    named = {line.split("`")[1] for line in PAGE.read_text().splitlines() if line.startswith("| `STREAMER_")}
    known = {f"STREAMER_{name.upper()}" for name in Config.model_fields} | {"STREAMER_CONFIG"}
    assert named <= known
