"""Write the player's types and the page of events, at the root of the project."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from streamer.vocabulary import page, typescript
from streamer.vocabulary.words import KINDS


def files() -> Mapping[str, str]:
    """Return what follows from the definitions, by its place in the project."""
    return {
        "player/src/channel/events.ts": typescript.render(KINDS),
        "docs/events.md": page.render(KINDS),
    }


def main() -> None:
    """Write the files where they differ, and name them."""
    for name, text in files().items():
        path = Path(name)
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            print(name)  # noqa: T201 - a command's answer


if __name__ == "__main__":
    main()
